//! Headers and extension blocks that we write are read back as they were.

use proptest::prelude::*;
use wire::extension::{BlockWriter, Form, MAX_BLOCK_LEN};
use wire::id::{PayloadType, SequenceExtender, Ssrc};
use wire::rtp::{Header, NewHeader, write};

fn new_header() -> impl Strategy<Value = NewHeader> {
    let bits = (any::<bool>(), any::<bool>(), 0_u8..128);
    (bits, any::<u16>(), any::<u32>(), any::<u32>()).prop_map(
        |((marker, padding, payload_type), sequence, timestamp, ssrc)| NewHeader {
            marker,
            payload_type: PayloadType(payload_type),
            sequence,
            timestamp,
            ssrc: Ssrc(ssrc),
            padding,
        },
    )
}

fn elements(form: Form) -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let (ids, lens) = match form {
        Form::OneByte => (1..=14_u8, 1..17),
        Form::TwoByte => (1..=255_u8, 0..30),
    };
    prop::collection::vec((ids, prop::collection::vec(any::<u8>(), lens)), 0..6)
}

fn any_elements() -> impl Strategy<Value = (Form, Vec<(u8, Vec<u8>)>)> {
    prop_oneof![
        elements(Form::OneByte).prop_map(|elements| (Form::OneByte, elements)),
        elements(Form::TwoByte).prop_map(|elements| (Form::TwoByte, elements)),
    ]
}

proptest! {
    #[test]
    fn header_and_elements_come_back(new in new_header(), (form, elements) in any_elements()) {
        let mut block = [0xff; MAX_BLOCK_LEN];
        let mut writer = BlockWriter::new(&mut block, form);
        let mut places = Vec::new();
        for (id, value) in &elements {
            places.push(writer.push(*id, value).unwrap());
        }
        let block_len = writer.finish();
        for (place, (_, value)) in places.iter().zip(&elements) {
            prop_assert_eq!(&block[*place..*place + value.len()], &value[..]);
        }

        let mut packet = [0; MAX_BLOCK_LEN + 12];
        let header_len = write(&mut packet, &new, &block[..block_len]);
        let header = Header::parse(&packet[..header_len]).unwrap();
        prop_assert_eq!(header.header_len, header_len);
        prop_assert_eq!(header.marker, new.marker);
        prop_assert_eq!(header.has_padding, new.padding);
        prop_assert_eq!(header.payload_type, new.payload_type);
        prop_assert_eq!(header.sequence, new.sequence);
        prop_assert_eq!(header.timestamp, new.timestamp);
        prop_assert_eq!(header.ssrc, new.ssrc);
        let back: Vec<_> = header
            .extensions(&packet)
            .map(|(id, value)| (id, value.to_vec()))
            .collect();
        prop_assert_eq!(back, elements);
    }

    #[test]
    fn extended_numbers_follow_a_reordered_stream(
        start in any::<u16>(),
        steps in prop::collection::vec(-100_i64..200, 1..400),
    ) {
        let mut extender = SequenceExtender::new();
        // One cycle up, so that nothing lies before the first one.
        let mut index = i64::from(start) + 0x1_0000;
        let base = extender.extend(index as u16) as i64 - index;
        let mut highest = index;
        for step in steps {
            index = (highest + step).max(0x1_0000 + i64::from(start));
            highest = highest.max(index);
            prop_assert_eq!(extender.peek(index as u16) as i64 - base, index);
            prop_assert_eq!(extender.extend(index as u16) as i64 - base, index);
            prop_assert_eq!(extender.highest().unwrap() as i64 - base, highest);
        }
    }
}
