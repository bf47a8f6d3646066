//! The identifiers of commands, and the keys of what they stand for.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use crate::context::EntityId;
use crate::keys::{PublicationKey, SubscriptionKey, TransportKey};
use crate::message::{CommandError, ErrorCode, PublicationId, SubscriptionId, TransportId};

/// Keys by identifier.
#[derive(Debug, Default)]
pub struct Names {
    /// Of transports.
    pub transports: FxHashMap<TransportId, TransportKey>,
    /// Of publications.
    pub publications: FxHashMap<PublicationId, PublicationKey>,
    /// Of subscriptions.
    pub subscriptions: FxHashMap<SubscriptionId, SubscriptionKey>,
}

impl Names {
    /// Find a transport.
    ///
    /// # Errors
    /// Where there is none.
    pub fn transport(&self, id: TransportId) -> Result<TransportKey, CommandError> {
        find(&self.transports, id, EntityId::Transport)
    }

    /// Find a publication.
    ///
    /// # Errors
    /// Where there is none.
    pub fn publication(&self, id: PublicationId) -> Result<PublicationKey, CommandError> {
        find(&self.publications, id, EntityId::Publication)
    }

    /// Find a subscription.
    ///
    /// # Errors
    /// Where there is none.
    pub fn subscription(&self, id: SubscriptionId) -> Result<SubscriptionKey, CommandError> {
        find(&self.subscriptions, id, EntityId::Subscription)
    }
}

fn find<I: Copy + Eq + Hash, K: Copy>(
    keys: &FxHashMap<I, K>,
    id: I,
    entity: impl Fn(I) -> EntityId,
) -> Result<K, CommandError> {
    keys.get(&id).copied().ok_or_else(|| missing(entity(id)))
}

/// Return the error of an entity that does not exist.
pub fn missing(entity: EntityId) -> CommandError {
    CommandError::new(ErrorCode::NotFound, format!("{entity} does not exist"))
}
