//! What arrives: encodings with their histories, loss, activity and keyframe requests.

pub mod dynacast;
pub mod encoding;
pub mod keyframe;
pub mod meter;
pub mod publication;
pub mod publish_limit;
pub mod wire_rate;
