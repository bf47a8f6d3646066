//! CPU time of this thread: other work on the machine does not count.

/// Return the nanoseconds of CPU time that `work` takes on this thread.
pub fn time(work: impl FnOnce()) -> u64 {
    let start = now_ns();
    work();
    now_ns() - start
}

fn now_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is writable and the clock exists on every system that has threads.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
