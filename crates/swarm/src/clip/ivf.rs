//! The IVF container: a 32-byte header, then 12 bytes before each frame, all little-endian.

use super::ClipError;
use rtc::codec::Codec;

const MAGIC: [u8; 4] = *b"DKIF";
const FRAME_HEADER_LEN: usize = 12;

pub(super) struct File<'a> {
    pub codec: Codec,
    /// A unit of frame time is `scale / rate` seconds.
    rate: u32,
    scale: u32,
    /// Width and height; 0 in audio.
    pub size: (u16, u16),
    pub frames: Vec<IvfFrame<'a>>,
}

pub(super) struct IvfFrame<'a> {
    /// Frame time in units of the file.
    pub at: u64,
    pub bytes: &'a [u8],
}

impl File<'_> {
    /// Convert a frame's time into units of the RTP clock, counted from the first frame.
    pub(super) fn ticks(&self, at: u64) -> Result<u32, ClipError> {
        let since_first = at - self.frames.first().map_or(at, |first| first.at);
        let ticks = u128::from(since_first) * u128::from(self.codec.clock_rate());
        let ticks = ticks * u128::from(self.scale) / u128::from(self.rate);
        u32::try_from(ticks).map_err(|_| ClipError::Malformed)
    }
}

pub(super) fn parse(file: &[u8]) -> Result<File<'_>, ClipError> {
    if file.first_chunk() != Some(&MAGIC) {
        return Err(ClipError::NotIvf);
    }
    let header_len = usize::from(u16::from_le_bytes(field(file, 6)?));
    let (rate, scale) = (
        u32::from_le_bytes(field(file, 16)?),
        u32::from_le_bytes(field(file, 20)?),
    );
    let size = (
        u16::from_le_bytes(field(file, 12)?),
        u16::from_le_bytes(field(file, 14)?),
    );
    let codec = match &field::<4>(file, 8)? {
        b"VP80" => Codec::Vp8,
        b"H264" => Codec::H264,
        b"VP90" => Codec::Vp9,
        b"AV01" => Codec::Av1,
        b"OPUS" => Codec::Opus,
        _ => return Err(ClipError::UnknownCodec),
    };
    if rate == 0 || scale == 0 {
        return Err(ClipError::Malformed);
    }
    let frames = frames(file.get(header_len..).ok_or(ClipError::Malformed)?)?;
    Ok(File {
        codec,
        rate,
        scale,
        size,
        frames,
    })
}

fn frames(mut rest: &[u8]) -> Result<Vec<IvfFrame<'_>>, ClipError> {
    let mut frames: Vec<IvfFrame<'_>> = Vec::new();
    while !rest.is_empty() {
        let len = u32::from_le_bytes(field(rest, 0)?) as usize;
        let at = u64::from_le_bytes(field(rest, 4)?);
        let body = rest.get(FRAME_HEADER_LEN..).ok_or(ClipError::Malformed)?;
        let (bytes, behind) = body.split_at_checked(len).ok_or(ClipError::Malformed)?;
        if frames.last().is_some_and(|last| last.at >= at) {
            return Err(ClipError::Malformed);
        }
        frames.push(IvfFrame { at, bytes });
        rest = behind;
    }
    Ok(frames)
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], ClipError> {
    let field = bytes.get(at..).and_then(<[u8]>::first_chunk);
    field.copied().ok_or(ClipError::Malformed)
}
