//! Opus packets (RFC 6716 section 3): whether they carry sound or only say that there is none.

use super::Described;

/// Describe an Opus packet, `None` where it is empty.
pub(super) fn describe(payload: &[u8]) -> Option<Described> {
    let (&toc, frames) = payload.split_first()?;
    Some(Described {
        dtx: is_silence(toc, frames),
        ..Described::sound()
    })
}

/// Tell whether each frame has at most one byte, which encoders send in DTX only.
fn is_silence(toc: u8, frames: &[u8]) -> bool {
    match toc & FRAME_COUNT_CODE {
        0 => frames.len() <= 1,
        1 => frames.len() <= 2,
        2 => frames.len() <= 3,
        _ => frames
            .first()
            .is_none_or(|count| frames.len() - 1 <= usize::from(count & FRAME_COUNT)),
    }
}

const FRAME_COUNT_CODE: u8 = 0x03;
const FRAME_COUNT: u8 = 0x3f;
