//! Payloads whose body holds the frame, the packet's index in it and the encoding.

/// Bytes of a body's mark: frame number, packet number, encoding.
pub const MARK_LEN: usize = 6;

/// Which packet of which frame of which encoding this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub encoding: u8,
    pub frame: u32,
    pub packet: u8,
}

/// One packet of a frame to make.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub mark: Mark,
    pub keyframe: bool,
    pub last: bool,
    pub len: usize,
    pub picture_id: u16,
    pub tl0: u8,
    pub key_index: u8,
}

/// Payload descriptor and mark of a VP8 payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp8 {
    pub start: bool,
    pub keyframe: bool,
    pub picture_id: u16,
    pub tl0: u8,
    pub key_index: u8,
    pub mark: Mark,
}

const VP8_DESCRIPTOR: usize = 6;

/// RFC 7741 section 4.2, with a 15-bit picture id, TL0PICIDX and KEYIDX.
pub fn vp8(part: &Part) -> Vec<u8> {
    let first = part.mark.packet == 0;
    let mut out = vec![0x80 | u8::from(first) << 4, 0x80 | 0x40 | 0x10];
    out.extend_from_slice(&(0x8000 | part.picture_id & 0x7fff).to_be_bytes());
    out.extend_from_slice(&[part.tl0, part.key_index & 0x1f]);
    // The P bit of the payload header is 0 in a key frame; elsewhere it is body.
    out.push(u8::from(!(first && part.keyframe)));
    if first && part.keyframe {
        // RFC 6386 section 9.1: the rest of the frame tag, the start code, width and height.
        out.extend_from_slice(&[0, 0, 0x9d, 0x01, 0x2a]);
        let (width, height) = frame_size(part.mark.encoding);
        out.extend_from_slice(&width.to_le_bytes());
        out.extend_from_slice(&height.to_le_bytes());
    }
    fill(out, part)
}

/// Width and height of an encoding: 320 x 180, 640 x 360, 1280 x 720.
pub fn frame_size(encoding: u8) -> (u16, u16) {
    (320 << encoding, 180 << encoding)
}

pub fn read_vp8(payload: &[u8]) -> Vp8 {
    let start = payload[0] & 0x10 != 0;
    let keyframe = start && payload[VP8_DESCRIPTOR] & 1 == 0;
    let header = if keyframe { 10 } else { 1 };
    Vp8 {
        start,
        keyframe,
        picture_id: u16::from_be_bytes([payload[2], payload[3]]) & 0x7fff,
        tl0: payload[4],
        key_index: payload[5] & 0x1f,
        mark: read_mark(&payload[VP8_DESCRIPTOR + header..]),
    }
}

pub const SPS: [u8; 6] = [0x67, 0x42, 0xe0, 0x1f, 0x95, 0x20];
pub const PPS: [u8; 4] = [0x68, 0xce, 0x3c, 0x80];

/// Both parameter sets in one STAP-A (RFC 6184 section 5.7.1).
pub fn h264_parameter_sets() -> Vec<u8> {
    let mut out = vec![0x60 | 24];
    for unit in [&SPS[..], &PPS[..]] {
        out.extend_from_slice(&(unit.len() as u16).to_be_bytes());
        out.extend_from_slice(unit);
    }
    out
}

/// One fragment of a slice (RFC 6184 section 5.8).
pub fn h264(part: &Part) -> Vec<u8> {
    let kind = if part.keyframe { 5 } else { 1 };
    let first = part.mark.packet == 0;
    // first_mb_in_slice 0 is a set bit.
    let out = vec![
        0x60 | 28,
        u8::from(first) << 7 | u8::from(part.last) << 6 | kind,
        0x80,
    ];
    fill(out, part)
}

pub fn read_h264(payload: &[u8]) -> Mark {
    read_mark(&payload[3..])
}

/// Opus, one frame of speech.
pub fn opus(part: &Part) -> Vec<u8> {
    fill(vec![0x78], part)
}

/// Opus in DTX: one byte and a half of nothing.
pub fn opus_silence() -> Vec<u8> {
    vec![0x78, 0xff]
}

pub fn read_opus(payload: &[u8]) -> Mark {
    read_mark(&payload[1..])
}

fn fill(mut out: Vec<u8>, part: &Part) -> Vec<u8> {
    out.extend_from_slice(&part.mark.frame.to_be_bytes());
    out.extend_from_slice(&[part.mark.packet, part.mark.encoding]);
    let body = out.len()..part.len.max(out.len());
    out.extend(body.map(|at| (at as u8).wrapping_mul(31)));
    out
}

fn read_mark(bytes: &[u8]) -> Mark {
    Mark {
        frame: u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
        packet: bytes[4],
        encoding: bytes[5],
    }
}
