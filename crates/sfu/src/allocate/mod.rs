//! Which encoding each subscription gets. Pure: candidates and budget in, choices and reasons out.

pub mod select;
