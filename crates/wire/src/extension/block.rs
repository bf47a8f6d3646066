//! Writer of extension blocks, which are copied and updated per packet.

use super::elements::{ONE_BYTE_PROFILE, TWO_BYTE_PROFILE};

/// Longest block that senders make: enough for every extension of [`Extension`](super::Extension).
pub const MAX_BLOCK_LEN: usize = 256;

/// Form of the elements in a block (RFC 8285).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Form {
    /// Identifiers 1..=14, values of 1..=16 bytes.
    #[default]
    OneByte,
    /// Identifiers 1..=255, values of 0..=255 bytes.
    TwoByte,
}

/// Writes elements into a block behind its 4-byte profile and length.
#[derive(Debug)]
pub struct BlockWriter<'a> {
    out: &'a mut [u8],
    form: Form,
    len: usize,
}

impl<'a> BlockWriter<'a> {
    /// Start a block at the start of `out`.
    pub fn new(out: &'a mut [u8], form: Form) -> BlockWriter<'a> {
        BlockWriter { out, form, len: 4 }
    }

    /// Append an element; return the offset of its value in the block, for later updates, or `None`
    /// if the form or the block length does not allow it.
    pub fn push(&mut self, id: u8, value: &[u8]) -> Option<usize> {
        let (head, head_len) = element_head(self.form, id, value.len())?;
        let value_at = self.len + head_len;
        let end = value_at + value.len();
        // Elements must still be padded to 32 bits.
        if end.next_multiple_of(4) > self.out.len() {
            return None;
        }
        self.out[self.len..value_at].copy_from_slice(&head[..head_len]);
        self.out[value_at..end].copy_from_slice(value);
        self.len = end;
        Some(value_at)
    }

    /// Pad to 32 bits and write profile and length; return the block's length, bytes.
    ///
    /// A block without elements is no block: 0.
    pub fn finish(self) -> usize {
        if self.len == 4 {
            return 0;
        }
        let end = self.len.next_multiple_of(4);
        self.out[self.len..end].fill(0);
        let profile = match self.form {
            Form::OneByte => ONE_BYTE_PROFILE,
            Form::TwoByte => TWO_BYTE_PROFILE,
        };
        let words = (end / 4 - 1) as u16;
        self.out[..2].copy_from_slice(&profile.to_be_bytes());
        self.out[2..4].copy_from_slice(&words.to_be_bytes());
        end
    }
}

/// Append an element to a block of this form that has been written; return its new length.
///
/// The block is `out[..len]`, empty or with padding at its end, which stays in between. `None` where
/// the element does not fit: the block is then as before.
pub fn append(out: &mut [u8], len: usize, form: Form, id: u8, value: &[u8]) -> Option<usize> {
    let mut writer = BlockWriter {
        out,
        form,
        len: len.max(4),
    };
    writer.push(id, value)?;
    Some(writer.finish())
}

fn element_head(form: Form, id: u8, value_len: usize) -> Option<([u8; 2], usize)> {
    match (form, id, value_len) {
        (Form::OneByte, 1..=14, 1..=16) => Some(([id << 4 | (value_len - 1) as u8, 0], 1)),
        (Form::TwoByte, 1.., 0..=255) => Some(([id, value_len as u8], 2)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::Elements;

    #[test]
    fn one_byte_block_is_padded_to_words() {
        let mut out = [0xff; 32];
        let mut writer = BlockWriter::new(&mut out, Form::OneByte);
        assert_eq!(writer.push(4, b"0"), Some(5));
        assert_eq!(writer.push(5, &[0, 0]), Some(7));
        assert_eq!(writer.finish(), 12);
        assert_eq!(
            out[..12],
            [0xbe, 0xde, 0, 2, 0x40, b'0', 0x51, 0, 0, 0, 0, 0]
        );
    }

    #[test]
    fn two_byte_block_takes_long_and_empty_values() {
        let mut out = [0; 64];
        let mut writer = BlockWriter::new(&mut out, Form::TwoByte);
        assert_eq!(writer.push(20, &[]), Some(6));
        assert_eq!(writer.push(21, &[7; 20]), Some(8));
        let len = writer.finish();
        let elements: Vec<_> = Elements::new(0x1000, &out[4..len]).collect();
        assert_eq!(elements, [(20, &[][..]), (21, &[7; 20][..])]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut out = [0; 8];
        let mut writer = BlockWriter::new(&mut out, Form::OneByte);
        assert_eq!(writer.push(15, &[1]), None);
        assert_eq!(writer.push(1, &[]), None);
        assert_eq!(writer.push(1, &[0; 17]), None);
        assert_eq!(writer.push(1, &[0; 4]), None);
        assert_eq!(writer.push(1, &[1, 2, 3]), Some(5));
        assert_eq!(writer.finish(), 8);
    }

    #[test]
    fn an_element_is_appended_to_a_block_that_is_complete() {
        let mut out = [0; 32];
        let mut writer = BlockWriter::new(&mut out, Form::OneByte);
        writer.push(4, b"0");
        let len = writer.finish();
        let len = append(&mut out, len, Form::OneByte, 8, &[1, 2, 3]).unwrap();
        let elements: Vec<_> = Elements::new(0xbede, &out[4..len]).collect();
        assert_eq!(elements, [(4, &b"0"[..]), (8, &[1, 2, 3][..])]);
        assert_eq!(out[..4], [0xbe, 0xde, 0, 2]);
        assert_eq!(append(&mut out, len, Form::OneByte, 8, &[0; 17]), None);
        assert_eq!(append(&mut out, 0, Form::TwoByte, 8, &[5]), Some(8));
    }

    #[test]
    fn no_elements_make_no_block() {
        let mut out = [0; 8];
        assert_eq!(BlockWriter::new(&mut out, Form::OneByte).finish(), 0);
    }
}
