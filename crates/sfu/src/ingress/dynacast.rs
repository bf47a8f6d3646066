//! Encodings without subscribers are inactive (dynacast): their publisher is told not to send them.

use std::time::Duration;

use wire::time::Time;

/// Subscribers come and change their target: an encoding stays active for this long without any.
pub const DEACTIVATE_AFTER: Duration = Duration::from_secs(5);
/// An activated encoding from which no packet has arrived by then counts as not sent.
pub const ACTIVATION_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The publisher decides whether it sends the encoding.
    #[default]
    Active,
    /// Active, though without subscribers since this instant.
    Unwatched(Time),
    /// The publisher is told not to send the encoding.
    Inactive,
    /// The publisher is told to send the encoding again, since this instant.
    Activating(Time),
}

/// Whether dynacast has made an encoding inactive. Pure: subscribers in, changes for the publisher
/// out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dynacast(State);

impl Dynacast {
    /// Update the state, every now and then; return whether the publisher has to be notified.
    ///
    /// `is_kept`: the encoding has subscribers or stays active for another reason.
    pub fn update(&mut self, now: Time, is_kept: bool) -> bool {
        match self.0 {
            State::Active if !is_kept => self.0 = State::Unwatched(now),
            State::Unwatched(_) if is_kept => self.0 = State::Active,
            State::Unwatched(since) if now.since(since) >= DEACTIVATE_AFTER => {
                self.0 = State::Inactive;
            }
            State::Activating(since) if now.since(since) >= ACTIVATION_TIMEOUT => {
                self.0 = State::Active;
            }
            _ => return false,
        }
        self.is_inactive()
    }

    /// Activate the encoding for a subscriber; return whether the publisher has to be notified.
    pub fn activate(&mut self, now: Time) -> bool {
        let was_inactive = self.is_inactive();
        match self.0 {
            State::Inactive => self.0 = State::Activating(now),
            State::Unwatched(_) => self.0 = State::Active,
            State::Active | State::Activating(_) => {}
        }
        was_inactive
    }

    /// Note that the first packet after silence arrived, which ends an activation.
    pub fn started(&mut self) {
        if matches!(self.0, State::Activating(_)) {
            self.0 = State::Active;
        }
    }

    /// Return whether the publisher has not sent the encoding within [`ACTIVATION_TIMEOUT`].
    #[must_use]
    pub fn activation_overdue(&self, now: Time) -> bool {
        matches!(self.0, State::Activating(since) if now.since(since) >= ACTIVATION_TIMEOUT)
    }

    /// Return whether the publisher is told not to send the encoding.
    #[must_use]
    pub fn is_inactive(&self) -> bool {
        self.0 == State::Inactive
    }

    /// Return whether the encoding is silent for want of subscribers alone, and is sent for one.
    #[must_use]
    pub fn sends_on_demand(&self) -> bool {
        matches!(self.0, State::Inactive | State::Activating(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_nanos(1_000_000_000);

    fn inactive() -> Dynacast {
        let mut dynacast = Dynacast::default();
        assert!(!dynacast.update(START, false));
        assert!(!dynacast.update(START + DEACTIVATE_AFTER / 2, false));
        assert!(dynacast.update(START + DEACTIVATE_AFTER, false));
        dynacast
    }

    #[test]
    fn an_encoding_without_subscribers_becomes_inactive() {
        let mut dynacast = inactive();
        assert!(dynacast.is_inactive() && dynacast.sends_on_demand());
        assert!(
            !dynacast.update(START + DEACTIVATE_AFTER * 2, false),
            "notified once"
        );
    }

    #[test]
    fn a_subscriber_in_between_restarts_the_wait() {
        let mut dynacast = Dynacast::default();
        dynacast.update(START, false);
        dynacast.update(START + DEACTIVATE_AFTER / 2, true);
        dynacast.update(START + DEACTIVATE_AFTER, false);
        assert!(!dynacast.update(START + DEACTIVATE_AFTER * 3 / 2, false));
        assert!(dynacast.update(START + DEACTIVATE_AFTER * 2, false));
    }

    #[test]
    fn activation_is_immediate_and_notified_once() {
        let mut dynacast = inactive();
        let now = START + DEACTIVATE_AFTER * 2;
        assert!(dynacast.activate(now));
        assert!(!dynacast.activate(now));
        assert!(!dynacast.is_inactive() && dynacast.sends_on_demand());
        dynacast.started();
        assert!(
            !dynacast.sends_on_demand(),
            "from now on silence means that the publisher does not send"
        );
        assert!(!dynacast.activation_overdue(now + ACTIVATION_TIMEOUT));
    }

    #[test]
    fn an_activation_times_out() {
        let mut dynacast = inactive();
        dynacast.activate(START);
        assert!(!dynacast.activation_overdue(START + ACTIVATION_TIMEOUT / 2));
        assert!(dynacast.activation_overdue(START + ACTIVATION_TIMEOUT));
        assert!(!dynacast.update(START + ACTIVATION_TIMEOUT, true));
        assert!(!dynacast.sends_on_demand());
    }

    #[test]
    fn packets_of_an_inactive_encoding_do_not_activate_it() {
        let mut dynacast = inactive();
        dynacast.started();
        assert!(dynacast.is_inactive());
    }
}
