//! Each case over several seeds: the arrivals and losses of one run say little.

/// Seeds unless `ADAPTATION_SEEDS` has another number of them.
const SEEDS: u64 = 8;

/// Run a case with each seed; return what each run measured.
pub fn over_seeds<T>(case: impl FnMut(u64) -> T) -> Vec<T> {
    let wanted = std::env::var_os("ADAPTATION_SEEDS");
    let wanted = wanted.map(|it| it.to_str().and_then(|it| it.parse().ok()));
    let seeds = wanted.map_or(SEEDS, |it| it.expect("ADAPTATION_SEEDS is a whole number"));
    (1..=seeds).map(case).collect()
}

/// Return the mean of a figure over runs.
pub fn mean<T>(runs: &[T], value: impl Fn(&T) -> f64) -> f64 {
    runs.iter().map(value).sum::<f64>() / runs.len() as f64
}

/// Return the highest value of a figure of any run.
pub fn most<T>(runs: &[T], value: impl Fn(&T) -> f64) -> f64 {
    runs.iter().map(value).fold(0.0, f64::max)
}
