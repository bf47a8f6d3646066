//! Change of the local address in mid-call: from the new socket until media arrives there.

use super::{BotTransport, Shared};
use crate::message::Event;
use crate::recorder::Recorder;
use std::time::Duration;
use wire::time::Time;

/// Time for the response to a connectivity check and the first media packet. Checks are sent at 0,
/// 0.5, 1.5, 3.5 and 7.5 s (RFC 8489 section 6.2.1).
const TIMEOUT: Duration = Duration::from_secs(10);
/// Media is expected on the new address where a packet arrived so recently before the change.
const MEDIA_WITHIN: Duration = Duration::from_secs(1);

/// Failure: no connectivity check from the new address was answered.
const NO_RESPONSE: &str = "no_response";
/// Failure: a check was answered, and no media packet followed.
const NO_MEDIA: &str = "no_media";
/// Failure: the address changed once more before.
const CHANGED_AGAIN: &str = "changed_again";

/// A change of the local address that is not complete.
#[derive(Debug)]
pub(super) struct Handover {
    started: Time,
    /// Arrival of the last media packet before the change; none without recent media.
    last_media: Option<Time>,
    /// When the new path was selected.
    selected: Option<Time>,
}

impl Handover {
    /// Return when the change fails.
    pub fn deadline(&self) -> Time {
        self.started + TIMEOUT
    }
}

impl BotTransport {
    /// Continue from a new socket: the path to the peer has to be validated again.
    pub fn change_address(&mut self, now: Time, shared: &mut Shared) {
        self.fail_handover(now, CHANGED_AGAIN, &mut shared.recorder);
        let is_recent = now.since(self.last_media) < MEDIA_WITHIN && self.last_media != Time::ZERO;
        self.handover = Some(Handover {
            started: now,
            last_media: is_recent.then_some(self.last_media),
            selected: None,
        });
        self.address += 1;
        self.timeout_stale = true;
        self.validate_again(now, shared);
    }

    /// Record that a path was selected; without media to expect the change is complete.
    pub(super) fn on_path_selected(&mut self, now: Time, recorder: &mut Recorder) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        handover.selected.get_or_insert(now);
        if handover.last_media.is_none() {
            self.complete_handover(now, recorder);
        }
    }

    /// Record the arrival of a media packet; the first one on the new address completes a change.
    #[inline]
    pub(super) fn on_media(&mut self, now: Time, recorder: &mut Recorder) {
        if self.handover.is_some() {
            self.complete_handover(now, recorder);
        }
        self.last_media = now;
    }

    /// Fail the change whose time is over.
    pub(super) fn expire_handover(&mut self, now: Time, recorder: &mut Recorder) {
        let due = |handover: &Handover| handover.deadline() <= now;
        if self.handover.as_ref().is_some_and(due) {
            let answered = self.handover.as_ref().and_then(|it| it.selected);
            let failure = answered.map_or(NO_RESPONSE, |_| NO_MEDIA);
            self.fail_handover(now, failure, recorder);
        }
    }

    /// Report a change as failed, if one is not complete.
    pub(super) fn fail_handover(
        &mut self,
        now: Time,
        failure: &'static str,
        recorder: &mut Recorder,
    ) {
        if let Some(handover) = self.handover.take() {
            self.report(now, &handover, None, Some(failure), recorder);
        }
    }

    #[cold]
    fn complete_handover(&mut self, now: Time, recorder: &mut Recorder) {
        if let Some(handover) = self.handover.take() {
            self.timeout_stale = true;
            let gap = handover.last_media.map(|last| now.since(last));
            self.report(now, &handover, gap, None, recorder);
        }
    }

    fn report(
        &self,
        now: Time,
        handover: &Handover,
        gap: Option<Duration>,
        failure: Option<&'static str>,
        recorder: &mut Recorder,
    ) {
        let answered = handover.selected.map(|at| at.since(handover.started));
        recorder.events.push(Event::AddressChanged {
            transport: self.id,
            gap_ms: gap.map(milliseconds),
            ice_ms: answered.map(milliseconds),
            failure,
            at_ns: now.as_nanos(),
        });
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
