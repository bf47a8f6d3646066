//! Arbitrary payloads of an unauthenticated peer cause no panic in any codec.

use proptest::collection::vec;
use proptest::prelude::*;
use rtc::codec::dependency::DependencyReader;
use rtc::codec::frame_size::frame_size;
use rtc::codec::h264::{MAX_STAP_A_LEN, ParameterSets};
use rtc::codec::{Codec, Rewriter, describe, picture_id, red};

const CODECS: [Codec; 9] = [
    Codec::Vp8,
    Codec::Vp9,
    Codec::H264,
    Codec::H265,
    Codec::Av1,
    Codec::Opus,
    Codec::Red,
    Codec::Pcmu,
    Codec::Pcma,
];

proptest! {
    #[test]
    fn any_payload_can_be_described_and_rewritten(
        payload in vec(any::<u8>(), 0..64),
        other in vec(any::<u8>(), 0..64),
        id: u16, tl0: u8, key_index: u8, marker: bool,
    ) {
        for codec in CODECS {
            let described = describe(codec, &payload, marker);
            prop_assert!(frame_size(codec, &payload).is_none_or(|(width, height)| width > 0 && height > 0));
            prop_assert!(described.readable || !(described.info.start || described.info.keyframe));
            let mut copy = other.clone();
            picture_id::Shift { id, tl0, key_index }.rewrite(&mut copy, &described);
            prop_assert_eq!(copy.len(), other.len());
        }
    }

    #[test]
    fn a_rewritten_payload_is_described_alike_but_for_its_numbers(
        payload in vec(any::<u8>(), 0..32),
        id: u16, tl0: u8, key_index: u8,
    ) {
        for codec in CODECS {
            let before = describe(codec, &payload, false);
            let mut copy = payload.clone();
            picture_id::Shift { id, tl0, key_index }.rewrite(&mut copy, &before);
            let after = describe(codec, &copy, false);
            prop_assert_eq!(before.info, after.info);
            prop_assert_eq!(before.picture_ids.width, after.picture_ids.width);
            prop_assert_eq!(before.picture_ids.id_at, after.picture_ids.id_at);
        }
    }

    #[test]
    fn any_series_keeps_the_rewriter_sane(
        series in vec((0u8..3, vec(any::<u8>(), 0..8)), 0..64),
    ) {
        let mut rewriter = Rewriter::new(Codec::Vp8);
        for (action, payload) in series {
            let described = describe(Codec::Vp8, &payload, false);
            match action {
                0 => { rewriter.switch(&described); }
                1 => rewriter.forwarded(&described),
                _ => { rewriter.dropped(&described); }
            }
        }
    }

    #[test]
    fn any_parameter_sets_stay_bounded(payloads in vec(vec(any::<u8>(), 0..300), 0..64)) {
        let mut sets = ParameterSets::default();
        let mut out = [0; MAX_STAP_A_LEN];
        for mut payload in payloads {
            if let Some(first) = payload.first_mut() {
                *first = [0x67, 0x68, 0x78, *first][usize::from(*first % 4)];
            }
            sets.remember(&payload);
            if let Some(len) = sets.write_stap_a(&mut out) {
                prop_assert!(describe(Codec::H264, &out[..len], false).parameter_sets);
            }
        }
    }

    #[test]
    fn any_descriptors_can_be_read(series in vec(vec(any::<u8>(), 0..256), 0..8)) {
        let mut reader = DependencyReader::default();
        for mut bytes in series {
            // Half of them announce a structure.
            if let Some(flags) = bytes.get_mut(3) {
                *flags |= 0x80;
            }
            let _ = reader.read(&bytes);
            let _ = reader.read(bytes.get(..3).unwrap_or_default());
        }
    }

    #[test]
    fn any_red_is_taken_apart(payload in vec(any::<u8>(), 0..64)) {
        if let Some(block) = red::primary(&payload) {
            prop_assert!(block.payload.len() < payload.len());
        }
    }
}
