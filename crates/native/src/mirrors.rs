//! The Python mirrors of the messages, as they were when this extension was built.
//!
//! `sfukit/extension.py` compares them with the installed ones: an extension of another version
//! would refuse commands, or write events that Python cannot decode.

/// Path within the package `sfukit`, and text.
pub const MIRRORS: [(&str, &str); 6] = [
    (
        "loadgen/metrics/figures.py",
        include_str!("../../../sfukit/loadgen/metrics/figures.py"),
    ),
    (
        "loadgen/metrics/histogram.py",
        include_str!("../../../sfukit/loadgen/metrics/histogram.py"),
    ),
    (
        "server/counters.py",
        include_str!("../../../sfukit/server/counters.py"),
    ),
    (
        "server/native_messages.py",
        include_str!("../../../sfukit/server/native_messages.py"),
    ),
    (
        "swarm/impairment.py",
        include_str!("../../../sfukit/swarm/impairment.py"),
    ),
    (
        "swarm/messages.py",
        include_str!("../../../sfukit/swarm/messages.py"),
    ),
];
