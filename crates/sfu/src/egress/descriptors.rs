//! What is changed in the dependency descriptors of one subscription.
//!
//! Frame numbers continue when the encoding changes. Within one they are never compacted, since
//! frame differences refer to them. Changes are kept by outgoing index, so that a retransmission
//! has the descriptor that was sent first.

use std::collections::VecDeque;

use wire::dependency::{ActiveTargets, Patch};

/// Changes that are kept for retransmissions: those of three seconds, with ten changes a second.
const MAX_CHANGES: usize = 32;

/// The descriptors of one subscription.
#[derive(Debug, Default)]
pub struct Descriptors {
    /// The newest frame number that was sent, as received.
    newest: Option<u16>,
    current: Patch,
    /// Each with the outgoing index from which it held, oldest first.
    changes: VecDeque<(u64, Patch)>,
}

impl Descriptors {
    /// Continue with another encoding, whose first frame has `number`, from an outgoing index on.
    pub fn switch(&mut self, number: u16, index: u64) {
        let shift = self.newest.map(|newest| {
            let sent = newest.wrapping_sub(self.current.number_shift);
            number.wrapping_sub(sent.wrapping_add(1))
        });
        self.newest = None;
        let patch = Patch {
            number_shift: shift.unwrap_or(self.current.number_shift),
            active_targets: None,
        };
        self.change(patch, index);
        if shift.is_some() {
            // A switch before the first packet is sent continues from the same number.
            self.newest = Some(number.wrapping_sub(1));
        }
    }

    /// Set the decode targets that are sent, from an outgoing index on.
    pub fn set_active(&mut self, active_targets: Option<ActiveTargets>, index: u64) {
        let patch = Patch {
            active_targets,
            ..self.current
        };
        self.change(patch, index);
    }

    /// Return the decode targets that are written now.
    #[must_use]
    pub fn active(&self) -> Option<ActiveTargets> {
        self.current.active_targets
    }

    fn change(&mut self, patch: Patch, index: u64) {
        if patch == self.current && !self.changes.is_empty() {
            return;
        }
        if self.changes.len() == MAX_CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back((index, patch));
        self.current = patch;
    }

    /// Record a frame that is sent.
    pub fn sent(&mut self, number: u16) {
        let ahead = |newest| number.wrapping_sub(newest) as i16 > 0;
        if self.newest.is_none_or(ahead) {
            self.newest = Some(number);
        }
    }

    /// Return what is changed in the packet with an outgoing index.
    #[must_use]
    pub fn patch(&self, index: u64) -> Patch {
        let changes = self.changes.iter().rev();
        let held = changes.map(|(from, patch)| (*from, *patch));
        let mut held = held.skip_while(|(from, _)| *from > index);
        held.next().map_or(self.current, |(_, patch)| patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_as(descriptors: &mut Descriptors, number: u16, index: u64) -> u16 {
        descriptors.sent(number);
        number.wrapping_sub(descriptors.patch(index).number_shift)
    }

    #[test]
    fn frame_numbers_continue_over_a_switch_and_keep_their_gaps() {
        let mut descriptors = Descriptors::default();
        descriptors.switch(65_533, 0);
        assert_eq!(sent_as(&mut descriptors, 65_533, 0), 65_533);
        assert_eq!(sent_as(&mut descriptors, 65_535, 1), 65_535);
        descriptors.switch(500, 2);
        assert_eq!(sent_as(&mut descriptors, 500, 2), 0);
        assert_eq!(sent_as(&mut descriptors, 503, 3), 3);
        descriptors.switch(9, 4);
        descriptors.switch(1_000, 4);
        assert_eq!(sent_as(&mut descriptors, 1_000, 4), 4);
    }

    #[test]
    fn a_retransmission_is_changed_as_the_packet_was() {
        let mut descriptors = Descriptors::default();
        descriptors.switch(0, 0);
        let active = |mask| Some(ActiveTargets { mask, count: 9 });
        for index in 1..1_000 {
            descriptors.set_active(active(index as u32 % 7), index);
        }
        for index in 980..1_000 {
            assert_eq!(
                descriptors.patch(index).active_targets,
                active(index as u32 % 7)
            );
        }
        assert_eq!(descriptors.changes.len(), MAX_CHANGES);
    }
}
