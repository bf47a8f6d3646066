//! Loading state ahead of its use.

/// Bytes that a processor loads at once.
const LINE: usize = 64;

/// Ask the processor for the first `bytes` of something that will be used soon.
///
/// State of a participant whose last turn was a frame ago has left the cache. Its lines come one
/// after the other where each use waits for one, and together where they are asked for before.
#[inline]
pub fn prefetch<T>(state: &T, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    for offset in (0..bytes.min(size_of::<T>())).step_by(LINE) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: within the value; and asking for memory is no access to it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(state).byte_add(offset).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (state, bytes, LINE);
}
