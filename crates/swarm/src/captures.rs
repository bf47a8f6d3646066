//! The captures of a publisher: which frame of the clip was captured when.
//!
//! The barcode in a decoded frame has the position in the clip alone, so the control plane finds the
//! capture time here. The log is bounded: the oldest captures are forgotten.

use crate::frame_id::FrameId;
use serde::Serialize;
use std::collections::VecDeque;

/// Captures of one encoding that wait to be taken: more than a minute at 30 frames per second.
const MAX_CAPTURES: usize = 2_048;

/// The capture of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Capture {
    /// Encoding index.
    pub encoding: u8,
    /// Position in the clip.
    pub position: u32,
    /// Scheduled capture, in units of 100 us; wraps.
    pub tick: u32,
}

/// The latest captures of one encoding.
#[derive(Debug, Default)]
pub struct CaptureLog {
    captures: VecDeque<Capture>,
}

impl CaptureLog {
    /// Add the capture of the frame at a position of the clip.
    pub fn push(&mut self, id: &FrameId, position: usize) {
        if self.captures.len() == MAX_CAPTURES {
            self.captures.pop_front();
        }
        self.captures.push_back(Capture {
            encoding: id.encoding,
            position: position as u32,
            tick: id.tick,
        });
    }

    /// Move all captures to `out`.
    pub fn take(&mut self, out: &mut Vec<Capture>) {
        out.extend(self.captures.drain(..));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_captures_are_forgotten() {
        let mut log = CaptureLog::default();
        let id = |tick| FrameId {
            source: 1,
            encoding: 2,
            frame: 0,
            tick,
        };
        for tick in 0..MAX_CAPTURES as u32 + 3 {
            log.push(&id(tick), 7);
        }
        let mut taken = Vec::new();
        log.take(&mut taken);
        assert_eq!(taken.len(), MAX_CAPTURES);
        let first = Capture {
            encoding: 2,
            position: 7,
            tick: 3,
        };
        assert_eq!(taken[0], first);
        log.take(&mut taken);
        assert_eq!(taken.len(), MAX_CAPTURES);
    }
}
