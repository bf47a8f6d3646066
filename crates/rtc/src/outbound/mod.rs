//! Outbound RTP streams: history, sequence numbers, reports, transport-wide sequence numbers.

pub mod history;
pub mod reference;
pub mod report;
pub mod sequence;
pub mod twcc;
