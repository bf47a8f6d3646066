//! Supervision of worker threads: an error or a panic is reported.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};

use serde::Serialize;
use sfu::message::Event;

/// An event for the control plane.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Report {
    /// An event of an engine.
    Engine(Event),
    /// An event of a worker.
    Worker(WorkerReport),
}

/// An event of a worker.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WorkerReport {
    /// The thread ended by an error or a panic; its rooms are closed.
    WorkerEnded {
        /// Number of the worker.
        worker: usize,
        /// Message of the error or panic.
        reason: String,
    },
}

/// Run a worker on its own thread; `report` is called with the message of an error or a panic.
///
/// # Errors
/// Where the thread cannot be started.
pub fn spawn(
    name: String,
    run: impl FnOnce() -> io::Result<()> + Send + 'static,
    report: impl FnOnce(String) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    Builder::new()
        .name(name)
        .spawn(move || match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(())) => {} // stopped by its handle
            Ok(Err(error)) => report(error.to_string()),
            Err(panic) => report(format!("panicked: {}", message(&*panic))),
        })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// The fixture that `tests/unit/test_events.py` reads.
    const FIXTURE: &str = include_str!("../../../tests/fixtures/events/worker.json");

    /// Run a worker thread to its end; return its report.
    fn end_of(run: impl FnOnce() -> io::Result<()> + Send + 'static) -> Option<String> {
        let (sender, receiver) = mpsc::channel();
        let report = move |reason| sender.send(reason).unwrap();
        let thread = spawn(String::from("worker"), run, report).unwrap();
        thread.join().unwrap();
        receiver.try_recv().ok()
    }

    fn ended(reason: &str) -> Option<String> {
        Some(reason.into())
    }

    #[test]
    fn a_worker_that_panics_is_reported_with_its_message() {
        assert_eq!(end_of(|| panic!("index 7")), ended("panicked: index 7"));
        let text = String::from("formatted 7");
        assert_eq!(
            end_of(move || panic!("{text}")),
            ended("panicked: formatted 7")
        );
        assert_eq!(
            end_of(|| std::panic::panic_any(7)),
            ended("panicked: no message")
        );
    }

    #[test]
    fn a_worker_that_fails_is_reported_with_its_error() {
        let failing = || Err(io::Error::other("no poller"));
        assert_eq!(end_of(failing), ended("no poller"));
    }

    #[test]
    fn a_stopped_worker_is_not_reported() {
        assert_eq!(end_of(|| Ok(())), None);
    }

    #[test]
    fn reports_are_written_as_events_are() {
        let report = Report::Worker(WorkerReport::WorkerEnded {
            worker: 3,
            reason: "no poller".into(),
        });
        let committed: serde_json::Value = serde_json::from_str(FIXTURE).unwrap();
        assert_eq!(serde_json::to_value([report]).unwrap(), committed);
    }
}
