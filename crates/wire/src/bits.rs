//! Bits, most significant first; every read or write past the end is `None`.

/// Reads bits.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    /// Start with the first bit of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Read one bit.
    pub fn flag(&mut self) -> Option<bool> {
        let byte = *self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// Read `count` bits, at most 32.
    pub fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count.min(32) {
            value = value << 1 | u32::from(self.flag()?);
        }
        Some(value)
    }

    /// Skip `count` bits.
    pub fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count)?;
        (self.at <= self.bytes.len() * 8).then_some(())
    }

    /// Read a value below `n` in the fewest bits (AV1 specification section 4.10.7).
    pub fn non_symmetric(&mut self, n: u32) -> Option<u32> {
        let width = 32 - n.leading_zeros();
        let short = (1 << width) - n;
        let value = self.bits(width.checked_sub(1)?)?;
        if value < short {
            return Some(value);
        }
        Some((value << 1 | u32::from(self.flag()?)) - short)
    }

    /// Read an Exp-Golomb code (H.264 section 9.1).
    pub fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some(((1u64 << zeros | u64::from(self.bits(zeros)?)) - 1) as u32)
    }
}

/// Writes bits.
#[derive(Debug)]
pub struct BitWriter<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl<'a> BitWriter<'a> {
    /// Start at the first bit of `out`, all of which is set to zero.
    pub fn new(out: &'a mut [u8]) -> Self {
        out.fill(0);
        Self { out, at: 0 }
    }

    /// Write one bit.
    pub fn flag(&mut self, bit: bool) -> Option<()> {
        *self.out.get_mut(self.at / 8)? |= u8::from(bit) << (7 - self.at % 8);
        self.at += 1;
        Some(())
    }

    /// Write the low `count` bits of `value`, at most 32; `None` where it has more.
    pub fn bits(&mut self, value: u32, count: u32) -> Option<()> {
        if count < 32 && value >> count != 0 {
            return None;
        }
        (0..count.min(32))
            .rev()
            .try_for_each(|bit| self.flag(value >> bit & 1 == 1))
    }

    /// Write a value below `n` in the fewest bits (AV1 specification section 4.10.7).
    pub fn non_symmetric(&mut self, value: u32, n: u32) -> Option<()> {
        if value >= n {
            return None;
        }
        let width = 32 - n.leading_zeros();
        let short = (1 << width) - n;
        if value < short {
            self.bits(value, width - 1)
        } else {
            self.bits(value + short, width)
        }
    }

    /// Return the number of bytes written, the last one padded with zero bits.
    pub fn len(&self) -> usize {
        self.at.div_ceil(8)
    }

    /// Return whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.at == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_of_the_standard() {
        // 1, 010, 011, 00100, 00101: the values 0 to 4, then the end.
        let mut reader = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        let values: Vec<_> = (0..5).map_while(|_| reader.exp_golomb()).collect();
        assert_eq!(values, [0, 1, 2, 3, 4]);
        assert_eq!(reader.exp_golomb(), None);
    }

    #[test]
    fn non_symmetric_codes_below_five() {
        // 00, 01, 10, 110, 111
        let mut reader = BitReader::new(&[0b0001_1011, 0b0111_0000]);
        let values: Vec<_> = (0..5).map_while(|_| reader.non_symmetric(5)).collect();
        assert_eq!(values, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn non_symmetric_codes_are_read_as_written() {
        for n in 1..40 {
            for value in 0..n {
                let mut bytes = [0; 2];
                let mut writer = BitWriter::new(&mut bytes);
                writer.non_symmetric(value, n).unwrap();
                assert_eq!(BitReader::new(&bytes).non_symmetric(n), Some(value));
            }
            assert_eq!(BitWriter::new(&mut [0; 2]).non_symmetric(n, n), None);
        }
    }

    #[test]
    fn nothing_is_written_past_the_end_and_no_value_is_cut() {
        let mut bytes = [0; 1];
        let mut writer = BitWriter::new(&mut bytes);
        assert_eq!(writer.bits(8, 3), None);
        assert_eq!((writer.bits(0xff, 8), writer.flag(true)), (Some(()), None));
    }

    #[test]
    fn nothing_is_read_past_the_end() {
        let mut reader = BitReader::new(&[0xff]);
        assert_eq!(reader.bits(8), Some(255));
        assert_eq!(reader.flag(), None);
        assert_eq!(reader.skip(1), None);
    }
}
