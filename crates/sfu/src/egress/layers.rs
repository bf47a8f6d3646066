//! Layers of one encoding: which of its packets a subscription sends, and what their dependency
//! descriptors say.

use std::time::Duration;

use rtc::codec::Codec;
use rtc::layers::Layer;
use rtc::layers::filter::{Candidate, LayerFilter, Verdict};
use rtc::outbound::history::{History, Slot};
use rtc::outbound::sequence::{Forward, Placed, Shift, Skip};
use wire::dependency::{Patch, frame_number};
use wire::id::Rid;

use super::subscription::Subscription;
use super::template::OutgoingDescriptor;
use super::{Demand, Egress};
use crate::context::{Context, Timer};
use crate::ingress::Ingress;
use crate::ingress::encoding::Encoding;
use crate::keys::{EncodingKey, SubscriptionKey};
use crate::message::{Event, SelectedLayers};

/// A keyframe is requested where the structure has allowed no change of layer for this long: a frame
/// interval at 10 frames/s, after which a lower layer can be sent if it can at all.
const KEYFRAME_AFTER: Duration = Duration::from_millis(100);
/// It is requested again after this.
const KEYFRAME_AGAIN: Duration = Duration::from_secs(1);

impl Subscription {
    /// Return whether single layers of an encoding may be sent: they are described to the receiver.
    pub(super) fn takes_layers(&self) -> bool {
        matches!(self.codec, Codec::Vp8 | Codec::Vp9) || self.stream.template.takes_descriptors()
    }

    /// Start an encoding: the layers of which are selected from its keyframe on.
    pub(super) fn start_layers(&mut self, encoding: &Encoding) {
        let wanted = self.selection.layer;
        let is_layered = wanted != Layer::ALL || has_targets(encoding);
        let filter = is_layered.then(|| Box::new(LayerFilter::new(self.codec, wanted)));
        self.position.filter = filter;
    }

    /// Select a layer of the encoding that is sent; return whether it is another than before.
    fn set_layer(&mut self, layer: Layer) -> bool {
        let has_changed = self.selection.layer != layer;
        self.selection.layer = layer;
        match &mut self.position.filter {
            Some(filter) => filter.set_wanted(layer),
            // The layers of all later packets are in their payload descriptors.
            None if has_changed => {
                self.position.filter = Some(Box::new(LayerFilter::new(self.codec, layer)));
            }
            None => {}
        }
        has_changed
    }
}

fn rid_of(ingress: &Ingress, subscription: &Subscription, encoding: usize) -> Option<String> {
    let publication = ingress.publications.get(subscription.publication)?;
    let rid = publication.encodings.get(encoding)?.rid.as_ref();
    rid.map(Rid::to_string)
}

/// Return whether an encoding has several decode targets.
fn has_targets(encoding: &Encoding) -> bool {
    let layers = encoding.stream.layers.as_ref();
    layers.is_some_and(|layers| layers.targets().count > 1)
}

impl Egress {
    /// Select a layer of the encoding that a subscription gets.
    pub(super) fn select_layer(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriptionKey,
        (layer, layers): (Layer, Option<SelectedLayers>),
        reason: &'static str,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        if subscription.set_layer(layer) {
            subscription.selection.last_reason = reason;
            context.set_timer(context.now + KEYFRAME_AFTER, Timer::LayerDeadline(key));
        }
        let before = std::mem::replace(&mut subscription.selection.layers, layers);
        let position = &subscription.position;
        // A switch reports the layers as well.
        let current = position
            .current
            .filter(|_| position.pending_switch.is_none());
        if before != layers
            && let Some(encoding) = current
        {
            let rid = rid_of(ingress, subscription, encoding);
            context.events.push(Event::LayerSwitch {
                subscription: subscription.id,
                from: rid.clone(),
                to: rid,
                reason,
                wait_ms: None,
                layers,
            });
        }
    }

    /// Demand a keyframe where a subscription still waits for a change of layer.
    pub fn demand_layer_keyframe(&mut self, context: &mut Context<'_>, key: SubscriptionKey) {
        let Some(subscription) = self.subscriptions.get(key) else {
            return;
        };
        let position = &subscription.position;
        let waits = position
            .filter
            .as_ref()
            .is_some_and(|filter| filter.waits());
        let Some(encoding) = position.current.filter(|_| waits) else {
            return;
        };
        self.demands.push(Demand::Keyframe(EncodingKey {
            publication: subscription.publication,
            encoding,
        }));
        context.set_timer(context.now + KEYFRAME_AGAIN, Timer::LayerDeadline(key));
    }
}

/// Decide whether a packet belongs to the layers that a subscription gets.
#[inline(always)]
pub(super) fn select(subscription: &mut Subscription, encoding: &Encoding, slot: &Slot) -> Verdict {
    match subscription.position.filter.is_none() && slot.descriptor_len() == 0 {
        true => Verdict::ALL,
        false => select_layered(subscription, encoding, slot),
    }
}

fn select_layered(subscription: &mut Subscription, encoding: &Encoding, slot: &Slot) -> Verdict {
    if subscription.position.filter.is_none() && has_targets(encoding) {
        // The publisher has begun to send layers.
        subscription.start_layers(encoding);
    }
    let Some(filter) = subscription.position.filter.as_deref_mut() else {
        return Verdict::ALL;
    };
    let packet = Candidate {
        described: &slot.described,
        timestamp: slot.timestamp,
        number: frame_number(encoding.history.descriptor(slot)),
    };
    filter.select(&packet, encoding.stream.layers.as_deref())
}

/// Close the gap of a packet that is not sent; return its place where later packets were sent.
pub(super) fn leave_out(subscription: &mut Subscription, slot: &Slot) -> Option<Placed> {
    let numbers = &mut subscription.numbers;
    let shift = Shift {
        timestamp: numbers.timeline.shift(),
        picture_ids: numbers.rewriter.dropped(&slot.described),
    };
    match numbers.map.skip(slot.index, shift) {
        Skip::Closed => None,
        Skip::GapRemains => match numbers.map.forward(slot.index) {
            Forward::Late(placed) => Some(placed),
            Forward::New(_) | Forward::Drop(_) => None,
        },
    }
}

/// Note that a packet with a dependency descriptor is sent, and return that descriptor.
pub(super) fn describe<'a>(
    subscription: &mut Subscription,
    history: &'a History,
    slot: &Slot,
    index: u64,
) -> OutgoingDescriptor<'a> {
    let filter = subscription.position.filter.as_deref();
    if let Some(descriptors) = subscription.numbers.descriptors.as_deref_mut()
        && let Some(number) = frame_number(history.descriptor(slot))
    {
        descriptors.sent(number);
        let active = filter.and_then(LayerFilter::active_targets);
        if descriptors.active() != active {
            descriptors.set_active(active, index);
        }
    }
    descriptor(subscription, history, slot, index)
}

/// Return the dependency descriptor of the packet with an outgoing index.
pub(super) fn descriptor<'a>(
    subscription: &Subscription,
    history: &'a History,
    slot: &Slot,
    index: u64,
) -> OutgoingDescriptor<'a> {
    let descriptors = subscription.numbers.descriptors.as_deref();
    OutgoingDescriptor {
        bytes: history.descriptor(slot),
        patch: descriptors.map_or(Patch::default(), |it| it.patch(index)),
    }
}

/// Give a marker to the packet with an outgoing index: it ends its temporal unit, as far as that is
/// sent.
#[cold]
pub(super) fn give_marker(subscription: &mut Subscription, index: u64) {
    let markers = &mut subscription.numbers.markers;
    markers.get_or_insert_default().give(index);
}

/// Return the marker bit that a packet was sent with.
pub(super) fn marker(subscription: &Subscription, slot: &Slot, index: u64) -> bool {
    let markers = subscription.numbers.markers.as_ref();
    slot.marker || markers.is_some_and(|markers| markers.has(index))
}
