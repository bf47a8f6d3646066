//! Payloads and dependency descriptors: described, rewritten and described again.

use rtc::codec::dependency::DependencyReader;
use rtc::codec::frame_size::frame_size;
use rtc::codec::h264::{MAX_STAP_A_LEN, ParameterSets};
use rtc::codec::{Codec, Described, Rewriter, describe, picture_id, red};
use wire::dependency::{ActiveTargets, Descriptor, Patch, Structure};

use crate::input::Input;

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

/// The payloads of one stream, each forwarded, dropped on purpose or the first after a switch.
pub fn codec(data: &[u8]) {
    let mut input = Input::new(data);
    let codec = input.pick(&CODECS);
    let mut rewriter = Rewriter::new(codec);
    let mut sets = ParameterSets::default();
    while !input.is_empty() {
        let (action, marker) = (input.below(4), input.flag());
        let payload = input.run();
        let described = describe(codec, payload, marker);
        let info = described.info;
        assert!(described.readable || !(info.start || info.keyframe));
        assert!(frame_size(codec, payload).is_none_or(|size| size.0 > 0 && size.1 > 0));
        let shift = match action {
            0 => rewriter.switch(&described),
            1 => {
                rewriter.forwarded(&described);
                rewriter.shift()
            }
            2 => rewriter.dropped(&described),
            _ => any_shift(&mut input),
        };
        rewrite(codec, payload, marker, &described, shift);
        keep_parameter_sets(&mut sets, payload);
        if let Some(blocks) = red::blocks(payload) {
            check_red(&blocks, payload.len());
        }
    }
}

fn any_shift(input: &mut Input<'_>) -> picture_id::Shift {
    picture_id::Shift {
        id: input.u16(),
        tl0: input.u8(),
        key_index: input.u8(),
    }
}

/// Only the numbers change, and by the shift.
fn rewrite(
    codec: Codec,
    payload: &[u8],
    marker: bool,
    before: &Described,
    shift: picture_id::Shift,
) {
    let mut copy = payload.to_vec();
    shift.rewrite(&mut copy, before);
    let after = describe(codec, &copy, marker);
    assert_eq!((after.info, after.readable), (before.info, before.readable));
    let (old, new) = (before.picture_ids, after.picture_ids);
    assert_eq!((new.width, new.id_at), (old.width, old.id_at));
    if shift == picture_id::Shift::default() {
        assert_eq!(copy, payload);
    }
    let mut back = copy;
    let undo = picture_id::Shift {
        id: shift.id.wrapping_neg(),
        tl0: shift.tl0.wrapping_neg(),
        key_index: shift.key_index.wrapping_neg(),
    };
    undo.rewrite(&mut back, &after);
    assert_eq!(back, payload, "a shift can be undone");
}

fn keep_parameter_sets(sets: &mut ParameterSets, payload: &[u8]) {
    sets.remember(payload);
    let mut out = [0; MAX_STAP_A_LEN];
    if let Some(len) = sets.write_stap_a(&mut out) {
        assert!(describe(Codec::H264, &out[..len], false).parameter_sets);
    }
}

/// What was read is written, and read as the same.
fn written_again(bytes: &[u8], latest: Option<&Structure>) {
    let read = Descriptor::read(bytes, latest).expect("the reader read it");
    let mut out = [0; 2_500];
    let len = read
        .write(latest, &mut out)
        .expect("its values are in bounds");
    assert_eq!(Descriptor::read(&out[..len], latest), Ok(read));
}

/// The descriptors of one stream; structures come with any of them.
pub fn dependency(data: &[u8]) {
    let mut input = Input::new(data);
    let mut reader = DependencyReader::default();
    while !input.is_empty() {
        let number = input.u16();
        let descriptor = input.run();
        let latest = reader.structure().cloned();
        let Ok(frame) = reader.read(descriptor) else {
            continue;
        };
        written_again(descriptor, latest.as_ref());
        let mut described = Described::default();
        frame.describe(&mut described);
        assert_eq!(described.info, frame.info);
        let latest = reader.structure().expect("it was read").clone();
        let patch = Patch {
            number_shift: number,
            active_targets: (number & 1 == 1).then_some(ActiveTargets {
                mask: u32::from(number),
                count: latest.targets,
            }),
        };
        let mut copy = [0; 2_500];
        let len = patch.write(descriptor, &mut copy).expect("there is room");
        let mut again = reader.clone();
        let again = again.read(&copy[..len]).expect("number and mask changed");
        assert_eq!(
            (again.info, again.dependencies),
            (frame.info, frame.dependencies)
        );
        assert_eq!(again.number, frame.number.wrapping_sub(number));
    }
}

/// The blocks and their headers are the whole payload.
fn check_red(blocks: &red::Blocks<'_>, len: usize) {
    let redundant = blocks.redundant().iter();
    let redundant: usize = redundant.map(|it| 4 + it.payload.len()).sum();
    assert_eq!(redundant + 1 + blocks.primary.payload.len(), len);
    let mut out = [0; red::HEADERS_LEN];
    for block in blocks.redundant() {
        let written = red::write_headers(&mut out, block.payload_type, Some((block.offset, 0)));
        let read = red::blocks(&out[..written]).map(|it| it.redundant()[0].offset);
        assert_eq!(read, Some(block.offset));
    }
}
