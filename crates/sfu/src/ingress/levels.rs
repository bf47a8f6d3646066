//! Audio levels of publishers (RFC 6464), and the active speakers that they make.

use std::time::Duration;

use wire::extension::Extension;
use wire::time::Time;

use super::Ingress;
use crate::context::{Context, Timer};
use crate::deadline::Deadline;
use crate::keys::{EncodingKey, PublicationKey, PublisherKey};
use crate::message::{ActiveSpeaker, PublicationId};
use crate::speakers::Speakers;
use crate::speakers::level::Heard;

/// Time between two updates of the speakers of a room.
const UPDATE_INTERVAL: Duration = Duration::from_millis(100);

/// The place of a participant in the order of speech, the latest speaker first: those that have not
/// spoken come last, in the order in which they published.
pub type Place = (usize, PublicationId);

/// The loudest audio level of an interval.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loudness {
    heard: Heard,
}

impl Loudness {
    /// Note the level of a packet.
    #[inline]
    pub fn note(&mut self, octet: u8) {
        self.heard = self.heard.max(Heard::from_octet(octet));
    }

    /// Return the loudest level since the last call.
    fn take(&mut self) -> Heard {
        std::mem::take(&mut self.heard)
    }
}

/// Who speaks in a room.
#[derive(Debug, Default)]
pub struct Speech {
    /// The publishers by their audio levels.
    pub speakers: Speakers<PublisherKey>,
    /// The microphone of each publisher that was the loudest, kept for its memory.
    heard: Vec<Microphone>,
    timer: Deadline,
}

/// The loudest microphone of a publisher.
#[derive(Clone, Copy, Debug)]
struct Microphone {
    publisher: PublisherKey,
    publication: PublicationId,
    heard: Heard,
}

impl Ingress {
    /// Start to compare audio levels where an encoding that has become active has some.
    pub fn start_speech(&mut self, context: &mut Context<'_>, key: EncodingKey) {
        let publication = self.publications.get(key.publication);
        let Some(publication) = publication.filter(|track| track.is_microphone()) else {
            return;
        };
        let publisher = self.publishers.get(publication.publisher);
        let extensions = publisher.map(|publisher| &publisher.extensions);
        let has_levels = extensions.is_some_and(|ids| ids.id(Extension::AudioLevel).is_some());
        if has_levels && !self.speech.timer.is_set() {
            self.speech.schedule(context);
        }
    }

    /// Compare the audio levels where that is due; return whether the active speakers have changed.
    pub fn update_speech(&mut self, context: &mut Context<'_>) -> bool {
        if !self.speech.timer.expired(context.now) {
            return false;
        }
        let is_heard = self.take_levels();
        let Speech {
            speakers, heard, ..
        } = &mut self.speech;
        let levels = heard.iter().map(|it| (it.publisher, it.heard));
        let has_changed = speakers.update(context.now, levels);
        // Without an active microphone the next packet of one starts it again.
        if is_heard || !speakers.is_idle() {
            self.speech.schedule(context);
        }
        has_changed
    }

    /// List the active speakers, the dominant one first.
    #[must_use]
    pub fn active_speakers(&self) -> Vec<ActiveSpeaker> {
        let speech = &self.speech;
        let speaker = |key: &PublisherKey| {
            let mut heard = speech.heard.iter();
            speech.described(heard.find(|it| it.publisher == *key)?)
        };
        speech
            .speakers
            .active()
            .iter()
            .filter_map(speaker)
            .collect()
    }

    /// List the smoothed levels of all microphones that are compared.
    #[must_use]
    pub fn audio_levels(&self) -> Vec<ActiveSpeaker> {
        let heard = self.speech.heard.iter();
        heard.filter_map(|it| self.speech.described(it)).collect()
    }

    /// Return the rank of the publisher of a publication by when it spoke last, 0 the latest;
    /// `None`: it has not spoken.
    #[must_use]
    pub fn speaker_rank(&self, key: PublicationKey) -> Option<usize> {
        let publication = self.publications.get(key)?;
        self.speech.speakers.rank_of(&publication.publisher)
    }

    /// Return the place of the participant of a publication in the order of speech.
    #[must_use]
    pub fn place_of_participant(&self, key: PublicationKey) -> Option<Place> {
        let publisher = self.publications.get(key)?.publisher;
        let rank = self.speech.speakers.rank_of(&publisher);
        let first = self.publishers.get(publisher)?.publications.first()?;
        let first = self.publications.get(*first)?.id;
        Some((rank.unwrap_or(usize::MAX), first))
    }

    /// Take the loudest level of each publisher; return whether a microphone is active.
    fn take_levels(&mut self) -> bool {
        let heard = &mut self.speech.heard;
        heard.clear();
        let mut is_active = false;
        for (_, track) in self.publications.iter_mut() {
            if !track.is_microphone() {
                continue;
            }
            let Some(encoding) = track.encodings.first_mut() else {
                continue;
            };
            is_active |= encoding.active;
            let level = match track.muted {
                true => Heard::NOTHING,
                false => encoding.loudness.take(),
            };
            heard.push(Microphone {
                publisher: track.publisher,
                publication: track.id,
                heard: level,
            });
        }
        // Of several microphones of a publisher the loudest counts.
        heard.sort_unstable_by_key(|it| (it.publisher, std::cmp::Reverse(it.heard)));
        heard.dedup_by_key(|it| it.publisher);
        is_active
    }
}

impl Speech {
    fn described(&self, microphone: &Microphone) -> Option<ActiveSpeaker> {
        Some(ActiveSpeaker {
            publication: microphone.publication,
            level_dbov: self.speakers.level_dbov(&microphone.publisher)?,
        })
    }

    fn schedule(&mut self, context: &mut Context<'_>) {
        // Rooms are due at the same instants, so that one wakeup serves many.
        let at: Time = (context.now + UPDATE_INTERVAL).floor_to(UPDATE_INTERVAL);
        self.timer.set(at);
        context.set_timer(at, Timer::Speakers);
    }
}
