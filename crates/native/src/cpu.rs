//! What the kernel charges to this thread, and where it runs.

use std::io;
use std::mem;

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

/// Return how long the calling thread was ready to run and had no core, in nanoseconds.
///
/// Unknown where the kernel keeps no scheduler statistics.
#[must_use]
pub fn run_queue_wait_nanos() -> Option<u64> {
    // Time on a core, time waiting for one, time slices (Documentation/scheduler/sched-stats).
    let fields = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

/// Keep the calling thread on one core.
///
/// # Errors
/// Where there is no such core, or this process may not use it.
pub fn pin(core: usize) -> io::Result<()> {
    // SAFETY: all-zero bytes are an empty set; the macros write within it, and a core beyond its
    // size is refused before.
    let result = unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        if core >= libc::CPU_SETSIZE as usize {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, mem::size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
