//! Messages that name a participant in their first line: the receiver, and on arrival the sender.

use super::backlog::DataMessage;

/// Longest line, bytes: a name has fewer.
const LONGEST_LINE: usize = 256;

/// Split a message into the receiver's name, empty for all, and its text; `None` without a line.
pub fn split(payload: &[u8]) -> Option<(&str, &[u8])> {
    let head = &payload[..payload.len().min(LONGEST_LINE)];
    let end = head.iter().position(|byte| *byte == b'\n')?;
    let name = std::str::from_utf8(&payload[..end]).ok()?;
    Some((name, &payload[end + 1..]))
}

/// Make the message as it arrives: the sender's name in its first line.
pub fn from(sender: &str, is_text: bool, text: &[u8]) -> DataMessage {
    let mut payload = Vec::with_capacity(sender.len() + 1 + text.len());
    payload.extend_from_slice(sender.as_bytes());
    payload.push(b'\n');
    payload.extend_from_slice(text);
    DataMessage { is_text, payload }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_a_participant() {
        assert_eq!(
            split(b"bob\nhello\nthere"),
            Some(("bob", &b"hello\nthere"[..]))
        );
        assert_eq!(split(b"\n"), Some(("", &b""[..])));
        assert_eq!(split(b"no line"), None);
        assert_eq!(split(b""), None);
        assert_eq!(split(b"\xff\nhello"), None);
        assert_eq!(split(&[b'x'; 1000]), None);
        let arrived = from("ann", true, b"hello");
        assert!(arrived.is_text);
        assert_eq!(arrived.payload, b"ann\nhello");
    }
}
