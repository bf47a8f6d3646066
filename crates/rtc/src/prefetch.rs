//! Cache prefetch.

/// Bytes of a cache line.
const LINE: usize = 64;

/// Prefetch the first `bytes` of `state` into the cache.
///
/// State of a participant that was last used a frame ago is no longer cached. Prefetched lines are
/// loaded in parallel, others one after the other.
#[inline]
pub fn prefetch<T>(state: &T, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    for offset in (0..bytes.min(size_of::<T>())).step_by(LINE) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: within the value; and a prefetch is no memory access.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(state).byte_add(offset).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (state, bytes, LINE);
}
