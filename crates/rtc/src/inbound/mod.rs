//! Streams we receive.

pub mod bind;
pub mod loss;
pub mod nack;
pub mod report;
pub mod twcc;
