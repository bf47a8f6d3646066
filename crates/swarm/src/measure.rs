//! What is measured: distributions in fixed memory, loss before and after repair, freezes.

mod freeze;
mod histogram;
mod loss;

pub use freeze::FreezeMeter;
pub use histogram::Histogram;
pub use loss::{Loss, LossMeter};
