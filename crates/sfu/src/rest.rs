//! Encodings that nobody watches rest: their publisher is told to send them no more.

use std::time::Duration;

use wire::time::Time;

/// Viewers come and change their minds: an encoding goes on for this long without any.
pub const REST_AFTER: Duration = Duration::from_secs(5);
/// A publisher that has not begun again by then is not waited for.
pub const WAKE_WITHIN: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The publisher sends it as it likes.
    #[default]
    Awake,
    /// Awake, though nobody has watched since.
    Unwatched(Time),
    /// The publisher is told to send it no more.
    Resting,
    /// The publisher is told to send it again, since then.
    Waking(Time),
}

/// Whether an encoding rests. Pure: who watches goes in, what to tell the publisher comes out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rest(State);

impl Rest {
    /// Look at an encoding every now and then; true where the publisher is to be told.
    pub fn look(&mut self, now: Time, is_kept: bool) -> bool {
        match self.0 {
            State::Awake if !is_kept => self.0 = State::Unwatched(now),
            State::Unwatched(_) if is_kept => self.0 = State::Awake,
            State::Unwatched(since) if now.since(since) >= REST_AFTER => self.0 = State::Resting,
            State::Waking(since) if now.since(since) >= WAKE_WITHIN => self.0 = State::Awake,
            _ => return false,
        }
        self.is_resting()
    }

    /// Somebody wants to watch; true where the publisher is to be told.
    pub fn wake(&mut self, now: Time) -> bool {
        let was_resting = self.is_resting();
        match self.0 {
            State::Resting => self.0 = State::Waking(now),
            State::Unwatched(_) => self.0 = State::Awake,
            State::Awake | State::Waking(_) => {}
        }
        was_resting
    }

    /// A packet came after silence: whoever was woken is awake.
    pub fn sends(&mut self) {
        if matches!(self.0, State::Waking(_)) {
            self.0 = State::Awake;
        }
    }

    /// Say whether a publisher was told to send again and had time enough for it.
    #[must_use]
    pub fn overslept(&self, now: Time) -> bool {
        matches!(self.0, State::Waking(since) if now.since(since) >= WAKE_WITHIN)
    }

    /// Say whether the publisher is told not to send it.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        self.0 == State::Resting
    }

    /// Say whether it is silent because nobody watched, and comes when somebody does.
    #[must_use]
    pub fn would_send(&self) -> bool {
        matches!(self.0, State::Resting | State::Waking(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_nanos(1_000_000_000);

    fn rested() -> Rest {
        let mut rest = Rest::default();
        assert!(!rest.look(START, false));
        assert!(!rest.look(START + REST_AFTER / 2, false));
        assert!(rest.look(START + REST_AFTER, false));
        rest
    }

    #[test]
    fn rests_once_nobody_has_watched_for_long() {
        let mut rest = rested();
        assert!(rest.is_resting() && rest.would_send());
        assert!(!rest.look(START + REST_AFTER * 2, false), "told once");
    }

    #[test]
    fn a_viewer_in_between_begins_the_wait_anew() {
        let mut rest = Rest::default();
        rest.look(START, false);
        rest.look(START + REST_AFTER / 2, true);
        rest.look(START + REST_AFTER, false);
        assert!(!rest.look(START + REST_AFTER * 3 / 2, false));
        assert!(rest.look(START + REST_AFTER * 2, false));
    }

    #[test]
    fn wakes_at_once_and_is_told_once() {
        let mut rest = rested();
        let now = START + REST_AFTER * 2;
        assert!(rest.wake(now));
        assert!(!rest.wake(now));
        assert!(!rest.is_resting() && rest.would_send());
        rest.sends();
        assert!(
            !rest.would_send(),
            "from now on its silence means what it says"
        );
        assert!(!rest.overslept(now + WAKE_WITHIN));
    }

    #[test]
    fn is_not_waited_for_without_end() {
        let mut rest = rested();
        rest.wake(START);
        assert!(!rest.overslept(START + WAKE_WITHIN / 2));
        assert!(rest.overslept(START + WAKE_WITHIN));
        assert!(!rest.look(START + WAKE_WITHIN, true));
        assert!(!rest.would_send());
    }

    #[test]
    fn what_a_resting_publisher_sends_all_the_same_wakes_nobody() {
        let mut rest = rested();
        rest.sends();
        assert!(rest.is_resting());
    }
}
