//! Sealing and opening: each packet is accepted once, unchanged, and nothing else ever is.

use std::collections::{HashMap, HashSet};

use rtc::srtp::{MasterKey, Opener, Profile, SealStream, Sealer};
use wire::id::{PayloadType, Ssrc};
use wire::rtp::{self, Header, NewHeader};

use crate::input::Input;

const SSRCS: [u32; 3] = [1, 0x8000_0000, u32::MAX];
/// A packet this close to the highest accepted one is in every window and guessed right.
const NEAR: u64 = 1000;
const INDEX_END: u64 = 1 << 48;

struct Wire {
    sealer: Sealer,
    opener: Opener,
    streams: HashMap<u32, SealStream>,
    newest: HashMap<u32, u64>,
    sealed: HashSet<(u32, u64)>,
    /// RTP packets on the wire: SSRC, index, plain and sealed.
    rtp: Vec<(u32, u64, Vec<u8>, Vec<u8>)>,
    accepted: HashSet<(u32, u64)>,
    highest: HashMap<u32, u64>,
    rtcp: Vec<(Vec<u8>, Vec<u8>)>,
    rtcp_accepted: HashSet<usize>,
}

/// Packets sealed, delivered late, repeated, broken, and garbage among them.
pub fn srtp(data: &[u8]) {
    let mut input = Input::new(data);
    let mut wire = Wire::new(input.pick(&Profile::ALL));
    while !input.is_empty() {
        match input.below(8) {
            0 | 1 => wire.seal(&mut input),
            2 | 3 => wire.deliver(&mut input),
            4 => wire.deliver_broken(&mut input),
            5 => wire.seal_rtcp(&mut input),
            6 => wire.deliver_rtcp(&mut input),
            _ => wire.deliver_garbage(input.run()),
        }
    }
}

impl Wire {
    fn new(profile: Profile) -> Self {
        let salt = [9; 14];
        let master = MasterKey::new(profile, &[7; 16], &salt[..profile.salt_len()]);
        let master = master.expect("lengths of the profile");
        let mut sealer = Sealer::new(profile, &master);
        let stream = |ssrc| (ssrc, sealer.stream(Ssrc(ssrc)).expect("the first"));
        Self {
            streams: SSRCS.into_iter().map(stream).collect(),
            opener: Opener::new(profile, &master),
            sealer,
            newest: HashMap::new(),
            sealed: HashSet::new(),
            rtp: Vec::new(),
            accepted: HashSet::new(),
            highest: HashMap::new(),
            rtcp: Vec::new(),
            rtcp_accepted: HashSet::new(),
        }
    }

    fn seal(&mut self, input: &mut Input<'_>) {
        let ssrc = input.pick(&SSRCS);
        let index = input.near(*self.newest.get(&ssrc).unwrap_or(&100), INDEX_END);
        let payload = input.run();
        let header = NewHeader {
            marker: false,
            payload_type: PayloadType(96),
            sequence: index as u16,
            timestamp: 0,
            ssrc: Ssrc(ssrc),
            padding: false,
        };
        let mut packet = vec![0; rtp::FIXED_HEADER_LEN + payload.len() + 64];
        let header_len = rtp::write(&mut packet, &header, &[]);
        let plain_len = header_len + payload.len();
        packet[header_len..plain_len].copy_from_slice(payload);
        let plain = packet[..plain_len].to_vec();
        let stream = self.streams.get_mut(&ssrc).expect("made at the start");
        let sealed = self
            .sealer
            .seal_rtp(stream, index, &mut packet, header_len, plain_len);
        let Ok(len) = sealed else {
            return;
        };
        assert!(self.sealed.insert((ssrc, index)), "a nonce was used twice");
        packet.truncate(len);
        let newest = self.newest.entry(ssrc).or_default();
        *newest = index.max(*newest);
        self.rtp.push((ssrc, index, plain, packet));
    }

    fn deliver(&mut self, input: &mut Input<'_>) {
        if self.rtp.is_empty() {
            return;
        }
        let (ssrc, index, plain, sealed) = &self.rtp[input.below(self.rtp.len())];
        let key = (*ssrc, *index);
        let must_pass = !self.accepted.contains(&key)
            && match self.highest.get(ssrc) {
                Some(highest) => highest.abs_diff(*index) < NEAR,
                None => *index < 1 << 16,
            };
        let mut packet = sealed.clone();
        let header = Header::parse(&packet).expect("our own");
        match self.opener.open_rtp(&header, &mut packet) {
            Ok(opened) => {
                assert_eq!(opened.index, *index);
                assert!(packet[..opened.len] == plain[..]);
                assert!(self.accepted.insert(key), "accepted twice");
                let highest = self.highest.entry(*ssrc).or_default();
                *highest = (*highest).max(*index);
            }
            Err(error) => assert!(!must_pass, "{key:?}: {error}"),
        }
    }

    fn deliver_broken(&mut self, input: &mut Input<'_>) {
        if self.rtp.is_empty() {
            return;
        }
        let mut packet = self.rtp[input.below(self.rtp.len())].3.clone();
        let at = usize::from(input.u16()) % packet.len();
        packet[at] ^= input.u8().max(1);
        self.deliver_garbage(&packet);
        packet.truncate(at);
        self.deliver_garbage(&packet);
    }

    /// Nothing that was not sealed opens, as RTP or as RTCP.
    fn deliver_garbage(&mut self, datagram: &[u8]) {
        let mut packet = datagram.to_vec();
        if let Ok(header) = Header::parse(&packet) {
            assert!(self.opener.open_rtp(&header, &mut packet).is_err());
        }
        let mut packet = datagram.to_vec();
        assert!(self.opener.open_rtcp(&mut packet).is_err());
    }

    fn seal_rtcp(&mut self, input: &mut Input<'_>) {
        let plain = input.run();
        let mut packet = plain.to_vec();
        packet.resize(plain.len() + self.sealer.profile().rtcp_overhead(), 0);
        match self.sealer.seal_rtcp(&mut packet, plain.len()) {
            Ok(len) => {
                assert_eq!(len, packet.len());
                self.rtcp.push((plain.to_vec(), packet));
            }
            Err(_) => assert!(plain.len() < 8),
        }
    }

    fn deliver_rtcp(&mut self, input: &mut Input<'_>) {
        if self.rtcp.is_empty() {
            return;
        }
        let nth = input.below(self.rtcp.len());
        let (plain, sealed) = &self.rtcp[nth];
        let mut packet = sealed.clone();
        if let Ok(len) = self.opener.open_rtcp(&mut packet) {
            assert!(packet[..len] == plain[..]);
            assert!(self.rtcp_accepted.insert(nth), "accepted twice");
        }
        let mut broken = sealed.clone();
        let at = input.below(broken.len().min(256));
        broken[at] ^= input.u8().max(1);
        assert!(self.opener.open_rtcp(&mut broken).is_err());
    }
}
