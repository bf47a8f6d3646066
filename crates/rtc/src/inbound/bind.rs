//! Binding of SSRCs to encodings: by the SDP, else by MID, RID and payload type of the packet.
//!
//! The order is that of RFC 9143 section 9.2: a declared SSRC, then (mid, rid) or (mid, repaired
//! rid), then mid alone where the m-line has one encoding, then a payload type that only one such
//! m-line has. A rid without its mid is ambiguous: two m-lines may use the same one.
//!
//! A sender may change its SSRC at any time (RFC 3550 section 8.2), and not every sender adds mid
//! and rid then. Where payload type and the inactivity of an earlier SSRC leave one encoding, the
//! new SSRC replaces the earlier one; else it stays unbound (unassociated), with a reason.
//!
//! Extensions of padding-only packets are read as well: the first packet of an encoding can be one,
//! and browsers stop sending mid and rid after the first receiver report.

use core::time::Duration;

use super::unbound::{UnboundReason, UnboundSsrc, UnboundSsrcs};
use crate::prefetch::prefetch;
use wire::extension::Values;
use wire::id::{Mid, PayloadType, Rid, Ssrc};
use wire::rtp::Header;
use wire::time::Time;

/// Replaced SSRCs that are kept: a sender rarely changes its SSRC.
const MAX_RETIRED: usize = 16;
/// An SSRC without packets for this long may be replaced by one whose packets have no mid and rid.
const INACTIVE_AFTER: Duration = Duration::from_millis(500);

/// One encoding as the m-line of the SDP declares it.
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

/// Whether a stream carries media or its retransmissions.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Role {
    /// The encoding itself.
    Media,
    /// Its retransmissions (RFC 4588).
    Rtx,
}

/// The encoding and role of an SSRC; `K` is the caller's key of the encoding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bound<K> {
    /// Which encoding.
    pub key: K,
    /// Media or retransmissions.
    pub role: Role,
}

/// Result of [`Binder::bind`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Binding<K> {
    /// The SSRC was bound before.
    Known(Bound<K>),
    /// The SSRC is bound from now on, instead of `replaced`.
    New {
        /// The stream.
        bound: Bound<K>,
        /// The SSRC that was bound to the stream until now.
        replaced: Option<Ssrc>,
    },
    /// No encoding matches: drop the packet.
    Unbound(UnboundReason),
}

#[derive(Clone, Copy, Debug)]
struct Stream<K> {
    ssrc: Ssrc,
    bound: Bound<K>,
    /// When its last packet was received; `None` before the first packet of a declared SSRC.
    last: Option<Time>,
}

/// A line `a=ssrc-group:FID` (RFC 5576 section 4.2) of an m-line.
#[derive(Clone, Copy, Debug)]
struct Repair {
    mid: Mid,
    media: Ssrc,
    rtx: Ssrc,
}

/// The SSRC bindings of one transport.
#[derive(Clone, Debug)]
pub struct Binder<K> {
    streams: Vec<Stream<K>>,
    /// Index of the last lookup: packets of a frame arrive in a row.
    last_hit: usize,
    expected: Vec<(K, Expected)>,
    /// Replaced SSRCs, whose late packets must not replace the new ones.
    retired: Vec<Ssrc>,
    repairs: Vec<Repair>,
    unbound: UnboundSsrcs,
}

impl<K> Default for Binder<K> {
    fn default() -> Binder<K> {
        Binder {
            streams: Vec::new(),
            last_hit: 0,
            expected: Vec::new(),
            retired: Vec::new(),
            repairs: Vec::new(),
            unbound: UnboundSsrcs::default(),
        }
    }
}

impl<K: Copy + Eq> Binder<K> {
    /// Create a binder without encodings.
    pub fn new() -> Binder<K> {
        Binder::default()
    }

    /// Add an encoding; the SSRCs that it declares are bound at once.
    pub fn expect(&mut self, key: K, expected: Expected) {
        // A new m-line may declare a replaced SSRC.
        self.retired.clear();
        self.expected.push((key, expected));
        let declared = [(expected.ssrc, Role::Media), (expected.rtx_ssrc, Role::Rtx)];
        for (ssrc, role) in declared {
            if let Some(ssrc) = ssrc {
                self.set(ssrc, Bound { key, role }, None);
            }
        }
    }

    /// Add an `a=ssrc-group:FID`: `rtx` retransmits `media`, whichever encoding of the m-line that
    /// is. For senders whose media packets have a rid and whose RTX packets have none.
    pub fn expect_repair(&mut self, mid: Mid, media: Ssrc, rtx: Ssrc) {
        self.repairs.push(Repair { mid, media, rtx });
    }

    /// Remove an encoding and unbind its SSRCs.
    pub fn forget(&mut self, key: K) {
        self.expected.retain(|(known, _)| *known != key);
        self.streams.retain(|stream| stream.bound.key != key);
        let expected = &self.expected;
        self.repairs
            .retain(|repair| expected.iter().any(|(_, it)| it.mid == repair.mid));
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

    /// Return the encoding that `ssrc` is bound to, before the packet is authenticated: a hint.
    #[must_use]
    pub fn peek(&self, ssrc: Ssrc) -> Option<K> {
        let stream = self.streams.iter().find(|stream| stream.ssrc == ssrc)?;
        Some(stream.bound.key)
    }

    /// Prefetch the list of streams.
    pub fn prefetch(&self) {
        if let Some(stream) = self.streams.first() {
            prefetch(stream, 1);
        }
    }

    /// Bind an authenticated packet by its SSRC, else by its extensions and payload type.
    pub fn bind(&mut self, now: Time, header: &Header, values: &Values<'_>) -> Binding<K> {
        if let Some(bound) = self.lookup(header.ssrc) {
            self.streams[self.last_hit].last = Some(now);
            return Binding::Known(bound);
        }
        let bound = match self.identify(now, header, values) {
            Ok(bound) => bound,
            Err(reason) => {
                self.unbound.count(now, header, reason);
                return Binding::Unbound(reason);
            }
        };
        self.unbound.forget(header.ssrc);
        let replaced = self.set(header.ssrc, bound, Some(now));
        replaced.into_iter().for_each(|ssrc| self.retire(ssrc));
        if bound.role == Role::Media {
            self.bind_repair(header.ssrc, bound.key);
        }
        Binding::New { bound, replaced }
    }

    /// Return the SSRC that is bound to a stream.
    pub fn ssrc(&self, key: K, role: Role) -> Option<Ssrc> {
        let bound = Bound { key, role };
        self.stream(bound).map(|stream| stream.ssrc)
    }

    /// List the unbound SSRCs seen last, at most 16.
    pub fn unbound(&self) -> &[UnboundSsrc] {
        self.unbound.list()
    }

    /// Return the number of packets dropped without a bound SSRC.
    pub fn unbound_packets(&self) -> u64 {
        self.unbound.packets()
    }

    /// Return an SSRC that has been unbound for a second, once; at most one SSRC per second.
    pub fn report_unbound(&mut self, now: Time, ssrc: Ssrc) -> Option<UnboundSsrc> {
        self.unbound.report(now, ssrc)
    }

    fn identify(
        &self,
        now: Time,
        header: &Header,
        values: &Values<'_>,
    ) -> Result<Bound<K>, UnboundReason> {
        let named = match (values.mid, values.rid.or(values.repaired_rid)) {
            (Some(mid), Some(rid)) => self.by_rid(mid, rid, header.payload_type, values)?,
            (None, Some(_)) => return Err(UnboundReason::RidWithoutMid),
            (mid, None) => return self.by_payload_type(now, header, mid),
        };
        self.check_retired(now, header.ssrc, named)?;
        Ok(named)
    }

    fn by_rid(
        &self,
        mid: Mid,
        rid: Rid,
        payload_type: PayloadType,
        values: &Values<'_>,
    ) -> Result<Bound<K>, UnboundReason> {
        let of_rid =
            |(_, expected): &&(K, Expected)| expected.mid == mid && expected.rid == Some(rid);
        let Some((key, expected)) = self.expected.iter().find(of_rid) else {
            let is_known = self.expected.iter().any(|(_, it)| it.mid == mid);
            return Err(match is_known {
                true => UnboundReason::RidUnknown,
                false => UnboundReason::MidUnknown,
            });
        };
        let role = role_of(expected, payload_type).ok_or(UnboundReason::PayloadTypeUnknown)?;
        // RFC 8852 section 3: a repaired rid belongs to a repair stream only.
        if role == Role::Media && values.rid.is_none() {
            return Err(UnboundReason::RidUnknown);
        }
        Ok(Bound { key: *key, role })
    }

    /// Return the only encoding with this payload type, or the only one whose SSRC is inactive; of
    /// the m-line `mid`, where the packet has one.
    fn by_payload_type(
        &self,
        now: Time,
        header: &Header,
        mid: Option<Mid>,
    ) -> Result<Bound<K>, UnboundReason> {
        let is_named = |it: &Expected| mid.is_none_or(|mid| it.mid == mid);
        let candidate = |(key, it): &(K, Expected)| {
            let role = role_of(it, header.payload_type).filter(|_| is_named(it))?;
            Some((Bound { key: *key, role }, *it))
        };
        let mut candidates = self.expected.iter().filter_map(candidate);
        let Some((bound, expected)) = candidates.next() else {
            let is_known = self.expected.iter().any(|(_, it)| is_named(it));
            return Err(match is_known {
                true => UnboundReason::PayloadTypeUnknown,
                false => UnboundReason::MidUnknown,
            });
        };
        if candidates.next().is_some() {
            let candidates = self.expected.iter().filter_map(candidate);
            return self.by_elimination(now, header.ssrc, candidates);
        }
        if mid.is_none() && declared(&expected, bound.role).is_some() {
            self.check_replacement(now, header.ssrc, bound)?;
        }
        self.check_retired(now, header.ssrc, bound)?;
        Ok(bound)
    }

    /// Bind by elimination: not to an encoding whose bound SSRC has sent since.
    fn by_elimination(
        &self,
        now: Time,
        ssrc: Ssrc,
        candidates: impl Iterator<Item = (Bound<K>, Expected)>,
    ) -> Result<Bound<K>, UnboundReason> {
        let seen = self.unbound.since(ssrc).unwrap_or(now);
        let has_sent = |bound: Bound<K>| {
            let last = self.stream(bound).and_then(|stream| stream.last);
            last.is_some_and(|last| now.since(last.max(seen)) < INACTIVE_AFTER)
        };
        let mut open = candidates.filter(|(bound, _)| !has_sent(*bound));
        let Some((bound, expected)) = open.next() else {
            return Err(UnboundReason::EncodingAmbiguous);
        };
        // Encodings declared by SSRC alone (a=ssrc-group:SIM) are ordered by size once they send:
        // when all SSRCs have changed, any order is valid.
        let is_sized = |it: &Expected| bound.role == Role::Media && it.ssrc.is_some();
        let is_alike = |(_, it): (Bound<K>, Expected)| {
            it.mid == expected.mid && is_sized(&it) && is_sized(&expected)
        };
        if now.since(seen) < INACTIVE_AFTER || !open.all(is_alike) {
            return Err(UnboundReason::EncodingAmbiguous);
        }
        self.check_replacement(now, ssrc, bound)?;
        Ok(bound)
    }

    /// Return whether an SSRC may replace the bound one, which is inactive (RFC 3550 section 8.2).
    fn check_replacement(
        &self,
        now: Time,
        ssrc: Ssrc,
        bound: Bound<K>,
    ) -> Result<(), UnboundReason> {
        let is_active =
            |last: Option<Time>| last.is_some_and(|last| now.since(last) < INACTIVE_AFTER);
        let last = self.stream(bound).and_then(|stream| stream.last);
        let last = match bound.role {
            Role::Rtx if !self.has_changed_ssrc(bound.key, is_active) => {
                return Err(UnboundReason::RtxWithoutMedia);
            }
            Role::Rtx => last,
            // The declared SSRC may still send.
            Role::Media => last.or(self.unbound.since(ssrc)).or(Some(now)),
        };
        match is_active(last) {
            true => Err(UnboundReason::OtherSsrcActive),
            false => Ok(()),
        }
    }

    /// Return whether an encoding sends under another SSRC than the declared one: a new RTX SSRC
    /// would else retransmit packets of an unbound SSRC.
    fn has_changed_ssrc(&self, key: K, is_active: impl Fn(Option<Time>) -> bool) -> bool {
        let role = Role::Media;
        let media = self.stream(Bound { key, role });
        let is_declared = |ssrc: Ssrc| {
            let mut expected = self.expected.iter().filter(|(known, _)| *known == key);
            expected.any(|(_, it)| it.ssrc == Some(ssrc))
        };
        media.is_some_and(|media| is_active(media.last) && !is_declared(media.ssrc))
    }

    /// Late packets of a replaced SSRC must not replace the new one; a sender that returns to the
    /// old SSRC may.
    fn check_retired(&self, now: Time, ssrc: Ssrc, bound: Bound<K>) -> Result<(), UnboundReason> {
        match self.retired.contains(&ssrc) {
            true => self.check_replacement(now, ssrc, bound),
            false => Ok(()),
        }
    }

    fn stream(&self, bound: Bound<K>) -> Option<&Stream<K>> {
        self.streams.iter().find(|stream| stream.bound == bound)
    }

    /// Bind the declared RTX SSRC of a media SSRC.
    fn bind_repair(&mut self, media: Ssrc, key: K) {
        let repair = self.repairs.iter().find(|repair| repair.media == media);
        let takes_rtx =
            |(known, it): &(K, Expected)| *known == key && it.rtx_payload_type.is_some();
        if let Some(rtx) = repair.map(|repair| repair.rtx)
            && self.expected.iter().any(takes_rtx)
            && self.lookup(rtx).is_none()
        {
            self.unbound.forget(rtx);
            let role = Role::Rtx;
            self.set(rtx, Bound { key, role }, None);
        }
    }

    /// Bind `ssrc`, and return the SSRC that was bound before.
    fn set(&mut self, ssrc: Ssrc, bound: Bound<K>, last: Option<Time>) -> Option<Ssrc> {
        self.streams.retain(|it| it.ssrc != ssrc);
        let earlier = self.streams.iter_mut().find(|it| it.bound == bound);
        if let Some(stream) = earlier {
            stream.last = last;
            return Some(core::mem::replace(&mut stream.ssrc, ssrc));
        }
        self.streams.push(Stream { ssrc, bound, last });
        None
    }

    fn retire(&mut self, ssrc: Ssrc) {
        if self.retired.len() == MAX_RETIRED {
            self.retired.remove(0);
        }
        self.retired.push(ssrc);
    }
}

fn role_of(expected: &Expected, payload_type: PayloadType) -> Option<Role> {
    if payload_type == expected.payload_type {
        return Some(Role::Media);
    }
    (Some(payload_type) == expected.rtx_payload_type).then_some(Role::Rtx)
}

fn declared(expected: &Expected, role: Role) -> Option<Ssrc> {
    match role {
        Role::Media => expected.ssrc,
        Role::Rtx => expected.rtx_ssrc,
    }
}
