//! Messages of the data channel establishment protocol (RFC 8832 section 5).

use core::time::Duration;

const ACK: u8 = 0x02;
const OPEN: u8 = 0x03;
const UNORDERED: u8 = 0x80;
const HEADER_LEN: usize = 12;

/// How long a message is sent again until it has arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reliability {
    /// Until it has arrived.
    #[default]
    Reliable,
    /// At most so many times (`maxRetransmits`).
    Retransmits(u16),
    /// For so long (`maxPacketLifeTime`).
    Lifetime(Duration),
}

/// What a channel is opened with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelParameters {
    /// Its label.
    pub label: String,
    /// Its subprotocol, mostly empty.
    pub protocol: String,
    /// Whether messages may overtake each other.
    pub unordered: bool,
    /// How long messages are sent again.
    pub reliability: Reliability,
    /// Priority (RFC 8831 section 6.4).
    pub priority: u16,
}

/// A message of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dcep {
    /// DATA_CHANNEL_OPEN.
    Open(ChannelParameters),
    /// DATA_CHANNEL_ACK.
    Ack,
}

impl Dcep {
    /// Parse a message; `None` where it is malformed.
    pub fn parse(message: &[u8]) -> Option<Self> {
        match *message.first()? {
            ACK => Some(Self::Ack),
            OPEN => parse_open(message).map(Self::Open),
            _ => None,
        }
    }

    /// Write a message.
    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Ack => vec![ACK],
            Self::Open(parameters) => write_open(parameters),
        }
    }
}

fn parse_open(message: &[u8]) -> Option<ChannelParameters> {
    let (header, texts) = message.split_first_chunk::<HEADER_LEN>()?;
    let [_, kind, rest @ ..] = *header;
    let [priority_high, priority_low, r0, r1, r2, r3, l0, l1, p0, p1] = rest;
    let value = u32::from_be_bytes([r0, r1, r2, r3]);
    let label_len = usize::from(u16::from_be_bytes([l0, l1]));
    let protocol_len = usize::from(u16::from_be_bytes([p0, p1]));
    let (label, rest) = texts.split_at_checked(label_len)?;
    let protocol = rest.get(..protocol_len)?;
    let reliability = match kind & !UNORDERED {
        0x00 => Reliability::Reliable,
        0x01 => Reliability::Retransmits(u16::try_from(value).unwrap_or(u16::MAX)),
        0x02 => Reliability::Lifetime(Duration::from_millis(value.into())),
        _ => return None,
    };
    Some(ChannelParameters {
        label: String::from_utf8(label.to_vec()).ok()?,
        protocol: String::from_utf8(protocol.to_vec()).ok()?,
        unordered: kind & UNORDERED != 0,
        reliability,
        priority: u16::from_be_bytes([priority_high, priority_low]),
    })
}

fn write_open(parameters: &ChannelParameters) -> Vec<u8> {
    let (kind, value) = match parameters.reliability {
        Reliability::Reliable => (0x00, 0),
        Reliability::Retransmits(most) => (0x01, most.into()),
        Reliability::Lifetime(span) => (0x02, u32::try_from(span.as_millis()).unwrap_or(u32::MAX)),
    };
    let order = if parameters.unordered { UNORDERED } else { 0 };
    // Parameters come from a parsed message or a constant: both lengths have 16 bits.
    let len_of = |text: &str| u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut message = vec![OPEN, kind | order];
    message.extend_from_slice(&parameters.priority.to_be_bytes());
    message.extend_from_slice(&u32::to_be_bytes(value));
    message.extend_from_slice(&len_of(&parameters.label));
    message.extend_from_slice(&len_of(&parameters.protocol));
    message.extend_from_slice(parameters.label.as_bytes());
    message.extend_from_slice(parameters.protocol.as_bytes());
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(unordered: bool, reliability: Reliability) -> ChannelParameters {
        ChannelParameters {
            label: "chat".into(),
            protocol: "json".into(),
            unordered,
            reliability,
            priority: 256,
        }
    }

    #[test]
    fn every_kind_of_channel_is_read_as_it_was_written() {
        let lifetime = Reliability::Lifetime(Duration::from_millis(1500));
        for reliability in [Reliability::Reliable, Reliability::Retransmits(3), lifetime] {
            for unordered in [false, true] {
                let open = Dcep::Open(parameters(unordered, reliability));
                assert_eq!(Dcep::parse(&open.write()), Some(open));
            }
        }
        assert_eq!(Dcep::parse(&Dcep::Ack.write()), Some(Dcep::Ack));
    }

    #[test]
    fn the_layout_is_that_of_the_rfc() {
        let open = Dcep::Open(parameters(true, Reliability::Retransmits(3)));
        let expected = b"\x03\x81\x01\x00\x00\x00\x00\x03\x00\x04\x00\x04chatjson";
        assert_eq!(open.write(), expected);
    }

    #[test]
    fn a_malformed_message_is_none() {
        let open = Dcep::Open(parameters(false, Reliability::Reliable)).write();
        for len in 0..open.len() {
            assert_eq!(Dcep::parse(&open[..len]), None, "{len} bytes");
        }
        let mut kind = open.clone();
        kind[1] = 0x03;
        assert_eq!(Dcep::parse(&kind), None);
        let mut label = open.clone();
        label[12] = 0xff;
        assert_eq!(Dcep::parse(&label), None);
        assert_eq!(Dcep::parse(&[0x04]), None);
    }
}
