//! Source descriptions (RFC 3550 section 6.5).

use super::split_ssrc;
use crate::id::Ssrc;

const ITEM_END: u8 = 0;
const ITEM_CNAME: u8 = 1;

/// Description of one source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SdesChunk<'a> {
    /// The source.
    pub ssrc: Ssrc,
    /// CNAME, if present.
    pub cname: Option<&'a [u8]>,
}

/// Iterator over the chunks of one packet; a malformed chunk ends it.
#[derive(Clone, Copy, Debug)]
pub struct Chunks<'a> {
    rest: &'a [u8],
    left: u8,
}

impl<'a> Chunks<'a> {
    pub(super) fn new(body: &'a [u8], count: u8) -> Chunks<'a> {
        Chunks {
            rest: body,
            left: count,
        }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = SdesChunk<'a>;

    fn next(&mut self) -> Option<SdesChunk<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (ssrc, items) = split_ssrc(self.rest)?;
        let mut at = 0;
        let mut cname = None;
        loop {
            let &kind = items.get(at)?;
            if kind == ITEM_END {
                break;
            }
            let len = usize::from(*items.get(at + 1)?);
            let text = items.get(at + 2..at + 2 + len)?;
            if kind == ITEM_CNAME {
                cname = Some(text);
            }
            at += 2 + len;
        }
        // At least one zero byte ends the items, then zeros up to 32 bits.
        self.rest = items
            .get((at + 1).next_multiple_of(4)..)
            .unwrap_or_default();
        Some(SdesChunk { ssrc, cname })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Packet, compound};

    #[test]
    fn each_source_has_its_name() {
        let datagram = [
            0x82, 202, 0, 5, // two chunks
            0, 0, 0, 1, 1, 2, b'a', b'b', 0, 0, 0, 0, // CNAME and a full word of end
            0, 0, 0, 2, 2, 1, b'x', 0, // NAME only
        ];
        let Some(Ok(Packet::Sdes(chunks))) = compound(&datagram).next() else {
            panic!("no SDES");
        };
        let names: Vec<_> = chunks.map(|chunk| (chunk.ssrc.0, chunk.cname)).collect();
        assert_eq!(names, [(1, Some(&b"ab"[..])), (2, None)]);
    }

    #[test]
    fn an_item_beyond_the_packet_ends_the_list() {
        assert_eq!(Chunks::new(&[0, 0, 0, 1, 1, 9, b'a', 0], 1).next(), None);
        assert_eq!(Chunks::new(&[0, 0, 0, 1], 3).next(), None);
    }
}
