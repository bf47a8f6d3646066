//! Synthetic participants: clips, frame assembly, measuring, impairment.

pub mod assemble;
pub mod bot;
pub mod clip;
pub mod impair;
pub mod measure;
