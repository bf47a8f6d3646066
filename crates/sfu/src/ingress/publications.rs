//! Publications come and go.

use super::Ingress;
use super::publication::Publication;
use super::publisher::{Feed, Publisher};
use crate::context::Context;
use crate::extensions::add_extensions;
use crate::keys::{EncodingKey, PublicationKey, PublisherKey};
use crate::message::{CommandError, ErrorCode, PublishRequest};

impl Ingress {
    /// Add a publisher.
    pub fn add_publisher(&mut self, context: &Context<'_>, feed: Feed) -> PublisherKey {
        self.publishers.insert(Publisher::new(context.now, feed))
    }

    /// Add a publication; nothing has changed where that fails.
    ///
    /// # Errors
    /// Where the request is invalid or the publisher is gone.
    pub fn publish(
        &mut self,
        context: &mut Context<'_>,
        publisher_key: PublisherKey,
        request: &PublishRequest,
    ) -> Result<PublicationKey, CommandError> {
        let publication = Publication::new(context, publisher_key, request)?;
        let Some(publisher) = self.publishers.get_mut(publisher_key) else {
            return Err(CommandError::new(ErrorCode::NotFound, "no such publisher"));
        };
        let mut extensions = publisher.extensions;
        add_extensions(&mut extensions, &request.extensions)?;
        publisher.extensions = extensions;
        publisher.transport_wide.supported |= request
            .feedback
            .iter()
            .any(|feedback| feedback == "transport-cc");
        let key = self.publications.insert(publication);
        publisher.publications.push(key);
        if let Some(publication) = self.publications.get_mut(key) {
            publisher.expect(key, publication, request);
            publication.schedule_update(context, key);
        }
        Ok(key)
    }

    /// Remove a publication.
    pub fn unpublish(
        &mut self,
        context: &mut Context<'_>,
        key: PublicationKey,
    ) -> Option<Publication> {
        let mut publication = self.publications.remove(key)?;
        for encoding in &mut publication.encodings {
            encoding.history.clear(context.pool);
        }
        if let Some(publisher) = self.publishers.get_mut(publication.publisher) {
            publisher.publications.retain(|other| *other != key);
            for encoding in 0..publication.encodings.len() {
                let publication = key;
                publisher.binder.forget(EncodingKey {
                    publication,
                    encoding,
                });
            }
        }
        Some(publication)
    }

    /// Note whether a publication is muted: its packets are not kept then.
    pub fn set_muted(&mut self, key: PublicationKey, muted: bool) {
        if let Some(publication) = self.publications.get_mut(key) {
            publication.muted = muted;
        }
    }

    /// Release the histories of unwatched encodings.
    pub fn release_unwatched(&mut self, context: &mut Context<'_>, key: PublicationKey) {
        let Some(publication) = self.publications.get_mut(key) else {
            return;
        };
        for encoding in &mut publication.encodings {
            if !encoding.is_watched {
                encoding.history.clear(context.pool);
            }
        }
    }
}
