//! The calls into AWS-LC for which the `openssl` crate has no wrapper: all unsafe code of this
//! crate.
//!
//! Three groups: memory that is zeroed when its value is dropped, raw AES-CTR and HMAC-SHA1 whose
//! key state is set up once and copied per packet (the wrapped contexts allocate), and the DTLS
//! timer, clock and certificate calls.

use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::time::Duration;
use openssl::error::ErrorStack;
use openssl::pkey::{PKeyRef, Private};
use openssl::ssl::{SslContextBuilder, SslMethod, SslRef, SslStream};
use openssl_sys as ffi;
use std::cell::Cell;
use std::ffi::{CStr, c_int};
use wire::time::Time;

/// A secret whose memory is zeroed when it is dropped. Copies that the compiler made by moving it
/// are beyond reach, so it is made where it stays.
pub(crate) struct Zeroed<T>(ManuallyDrop<T>);

impl<T> Zeroed<T> {
    pub(crate) fn new(secret: T) -> Zeroed<T> {
        Zeroed(ManuallyDrop::new(secret))
    }
}

impl<T> Deref for Zeroed<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Zeroed<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for Zeroed<T> {
    fn drop(&mut self) {
        // SAFETY: the value is dropped once, here, and not used afterwards; what is overwritten
        // then is plain memory of its size that `self` still owns.
        unsafe {
            ManuallyDrop::drop(&mut self.0);
            ffi::OPENSSL_cleanse((&raw mut self.0).cast(), size_of::<T>());
        }
    }
}

/// Zero bytes that held a secret.
pub(crate) fn zero(secret: &mut [u8]) {
    // SAFETY: the pointer and the length are those of a writable slice.
    unsafe { ffi::OPENSSL_cleanse(secret.as_mut_ptr().cast(), secret.len()) };
}

/// AES-128 in counter mode with its key schedule.
pub(crate) struct AesCtr {
    key: Zeroed<ffi::AES_KEY>,
}

impl AesCtr {
    pub(crate) fn new(key: &[u8; 16]) -> AesCtr {
        let mut schedule = Zeroed::new(ffi::AES_KEY {
            rd_key: [0; 60],
            rounds: 0,
        });
        // SAFETY: `key` holds the 128 bits announced and `schedule` is writable. The call fails for
        // null pointers and wrong key lengths only.
        unsafe { ffi::AES_set_encrypt_key(key.as_ptr(), 128, &mut *schedule) };
        AesCtr { key: schedule }
    }

    /// XOR the keystream that starts at `counter` into `data`.
    pub(crate) fn apply(&self, mut counter: [u8; 16], data: &mut [u8]) {
        let (mut block, mut used) = ([0; 16], 0);
        let (bytes, len) = (data.as_mut_ptr(), data.len());
        // SAFETY: in-place operation is allowed, and input and output are one pointer, so that
        // neither is invalidated by the other; it covers `len` bytes, and the counter and the
        // keystream block are 16 bytes long.
        unsafe {
            ffi::AES_ctr128_encrypt(
                bytes,
                bytes,
                len,
                &*self.key,
                counter.as_mut_ptr(),
                block.as_mut_ptr(),
                &mut used,
            );
        }
    }
}

/// HMAC-SHA1 (RFC 2104) whose padded key is hashed once.
pub(crate) struct HmacSha1 {
    inner: Zeroed<ffi::SHA_CTX>,
    outer: Zeroed<ffi::SHA_CTX>,
}

impl HmacSha1 {
    /// Create the state of a key of at most one block (RFC 2104 section 2); SRTP's is 20 bytes.
    pub(crate) fn new(key: &[u8; 20]) -> HmacSha1 {
        let padded = |pad: u8| {
            let mut block = Zeroed::new([pad; 64]);
            block.iter_mut().zip(key).for_each(|(b, k)| *b ^= k);
            let mut state = Zeroed::new(sha1_init());
            sha1_update(&mut state, &*block);
            state
        };
        HmacSha1 {
            inner: padded(0x36),
            outer: padded(0x5c),
        }
    }

    /// Sign the concatenation of `parts`.
    pub(crate) fn sign(&self, parts: [&[u8]; 2]) -> [u8; 20] {
        let mut state = *self.inner;
        parts.iter().for_each(|part| sha1_update(&mut state, part));
        let digest = sha1_final(&mut state);
        let mut state = *self.outer;
        sha1_update(&mut state, &digest);
        sha1_final(&mut state)
    }
}

fn sha1_init() -> ffi::SHA_CTX {
    let mut state = ffi::SHA_CTX {
        h: [0; 5],
        Nl: 0,
        Nh: 0,
        data: [0; 64],
        num: 0,
    };
    // SAFETY: `state` is writable; the call sets every field and cannot fail.
    unsafe { ffi::SHA1_Init(&mut state) };
    state
}

fn sha1_update(state: &mut ffi::SHA_CTX, data: &[u8]) {
    // SAFETY: `state` was initialised and `data` is readable for its length.
    unsafe { ffi::SHA1_Update(state, data.as_ptr().cast(), data.len()) };
}

fn sha1_final(state: &mut ffi::SHA_CTX) -> [u8; 20] {
    let mut digest = [0; 20];
    // SAFETY: `state` was initialised and a SHA-1 digest is 20 bytes long.
    unsafe { ffi::SHA1_Final(digest.as_mut_ptr(), state) };
    digest
}

thread_local! {
    static NOW: Cell<Time> = const { Cell::new(Time::from_nanos(0)) };
}

/// Set the time that every DTLS association on this thread sees from now on.
pub(crate) fn set_clock(now: Time) {
    NOW.set(now);
}

/// Set the clock of `context` to that of [`set_clock`] instead of the system's.
pub(crate) fn use_virtual_clock(context: &mut SslContextBuilder) {
    unsafe extern "C" fn now(_: *const ffi::SSL, out: *mut ffi::timeval) {
        let micros = NOW.get().as_micros();
        // SAFETY: the library hands in a valid pointer to fill.
        unsafe {
            (*out).tv_sec = (micros / 1_000_000) as _;
            (*out).tv_usec = (micros % 1_000_000) as _;
        }
    }
    // SAFETY: the context is alive and the callback is a plain function that lives for ever.
    unsafe { ffi::SSL_CTX_set_current_time_cb(context.as_ptr(), Some(now)) };
}

/// Return the DTLS method with certificates kept as bytes: X.509 is never parsed, which saves time
/// and memory per association.
pub(crate) fn dtls_method() -> SslMethod {
    // SAFETY: the library returns a pointer to static data.
    unsafe { SslMethod::from_ptr(ffi::DTLS_with_buffers_method()) }
}

/// Present the certificate `der` and its key. Return false if the two do not belong together.
pub(crate) fn set_identity(
    context: &mut SslContextBuilder,
    der: &[u8],
    key: &PKeyRef<Private>,
) -> bool {
    // SAFETY: `der` is readable and copied; the chain of one holds its own reference afterwards, so
    // ours is freed; the key is alive for the call and reference-counted by the library.
    unsafe {
        let leaf = ffi::CRYPTO_BUFFER_new(der.as_ptr(), der.len(), std::ptr::null_mut());
        if leaf.is_null() {
            return false;
        }
        let set = ffi::SSL_CTX_set_chain_and_key(
            context.as_ptr(),
            &leaf,
            1,
            foreign_types_shared::ForeignTypeRef::as_ptr(key),
            std::ptr::null(),
        );
        ffi::CRYPTO_BUFFER_free(leaf);
        set == 1
    }
}

/// Require a certificate and accept any: the fingerprint decides (RFC 8122 section 6.2).
pub(crate) fn require_any_certificate(context: &mut SslContextBuilder) {
    unsafe extern "C" fn accept(_: *mut ffi::SSL, _: *mut u8) -> ffi::ssl_verify_result_t {
        ffi::ssl_verify_result_t_ssl_verify_ok
    }
    let mode = ffi::SSL_VERIFY_PEER | ffi::SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    // SAFETY: the context is alive and the callback is a plain function that lives for ever.
    unsafe { ffi::SSL_CTX_set_custom_verify(context.as_ptr(), mode as c_int, Some(accept)) };
}

/// Return the certificate of the peer, DER.
pub(crate) fn peer_certificate(ssl: &SslRef) -> Option<&[u8]> {
    // SAFETY: the stack and the buffers in it belong to the session, which lives as long as `ssl`,
    // and a session's chain does not change after the handshake.
    unsafe {
        let chain = ffi::SSL_get0_peer_certificates(raw(ssl));
        if chain.is_null() || ffi::OPENSSL_sk_num(chain.cast()) == 0 {
            return None;
        }
        let leaf: *const ffi::CRYPTO_BUFFER = ffi::OPENSSL_sk_value(chain.cast(), 0).cast();
        let (data, len) = (ffi::CRYPTO_BUFFER_data(leaf), ffi::CRYPTO_BUFFER_len(leaf));
        Some(std::slice::from_raw_parts(data, len))
    }
}

/// Prepare a fresh association: first retransmission after `ms`, handshake state freed at its end.
pub(crate) fn prepare(ssl: &mut SslRef, initial_timeout_ms: u32) {
    // SAFETY: `ssl` is alive; both calls only set a field.
    unsafe {
        ffi::DTLSv1_set_initial_timeout_duration(raw(ssl), initial_timeout_ms);
        ffi::SSL_set_shed_handshake_config(raw(ssl), 1);
    }
}

/// Offer these groups, the preferred one first.
pub(crate) fn offer_groups(ssl: &mut SslRef, names: &CStr) -> Result<(), ErrorStack> {
    // SAFETY: `ssl` is alive, and the library copies what it reads from the string.
    match unsafe { ffi::SSL_set1_groups_list(raw(ssl), names.as_ptr()) } {
        1 => Ok(()),
        _ => Err(ErrorStack::get()),
    }
}

/// Return when the current flight is due again.
pub(crate) fn retransmit_at(ssl: &SslRef, now: Time) -> Option<Time> {
    // The library returns the time left, rounding the last 15 ms down to none. With an earlier
    // clock it is exact.
    let earlier = now - Duration::from_secs(3600);
    set_clock(earlier);
    let mut left = ffi::timeval {
        tv_sec: 0,
        tv_usec: 0,
    };
    // SAFETY: `ssl` is alive and `left` is writable.
    let running = unsafe { ffi::DTLSv1_get_timeout(raw(ssl), &mut left) } == 1;
    let left = Duration::new(left.tv_sec as u64, left.tv_usec as u32 * 1000);
    running.then(|| earlier + left)
}

/// Retransmit the current flight if it is due; false after too many retransmissions.
pub(crate) fn retransmit<S>(stream: &mut SslStream<S>) -> bool {
    // SAFETY: the association is alive and, borrowed mutably, not in use elsewhere.
    unsafe { ffi::DTLSv1_handle_timeout(raw(stream.ssl())) >= 0 }
}

/// Send a bad_certificate alert (RFC 8122 section 6.2).
pub(crate) fn send_bad_certificate<S>(stream: &mut SslStream<S>) {
    // SAFETY: the association is alive and, borrowed mutably, not in use elsewhere.
    unsafe { ffi::SSL_send_fatal_alert(raw(stream.ssl()), ffi::SSL_AD_BAD_CERTIFICATE as u8) };
}

fn raw(ssl: &SslRef) -> *mut ffi::SSL {
    foreign_types_shared::ForeignTypeRef::as_ptr(ssl)
}

#[cfg(test)]
mod tests {
    use super::{HmacSha1, Zeroed, zero};
    use core::mem::MaybeUninit;

    #[test]
    fn a_secret_leaves_no_bytes_behind() {
        let mut place = MaybeUninit::new(Zeroed::new([0xa5_u8; 32]));
        let bytes: *const [u8; 32] = place.as_ptr().cast();
        // SAFETY: the memory is ours for the whole test; it holds a value, which is dropped once,
        // and plain bytes before and after that.
        unsafe {
            assert_eq!(*bytes, [0xa5; 32]);
            place.assume_init_drop();
            assert_eq!(*bytes, [0; 32]);
        }
    }

    #[test]
    fn dropping_runs_what_the_secret_itself_does() {
        let shared = std::rc::Rc::new(());
        drop(Zeroed::new(shared.clone()));
        assert_eq!(std::rc::Rc::strong_count(&shared), 1);
    }

    #[test]
    fn bytes_are_zeroed_in_place() {
        let mut bytes = vec![7; 100];
        zero(&mut bytes);
        assert_eq!(bytes, [0; 100]);
    }

    /// RFC 2202 section 3, test case 1, the one with a 20-byte key.
    #[test]
    fn hmac_sha1_matches_the_rfc() {
        let expected = [
            0xb6, 0x17, 0x31, 0x86, 0x55, 0x05, 0x72, 0x64, 0xe2, 0x8b, 0xc0, 0xb6, 0xfb, 0x37,
            0x8c, 0x8e, 0xf1, 0x46, 0xbe, 0x00,
        ];
        assert_eq!(
            HmacSha1::new(&[0x0b; 20]).sign([b"Hi ", b"There"]),
            expected
        );
    }
}
