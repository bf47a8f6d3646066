//! Picture ids, TL0PICIDX and KEYIDX, kept continuous for one subscriber.
//!
//! Every outgoing value is the incoming one minus a shift. The shift changes where the source
//! encoding changes and where a frame is dropped on purpose; it is stored per stretch of the
//! sequence map, so that late and resent packets are rewritten exactly as their neighbours were.

use super::{Codec, Described};

/// The picture numbers of one packet and the offsets in its payload at which they stand.
///
/// An offset of 0 means that the field is absent; byte 0 never holds one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Picture id, 7 or 15 bits.
    pub id: u16,
    /// Offset of the picture id.
    pub id_at: u8,
    /// The picture id has 15 bits.
    pub wide: bool,
    /// TL0PICIDX.
    pub tl0: u8,
    /// Offset of TL0PICIDX.
    pub tl0_at: u8,
    /// KEYIDX, 5 bits (VP8).
    pub key_index: u8,
    /// Offset of the byte with KEYIDX.
    pub key_index_at: u8,
}

/// What is subtracted from the picture numbers of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureShift {
    /// Modulo 2^15 (or 2^7 where the picture id is narrow).
    pub id: u16,
    /// Modulo 2^8.
    pub tl0: u8,
    /// Modulo 2^5.
    pub key_index: u8,
}

/// The picture numbers of one subscription: what was sent last, and the shift in force.
#[derive(Clone, Copy, Debug)]
pub struct Rewriter {
    shift: PictureShift,
    /// The newest incoming picture, forwarded or dropped.
    newest: Fields,
    started: bool,
    /// VP8 only: VP9 in flexible mode counts references in picture ids, so its gaps must stay.
    closes_gaps: bool,
}

impl Rewriter {
    /// Start with ids passed through.
    pub fn new(codec: Codec) -> Self {
        Self {
            shift: PictureShift::default(),
            newest: Fields::default(),
            started: false,
            closes_gaps: codec == Codec::Vp8,
        }
    }

    /// Let the numbers of a new source continue those of the old one; `first` is its key frame.
    ///
    /// Return the shift for packets of the new source.
    pub fn switch(&mut self, first: &Described) -> PictureShift {
        let next = first.picture;
        if self.started {
            let last = self.newest;
            self.shift = PictureShift {
                id: step(self.shift.id, last.id, next.id) & WIDE,
                tl0: step_u8(self.shift.tl0, last.tl0, next.tl0),
                key_index: step_u8(self.shift.key_index, last.key_index, next.key_index)
                    & KEY_INDEX,
            };
        }
        self.started = true;
        self.newest = next;
        self.shift
    }

    /// Note a forwarded packet that is not late.
    #[inline]
    pub fn forwarded(&mut self, packet: &Described) {
        if packet.picture.is_newer_than(&self.newest) {
            self.newest = packet.picture;
        }
    }

    /// Note a packet dropped on purpose and return the shift for the packets behind it.
    ///
    /// The gap closes once per picture, and only if none of its packets was forwarded.
    pub fn dropped(&mut self, packet: &Described) -> PictureShift {
        if self.closes_gaps && packet.picture.is_newer_than(&self.newest) {
            self.newest = packet.picture;
            self.shift.id = self.shift.id.wrapping_add(1) & WIDE;
        }
        self.shift
    }

    /// Return the shift in force.
    pub fn shift(&self) -> PictureShift {
        self.shift
    }
}

impl PictureShift {
    /// Rewrite the payload that `packet` describes, in place. The width of each field stays.
    #[inline]
    pub fn rewrite(self, payload: &mut [u8], packet: &Described) {
        let fields = &packet.picture;
        if fields.id_at == 0 || self == Self::default() {
            return;
        }
        self.write_id(payload, fields);
        if fields.tl0_at != 0
            && let Some(byte) = payload.get_mut(usize::from(fields.tl0_at))
        {
            *byte = fields.tl0.wrapping_sub(self.tl0);
        }
        if fields.key_index_at != 0
            && let Some(byte) = payload.get_mut(usize::from(fields.key_index_at))
        {
            let value = fields.key_index.wrapping_sub(self.key_index) & KEY_INDEX;
            *byte = (*byte & !KEY_INDEX) | value;
        }
    }

    #[inline]
    fn write_id(self, payload: &mut [u8], fields: &Fields) {
        let at = usize::from(fields.id_at);
        let value = fields.id.wrapping_sub(self.id);
        if !fields.wide {
            if let Some(byte) = payload.get_mut(at) {
                *byte = (value & NARROW) as u8;
            }
        } else if let Some(bytes) = payload.get_mut(at..at + 2) {
            bytes.copy_from_slice(&(M_BIT | (value & WIDE)).to_be_bytes());
        }
    }
}

impl Fields {
    #[inline]
    fn is_newer_than(&self, other: &Self) -> bool {
        let mask = if self.wide { WIDE } else { NARROW };
        let ahead = self.id.wrapping_sub(other.id) & mask;
        self.id_at != 0 && ahead != 0 && ahead <= mask / 2
    }
}

/// The shift that turns `next` into the value after `last - shift`.
fn step(shift: u16, last: u16, next: u16) -> u16 {
    let sent = last.wrapping_sub(shift);
    next.wrapping_sub(sent.wrapping_add(1))
}

fn step_u8(shift: u8, last: u8, next: u8) -> u8 {
    step(shift.into(), last.into(), next.into()) as u8
}

const NARROW: u16 = 0x7f;
const WIDE: u16 = 0x7fff;
const M_BIT: u16 = 0x8000;
const KEY_INDEX: u8 = 0x1f;
