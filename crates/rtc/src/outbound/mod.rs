//! Streams we send.

pub mod history;
pub mod reference;
pub mod report;
pub mod sequence;
pub mod twcc;
