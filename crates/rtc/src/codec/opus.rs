//! Opus packets (RFC 6716 section 3): DTX detection.

use super::Described;

/// Describe an Opus packet, `None` where it is empty.
pub(super) fn describe(payload: &[u8]) -> Option<Described> {
    let (&toc, frames) = payload.split_first()?;
    Some(Described {
        dtx: is_dtx(toc, frames),
        ..Described::audio()
    })
}

/// Return whether each frame has at most one byte, as in DTX only.
fn is_dtx(toc: u8, frames: &[u8]) -> bool {
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
