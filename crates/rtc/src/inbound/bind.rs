//! Which stream an SSRC is: by what the SDP declared, else by what the packet says of itself.
//!
//! The order is that of RFC 9143 section 9.2: a declared SSRC, then (mid, rid) or (mid, repaired
//! rid), then mid alone where the m-line has one encoding, then a payload type that only one such
//! m-line has. A rid without its mid names nothing: two m-lines may use the same one.
//!
//! Extensions of padding-only packets count as well: a browser's first packet of an encoding can
//! be one, and after the first receiver report it stops sending mid and rid.

use crate::prefetch::prefetch;
use wire::extension::Values;
use wire::id::{Mid, PayloadType, Rid, Ssrc};
use wire::rtp::Header;

/// Unbound SSRCs that are remembered for diagnosis.
const MAX_UNBOUND: usize = 16;
/// Replaced SSRCs that are remembered: a stream rarely begins anew.
const MAX_RETIRED: usize = 16;

/// What an m-line of the SDP lets us expect of one encoding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Expected {
    /// Media identification of the m-line.
    pub mid: Mid,
    /// Encoding name (`a=rid`), if there are several.
    pub rid: Option<Rid>,
    /// Declared by `a=ssrc`.
    pub ssrc: Option<Ssrc>,
    /// Declared by `a=ssrc-group:FID`.
    pub rtx_ssrc: Option<Ssrc>,
    /// Payload type of the media.
    pub payload_type: PayloadType,
    /// Payload type of its retransmissions.
    pub rtx_payload_type: Option<PayloadType>,
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Role {
    /// The encoding itself.
    Media,
    /// Its retransmissions (RFC 4588).
    Rtx,
}

/// The stream that an SSRC is; `K` is the caller's name for the encoding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bound<K> {
    /// Which encoding.
    pub key: K,
    /// Media or retransmissions.
    pub role: Role,
}

/// What [`Binder::bind`] found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Binding<K> {
    /// The SSRC is this stream, as before.
    Known(Bound<K>),
    /// The SSRC is this stream from now on, instead of `replaced`.
    New {
        /// The stream.
        bound: Bound<K>,
        /// The SSRC that was the stream until now.
        replaced: Option<Ssrc>,
    },
    /// Nothing says what it is: drop the packet.
    Unbound,
}

/// An SSRC that nothing says the meaning of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnboundSsrc {
    /// The SSRC.
    pub ssrc: Ssrc,
    /// Payload type of its first packet.
    pub payload_type: PayloadType,
    /// Packets dropped.
    pub packets: u64,
}

#[derive(Clone, Copy, Debug)]
struct Stream<K> {
    ssrc: Ssrc,
    bound: Bound<K>,
}

/// The streams of one transport.
#[derive(Clone, Debug)]
pub struct Binder<K> {
    streams: Vec<Stream<K>>,
    /// Where the last lookup hit: packets of a frame come in a row.
    last_hit: usize,
    expected: Vec<(K, Expected)>,
    /// SSRCs that others took the place of: late packets of theirs must not take it back.
    retired: Vec<Ssrc>,
    unbound: Vec<UnboundSsrc>,
    unbound_packets: u64,
}

impl<K> Default for Binder<K> {
    fn default() -> Binder<K> {
        Binder {
            streams: Vec::new(),
            last_hit: 0,
            expected: Vec::new(),
            retired: Vec::new(),
            unbound: Vec::new(),
            unbound_packets: 0,
        }
    }
}

impl<K: Copy + Eq> Binder<K> {
    /// Make a binder that expects nothing.
    pub fn new() -> Binder<K> {
        Binder::default()
    }

    /// Expect an encoding; the SSRCs that it declares are bound at once.
    pub fn expect(&mut self, key: K, expected: Expected) {
        // A new m-line may give an old SSRC a new meaning.
        self.retired.clear();
        self.expected.push((key, expected));
        let declared = [(expected.ssrc, Role::Media), (expected.rtx_ssrc, Role::Rtx)];
        for (ssrc, role) in declared {
            if let Some(ssrc) = ssrc {
                self.set(ssrc, Bound { key, role });
            }
        }
    }

    /// Expect the encoding no longer and unbind its streams.
    pub fn forget(&mut self, key: K) {
        self.expected.retain(|(known, _)| *known != key);
        self.streams.retain(|stream| stream.bound.key != key);
    }

    /// Return the stream that `ssrc` is already bound to.
    #[inline]
    pub fn lookup(&mut self, ssrc: Ssrc) -> Option<Bound<K>> {
        if let Some(hit) = self.streams.get(self.last_hit)
            && hit.ssrc == ssrc
        {
            return Some(hit.bound);
        }
        let at = self.streams.iter().position(|stream| stream.ssrc == ssrc)?;
        self.last_hit = at;
        Some(self.streams[at].bound)
    }

    /// Return what `ssrc` is bound to, of a packet that is not authenticated yet: a hint.
    #[must_use]
    pub fn peek(&self, ssrc: Ssrc) -> Option<K> {
        let stream = self.streams.iter().find(|stream| stream.ssrc == ssrc)?;
        Some(stream.bound.key)
    }

    /// Load the list of streams.
    pub fn prefetch(&self) {
        if let Some(stream) = self.streams.first() {
            prefetch(stream, 1);
        }
    }

    /// Find the stream of an authenticated packet by its SSRC, else by its extensions.
    pub fn bind(&mut self, header: &Header, values: &Values<'_>) -> Binding<K> {
        if let Some(bound) = self.lookup(header.ssrc) {
            return Binding::Known(bound);
        }
        let named = match self.retired.contains(&header.ssrc) {
            true => None,
            false => self.identify(header.payload_type, values),
        };
        let Some(bound) = named else {
            self.count_unbound(header);
            return Binding::Unbound;
        };
        self.unbound.retain(|unbound| unbound.ssrc != header.ssrc);
        let replaced = self.set(header.ssrc, bound);
        replaced.into_iter().for_each(|ssrc| self.retire(ssrc));
        Binding::New { bound, replaced }
    }

    /// Return the SSRC that is bound to a stream.
    pub fn ssrc(&self, key: K, role: Role) -> Option<Ssrc> {
        let bound = Bound { key, role };
        let stream = self.streams.iter().find(|stream| stream.bound == bound)?;
        Some(stream.ssrc)
    }

    /// List the unbound SSRCs seen last, at most 16.
    pub fn unbound(&self) -> &[UnboundSsrc] {
        &self.unbound
    }

    /// Count all packets dropped for want of a stream.
    pub fn unbound_packets(&self) -> u64 {
        self.unbound_packets
    }

    fn identify(&self, payload_type: PayloadType, values: &Values<'_>) -> Option<Bound<K>> {
        match (values.mid, values.rid.or(values.repaired_rid)) {
            (Some(mid), Some(rid)) => self.by_rid(mid, rid, payload_type, values),
            (Some(mid), None) => self.by_mid(mid, payload_type),
            (None, Some(_)) => None,
            (None, None) => self.by_payload_type(payload_type),
        }
    }

    fn by_rid(
        &self,
        mid: Mid,
        rid: Rid,
        payload_type: PayloadType,
        values: &Values<'_>,
    ) -> Option<Bound<K>> {
        let of_rid =
            |(_, expected): &&(K, Expected)| expected.mid == mid && expected.rid == Some(rid);
        let (key, expected) = self.expected.iter().find(of_rid)?;
        let role = role_of(expected, payload_type)?;
        // RFC 8852 section 3: a repaired rid belongs to a repair stream only.
        if role == Role::Media && values.rid.is_none() {
            return None;
        }
        Some(Bound { key: *key, role })
    }

    fn by_mid(&self, mid: Mid, payload_type: PayloadType) -> Option<Bound<K>> {
        let mut of_mid = self.expected.iter().filter(|(_, it)| it.mid == mid);
        let (key, expected) = of_mid.next()?;
        if of_mid.next().is_some() {
            return None;
        }
        let role = role_of(expected, payload_type)?;
        Some(Bound { key: *key, role })
    }

    fn by_payload_type(&self, payload_type: PayloadType) -> Option<Bound<K>> {
        let of_type = |(_, it): &&(K, Expected)| role_of(it, payload_type).is_some();
        let mut candidates = self.expected.iter().filter(of_type);
        let (key, expected) = candidates.next()?;
        if candidates.next().is_some() {
            return None;
        }
        let role = role_of(expected, payload_type)?;
        // What was declared comes under the declared SSRC and no other.
        let declared = match role {
            Role::Media => expected.ssrc,
            Role::Rtx => expected.rtx_ssrc,
        };
        declared.is_none().then_some(Bound { key: *key, role })
    }

    /// Bind, and return the SSRC that was this stream before.
    fn set(&mut self, ssrc: Ssrc, bound: Bound<K>) -> Option<Ssrc> {
        self.streams.retain(|it| it.ssrc != ssrc);
        let earlier = self.streams.iter_mut().find(|it| it.bound == bound);
        if let Some(stream) = earlier {
            return Some(core::mem::replace(&mut stream.ssrc, ssrc));
        }
        self.streams.push(Stream { ssrc, bound });
        None
    }

    fn retire(&mut self, ssrc: Ssrc) {
        if self.retired.len() == MAX_RETIRED {
            self.retired.remove(0);
        }
        self.retired.push(ssrc);
    }

    fn count_unbound(&mut self, header: &Header) {
        self.unbound_packets += 1;
        let known = self.unbound.iter_mut().find(|it| it.ssrc == header.ssrc);
        if let Some(unbound) = known {
            unbound.packets += 1;
            return;
        }
        if self.unbound.len() == MAX_UNBOUND {
            self.unbound.remove(0);
        }
        self.unbound.push(UnboundSsrc {
            ssrc: header.ssrc,
            payload_type: header.payload_type,
            packets: 1,
        });
    }
}

fn role_of(expected: &Expected, payload_type: PayloadType) -> Option<Role> {
    if payload_type == expected.payload_type {
        return Some(Role::Media);
    }
    (Some(payload_type) == expected.rtx_payload_type).then_some(Role::Rtx)
}
