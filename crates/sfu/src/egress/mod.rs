//! What leaves: subscriptions, their packets and retransmissions.

pub mod forward;
pub mod keyframe_limit;
pub mod repair;
pub mod subscription;
pub mod template;
