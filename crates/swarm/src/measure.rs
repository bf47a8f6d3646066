//! Measurements: histograms in bounded memory, loss before and after RTX, freezes.

mod freeze;
mod histogram;
mod loss;

pub use freeze::FreezeMeter;
pub use histogram::Histogram;
pub use loss::{Loss, LossMeter};
