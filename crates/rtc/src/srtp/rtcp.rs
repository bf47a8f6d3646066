/// Version to first SSRC: the unencrypted part of a compound RTCP packet.
pub(super) const RTCP_HEADER_LEN: usize = 8;
/// The E flag in front of the 31-bit SRTCP index (RFC 3711 section 3.4).
pub(super) const ENCRYPTED: u32 = 1 << 31;

pub(super) fn index_word(index: u32) -> [u8; 4] {
    (index | ENCRYPTED).to_be_bytes()
}
