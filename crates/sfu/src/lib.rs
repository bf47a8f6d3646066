//! Rooms, publications, subscriptions and the selection between them.
