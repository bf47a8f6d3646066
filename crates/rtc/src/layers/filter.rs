//! Which frames of a stream one receiver gets.
//!
//! With dependency descriptors a receiver gets one decode target. It changes to another at a frame
//! that allows it: down where the chain of the lower target is intact, up at a frame with a switch
//! indication whose references were all sent. Else the change waits, for a keyframe at the latest.
//!
//! By payload descriptors: spatial layers up at keyframes; temporal layers up where the descriptor
//! says that it is possible; both down at the next temporal unit.

use wire::dependency::{ActiveTargets, Indication};

use super::Layer;
use super::described::{DecodeTargets, DescribedLayers, KnownFrame, MAX_FRAMES};
use crate::codec::{Codec, Described};

/// The temporal layer that is sent while a lower spatial layer waits for a keyframe.
const MEANWHILE_TEMPORAL: u8 = 1;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether its frame is sent.
    pub is_sent: bool,
    /// Whether it is the last packet of its temporal unit that is sent.
    pub ends_unit: bool,
}

impl Verdict {
    /// Where nothing is selected: all is sent as it came.
    pub const ALL: Self = Self {
        is_sent: true,
        ends_unit: false,
    };
}

/// A packet to select.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Description of its payload.
    pub described: &'a Described,
    /// Its RTP timestamp.
    pub timestamp: u32,
    /// Frame number of its dependency descriptor.
    pub number: Option<u16>,
}

/// Selects the frames of one stream for one receiver.
#[derive(Clone, Debug)]
pub struct LayerFilter {
    codec: Codec,
    wanted: Layer,
    /// The layer that is sent.
    current: Layer,
    /// RTP timestamp of the newest temporal unit.
    unit: Option<u32>,
    /// Whether the next temporal unit may have the wanted temporal layer (VP9).
    may_rise: bool,
    sent: SentFrames,
}

/// What was sent of the last frames of a stream with dependency descriptors.
#[derive(Clone, Debug, Default)]
struct SentFrames {
    newest: Option<u16>,
    /// Bit n: the frame whose number is lower than the newest by n.
    seen: u128,
    sent: u128,
    target: Option<u8>,
    generation: u16,
    active: Option<ActiveTargets>,
    waits: bool,
}

impl LayerFilter {
    /// Start a stream at a keyframe.
    #[must_use]
    pub fn new(codec: Codec, wanted: Layer) -> Self {
        Self {
            codec,
            wanted,
            current: Layer::ALL,
            unit: None,
            may_rise: false,
            sent: SentFrames::default(),
        }
    }

    /// Set the layer that the receiver should get.
    pub fn set_wanted(&mut self, wanted: Layer) {
        self.wanted = wanted;
    }

    /// Return the layer that the receiver should get.
    #[must_use]
    pub fn wanted(&self) -> Layer {
        self.wanted
    }

    /// Return the layer that is sent; [`Layer::ALL`] before the first frame.
    #[must_use]
    pub fn current(&self) -> Layer {
        self.current
    }

    /// Return whether a change of spatial layer waits for a frame that allows it.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.sent.waits
    }

    /// Return the decode targets to write into descriptors; `None`: those that the publisher wrote.
    #[must_use]
    pub fn active_targets(&self) -> Option<ActiveTargets> {
        self.sent.active
    }

    /// Select a packet; `layers` are those of its stream, where it has dependency descriptors.
    pub fn select(&mut self, packet: &Candidate<'_>, layers: Option<&DescribedLayers>) -> Verdict {
        let known = layers.zip(packet.number);
        match known {
            Some((layers, number)) => match layers.frame(number) {
                Some(frame) => self.select_described(packet, layers, frame),
                // Its descriptor could not be read: no receiver decodes it.
                None => Verdict::ALL,
            },
            None => self.select_plain(packet),
        }
    }

    fn select_described(
        &mut self,
        packet: &Candidate<'_>,
        layers: &DescribedLayers,
        frame: &KnownFrame,
    ) -> Verdict {
        let is_sent = match self.sent.earlier(frame) {
            Some(earlier) => earlier.unwrap_or_else(|| self.sent.decide(frame)),
            None => self.add(packet.timestamp, layers, frame),
        };
        let info = &packet.described.info;
        Verdict {
            is_sent,
            ends_unit: info.end && frame.spatial == self.current.spatial,
        }
    }

    /// Decide about a new frame.
    fn add(&mut self, timestamp: u32, layers: &DescribedLayers, frame: &KnownFrame) -> bool {
        self.sent.advance(frame.number);
        let starts_unit = self.unit != Some(timestamp);
        self.unit = Some(timestamp);
        let targets = layers.targets();
        if self.sent.generation != frame.generation {
            self.sent.generation = frame.generation;
            // The numbers of the decode targets have changed, their layers have not.
            self.sent.target = self.sent.target.and_then(|_| targets.best(self.current));
        }
        if frame.generation == layers.generation() {
            self.change_target(targets, frame, starts_unit);
            self.update_active(targets, frame);
        }
        self.sent.decide(frame)
    }

    fn change_target(&mut self, targets: &DecodeTargets, frame: &KnownFrame, starts_unit: bool) {
        let Some(wanted) = targets.best(self.wanted) else {
            return;
        };
        let allows = |target: u8| self.allows(targets, frame, target, starts_unit);
        let held = self.sent.target;
        let fallback = held.and_then(|held| targets.best(self.meanwhile(targets, held, wanted)));
        let mut choices = [Some(wanted), fallback].into_iter().flatten();
        if held != Some(wanted)
            && let Some(target) = choices.find(|target| held == Some(*target) || allows(*target))
        {
            self.sent.target = Some(target);
        }
        if let Some(target) = self.sent.target {
            self.current = targets.layer(target);
        }
        self.sent.waits = self.current.spatial != targets.layer(wanted).spatial;
    }

    /// Return the layer to send until the wanted one can be: of the spatial layer sent now, half of
    /// the frames where that is too much. Fewer would be seen as a freeze.
    fn meanwhile(&self, targets: &DecodeTargets, held: u8, wanted: u8) -> Layer {
        let (held, wanted) = (targets.layer(held), targets.layer(wanted));
        Layer {
            spatial: held.spatial,
            temporal: match wanted.spatial < held.spatial {
                true => held.temporal.min(MEANWHILE_TEMPORAL),
                false => wanted.temporal,
            },
        }
    }

    /// Return whether the decode target may be sent from this frame on.
    fn allows(
        &self,
        targets: &DecodeTargets,
        frame: &KnownFrame,
        target: u8,
        starts_unit: bool,
    ) -> bool {
        if frame.is_key {
            return true;
        }
        let Some(held) = self.sent.target else {
            return false;
        };
        let chain = targets.chain(target).map(|chain| frame.chains[chain]);
        let is_intact = chain.is_none_or(|difference| self.sent.has_sent(difference.into()));
        let is_below = targets.layer(held).covers(targets.layer(target));
        if is_below && chain.is_some() && starts_unit && is_intact {
            return true;
        }
        let is_switch = frame.indications.of(target.into()) == Indication::Switch;
        is_switch && is_intact && self.sent.has_sent_all(frame.references)
    }

    fn update_active(&mut self, targets: &DecodeTargets, frame: &KnownFrame) {
        let Some(target) = self.sent.target else {
            return;
        };
        let mask = targets.decodable(target);
        let is_restricted = mask != targets.active;
        // Without a bitmask beside a structure all that the publisher sends is active.
        let is_written = is_restricted || self.sent.active.is_some() && !frame.is_key;
        self.sent.active = is_written.then_some(ActiveTargets {
            mask,
            count: targets.count,
        });
    }

    fn select_plain(&mut self, packet: &Candidate<'_>) -> Verdict {
        let info = packet.described.info;
        let layer = Layer {
            spatial: info.spatial,
            temporal: info.temporal,
        };
        if !self.can_select_plain() {
            self.current = Layer::ALL;
        } else if packet.described.starts_keyframe() {
            self.current = self.wanted;
            self.may_rise = false;
        } else if self.unit != Some(packet.timestamp) {
            self.current.spatial = self.current.spatial.min(self.wanted.spatial);
            self.current.temporal = match std::mem::take(&mut self.may_rise) {
                true => self.wanted.temporal,
                false => self.current.temporal.min(self.wanted.temporal),
            };
        }
        self.unit = Some(packet.timestamp);
        if info.switch_point {
            match self.codec {
                Codec::Vp8 if self.wanted.temporal >= info.temporal => {
                    self.current.temporal = self.current.temporal.max(info.temporal);
                }
                Codec::Vp9 => self.may_rise = info.temporal <= self.current.temporal,
                _ => {}
            }
        }
        self.sent.waits = self.can_select_plain() && self.current.spatial < self.wanted.spatial;
        Verdict {
            is_sent: self.current.covers(layer),
            ends_unit: info.end && info.spatial == self.current.spatial,
        }
    }

    /// Return whether payload descriptors tell the layers of a packet.
    fn can_select_plain(&self) -> bool {
        matches!(self.codec, Codec::Vp8 | Codec::Vp9)
    }
}

impl SentFrames {
    /// Return whether a frame that is not new was sent: `Some(None)` where it comes late.
    fn earlier(&mut self, frame: &KnownFrame) -> Option<Option<bool>> {
        let ahead = frame.number.wrapping_sub(self.newest?) as i16;
        if ahead > 0 {
            return None;
        }
        let age = u32::from(ahead.unsigned_abs());
        match 1u128.checked_shl(age) {
            Some(bit) => Some((self.seen & bit != 0).then_some(self.sent & bit != 0)),
            None if frame.is_key => {
                // The publisher has begun to count again.
                self.newest = None;
                None
            }
            None => Some(Some(false)),
        }
    }

    fn advance(&mut self, number: u16) {
        let by = self.newest.map(|newest| number.wrapping_sub(newest).into());
        let shift = |frames: u128| by.and_then(|by| frames.checked_shl(by)).unwrap_or(0);
        (self.seen, self.sent) = (shift(self.seen), shift(self.sent));
        self.newest = Some(number);
    }

    /// Decide whether a frame belongs to the decode target, and remember that.
    fn decide(&mut self, frame: &KnownFrame) -> bool {
        let indication = |target: u8| frame.indications.of(target.into());
        // Before a keyframe has chosen a decode target, all is sent.
        let is_part = |target| indication(target) != Indication::NotPresent;
        let is_sent = frame.generation == self.generation && self.target.is_none_or(is_part);
        let age = self
            .newest
            .unwrap_or(frame.number)
            .wrapping_sub(frame.number);
        let bit = 1u128.checked_shl(age.into()).unwrap_or(0);
        self.seen |= bit;
        self.sent |= bit & if is_sent { u128::MAX } else { 0 };
        is_sent
    }

    /// Return whether the frame was sent whose number is lower than the newest by a difference.
    fn has_sent(&self, difference: u32) -> bool {
        difference == 0 || self.sent.checked_shr(difference).unwrap_or(0) & 1 == 1
    }

    /// Return whether all frames were sent that the newest one refers to.
    fn has_sent_all(&self, references: u128) -> bool {
        // Bit 0 of `sent` is the newest frame itself.
        references & (1 << (MAX_FRAMES - 1)) == 0 && references & !(self.sent >> 1) == 0
    }
}
