//! From egress to ingress: what subscribers need of publishers.

use super::Room;
use crate::context::Context;
use crate::egress::Demand;
use crate::keys::EncodingKey;

impl Room {
    /// Pass on what subscribers need.
    pub(super) fn pass_on_demands(&mut self, context: &mut Context<'_>) {
        if !self.egress.has_demands() {
            return;
        }
        let demands = self.egress.take_demands();
        for demand in &demands {
            match *demand {
                Demand::Watched(key) => self.ingress.watch(context, key),
                Demand::Unwatched(key) => self.ingress.unwatch(key),
                Demand::Keyframe(key) => self.request_keyframe(context, key),
            }
        }
        self.egress.return_demands(demands);
    }

    /// Request a keyframe of an encoding, unless one is arriving.
    pub(super) fn request_keyframe(&mut self, context: &mut Context<'_>, key: EncodingKey) {
        if self.ingress.need_keyframe(key) {
            self.send_keyframe_request(context, key);
        }
    }
}
