//! Who gets a publication, and each of its encodings.

use crate::keys::SubscriptionKey;

/// Who gets an encoding.
#[derive(Debug, Default)]
pub struct Subscribers {
    /// Subscriptions that send it or wait for it.
    pub keys: Vec<SubscriptionKey>,
    /// Whether it is queued for this round, or for the end of the batching window.
    pub ready: bool,
}

/// Who gets a publication.
#[derive(Debug, Default)]
pub struct Audience {
    /// All subscriptions to it.
    pub subscriptions: Vec<SubscriptionKey>,
    /// Those that send or wait for each encoding.
    pub encodings: Vec<Subscribers>,
}

impl Audience {
    /// Make the audience of a publication with so many encodings.
    #[must_use]
    pub fn new(encodings: usize) -> Self {
        let mut audience = Self::default();
        audience
            .encodings
            .resize_with(encodings, Subscribers::default);
        audience
    }
}
