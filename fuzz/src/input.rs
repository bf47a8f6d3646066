//! Bytes read as the values of a script.

use core::time::Duration;

/// Reads values from the fuzzer's bytes; past the end all are zero.
///
/// Every value takes a fixed number of bytes (a run of bytes says its own length), so that a small
/// change of the bytes is a small change of the script.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn u8(&mut self) -> u8 {
        u8::from_be_bytes(self.array())
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    pub fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.array())
    }

    pub fn flag(&mut self) -> bool {
        self.u8() & 1 == 1
    }

    /// Read one byte as a number below `end`, which is not zero.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.u8()) % end
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Read a span of up to 65 s, short ones finer than long ones.
    pub fn span(&mut self) -> Duration {
        let [unit, count] = self.array();
        let unit_us = [1, 100, 5_000, 256_000][usize::from(unit) % 4];
        Duration::from_micros(u64::from(count) * unit_us)
    }

    /// Read up to 255 bytes behind their number.
    pub fn run(&mut self) -> &'a [u8] {
        let len = usize::from(self.u8());
        self.take(len)
    }

    /// Read a number near `center`, or now and then any number below `end`.
    pub fn near(&mut self, center: u64, end: u64) -> u64 {
        let index = match self.u8() {
            255 => self.u64(),
            byte => center.saturating_add_signed(i64::from(byte) - 64),
        };
        index % end
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let bytes = self.take(N);
        array[..bytes.len()].copy_from_slice(bytes);
        array
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
