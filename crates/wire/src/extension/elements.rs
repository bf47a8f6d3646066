//! Parser of the elements of an extension block (RFC 8285 section 4.2 and 4.3).

/// Profile of a block of one-byte elements.
pub(super) const ONE_BYTE_PROFILE: u16 = 0xbede;
/// Profile of a block of two-byte elements, application bits zero.
pub(super) const TWO_BYTE_PROFILE: u16 = 0x1000;

/// The elements of one block as `(identifier, value)`; a malformed one ends the iteration.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a [u8],
    two_byte: bool,
}

impl<'a> Elements<'a> {
    /// Read the elements of a block with this profile; an unknown profile holds none.
    #[inline]
    pub fn new(profile: u16, data: &'a [u8]) -> Elements<'a> {
        let two_byte = profile & 0xfff0 == TWO_BYTE_PROFILE;
        let known = two_byte || profile == ONE_BYTE_PROFILE;
        Elements {
            rest: if known { data } else { &[] },
            two_byte,
        }
    }

    #[inline]
    fn take(&mut self, id: u8, value_at: usize, len: usize) -> Option<(u8, &'a [u8])> {
        let element = self.rest.get(value_at..value_at + len);
        self.rest = self.rest.get(value_at + len..).unwrap_or_default();
        element.map(|value| (id, value))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        loop {
            let &first = self.rest.first()?;
            if first == 0 {
                self.rest = &self.rest[1..];
                continue;
            }
            if self.two_byte {
                let &len = self.rest.get(1)?;
                return self.take(first, 2, usize::from(len));
            }
            let (id, len) = (first >> 4, usize::from(first & 0x0f) + 1);
            // RFC 8285 section 4.2: 15 ends the block; 0 with a length is padding of that length.
            match id {
                15 => self.rest = &[],
                0 => self.rest = self.rest.get(1 + len..).unwrap_or_default(),
                _ => return self.take(id, 1, len),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(profile: u16, data: &[u8]) -> Vec<(u8, Vec<u8>)> {
        Elements::new(profile, data)
            .map(|(id, value)| (id, value.to_vec()))
            .collect()
    }

    #[test]
    fn one_byte_elements_with_padding_between() {
        let data = [0x10, 0xaa, 0, 0, 0x31, 1, 2, 0];
        assert_eq!(read(0xbede, &data), [(1, vec![0xaa]), (3, vec![1, 2])]);
    }

    #[test]
    fn identifier_15_ends_the_block() {
        assert_eq!(read(0xbede, &[0xf0, 1, 0x10, 2]), []);
    }

    #[test]
    fn two_byte_elements_may_be_empty() {
        let data = [1, 0, 200, 3, 7, 8, 9, 0];
        assert_eq!(read(0x1005, &data), [(1, vec![]), (200, vec![7, 8, 9])]);
    }

    #[test]
    fn an_element_beyond_the_block_ends_it() {
        assert_eq!(read(0xbede, &[0x10, 5, 0x23, 1]), [(1, vec![5])]);
        assert_eq!(read(0x1000, &[7, 200, 1, 1]), []);
        assert_eq!(read(0x1000, &[7]), []);
    }

    #[test]
    fn an_unknown_profile_holds_nothing() {
        assert_eq!(read(0x1234, &[0x10, 5, 0, 0]), []);
    }
}
