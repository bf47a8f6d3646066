//! Active speakers: from the levels that arrive to the control plane and to allocations.

use super::Room;
use crate::context::Context;
use crate::message::Event;

impl Room {
    /// Update the active speakers; report a change, and allocate by it.
    pub(super) fn update_speakers(&mut self, context: &mut Context<'_>) {
        if !self.ingress.update_speech(context) {
            return;
        }
        context.events.push(Event::ActiveSpeakers {
            room: self.id,
            speakers: self.ingress.active_speakers(),
        });
        self.egress.follow_speakers(context, &self.ingress);
    }
}
