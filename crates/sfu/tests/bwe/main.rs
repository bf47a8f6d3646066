//! The estimator on virtual time: links, lies and silence.

mod call;
mod hostile;
mod link;
mod probes;
mod scenarios;
mod unblocked;
