//! CPU time and run queue wait of the calling thread.

/// Return the CPU time of the calling thread, user and system, in nanoseconds.
#[must_use]
pub fn thread_nanos() -> u64 {
    let mut spec = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a local of the right type that outlives the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut spec) };
    match result {
        0 => spec.tv_sec as u64 * 1_000_000_000 + spec.tv_nsec as u64,
        _ => 0,
    }
}

/// Return the run queue wait of the calling thread (runnable without a core), in nanoseconds.
///
/// None where the kernel keeps no scheduler statistics.
#[must_use]
pub fn run_queue_wait_nanos() -> Option<u64> {
    // Time on a core, time waiting for one, time slices (Documentation/scheduler/sched-stats).
    let fields = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    fields.split_whitespace().nth(1)?.parse().ok()
}
