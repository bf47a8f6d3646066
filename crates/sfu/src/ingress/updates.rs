//! Periodic updates of a publication: activity, bitrates and order of its encodings, dynacast.

use std::time::Duration;

use super::Ingress;
use crate::context::Context;
use crate::keys::{EncodingKey, PublicationKey};

/// What an update has changed for those who get a publication.
#[derive(Clone, Copy, Debug, Default)]
pub struct Changes {
    /// Another encoding may have to be selected.
    pub selection: bool,
    /// Encodings whose rate for pacers has changed, a bit for each.
    pub paced_rates: u8,
}

impl Ingress {
    /// Update a publication where that is due: activity, bitrates and order of its encodings, age
    /// of its histories.
    pub fn update_encodings(&mut self, context: &mut Context<'_>, key: PublicationKey) -> Changes {
        let mut changes = Changes::default();
        let Some(publication) = self.publications.get_mut(key) else {
            return changes;
        };
        if !publication.update_timer.expired(context.now) {
            return changes;
        }
        publication.schedule_update(context, key);
        changes.selection = publication.reorder(context.now);
        let keep = context.config.keep(publication.longest_rtt);
        for nth in 0..publication.encodings.len() {
            let encoding = &mut publication.encodings[nth];
            encoding.history.expire(context.now, keep, context.pool);
            changes.selection |= encoding.rates.layers.take_change();
            changes.paced_rates |= u8::from(encoding.update_rates(context.now)) << nth;
            if let Some(reason) = encoding.detect_inactive(context.now) {
                changes.selection = true;
                publication.report_state(context, nth, false, reason);
            }
        }
        if publication.update_dynacast(context.now) {
            publication.report_wanted_encodings(context);
        }
        changes
    }

    /// Note the round-trip time of a receiver of a publication: packets are kept accordingly.
    pub fn note_round_trip(&mut self, key: PublicationKey, rtt: Duration) {
        if let Some(publication) = self.publications.get_mut(key) {
            publication.longest_rtt = publication.longest_rtt.max(rtt);
        }
    }

    /// Mark an encoding as active: its first packet after silence arrived.
    pub fn activate(&mut self, context: &mut Context<'_>, key: EncodingKey) {
        let Some(publication) = self.publications.get_mut(key.publication) else {
            return;
        };
        if let Some(encoding) = publication.encodings.get_mut(key.encoding) {
            encoding.active = true;
            encoding.dynacast.started();
            publication.report_state(context, key.encoding, true, "first_packet");
        }
    }

    /// Note that an encoding has receivers: its publisher sends it again (dynacast).
    pub fn watch(&mut self, context: &mut Context<'_>, key: EncodingKey) {
        let Some(publication) = self.publications.get_mut(key.publication) else {
            return;
        };
        let Some(encoding) = publication.encodings.get_mut(key.encoding) else {
            return;
        };
        encoding.is_watched = true;
        if encoding.dynacast.activate(context.now) {
            publication.report_wanted_encodings(context);
        }
    }

    /// Note that an encoding has no receiver any more.
    pub fn unwatch(&mut self, key: EncodingKey) {
        if let Some(encoding) = self.encoding_mut(key) {
            encoding.is_watched = false;
        }
    }
}
