//! A worker thread whose end is noticed.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};

use serde::Serialize;
use sfu::message::Event;

/// What the control plane reads: events of the engines, and the end of a worker.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Report {
    /// An event of an engine.
    Engine(Event),
    /// Something about a worker as a whole.
    Worker(WorkerReport),
}

/// What befell a worker.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WorkerReport {
    /// Its thread ended though it was not told to; its rooms are gone.
    WorkerEnded {
        /// Which worker.
        worker: usize,
        /// The error or the panic's message.
        reason: String,
    },
}

/// Run a worker on a thread of its own; the message of an error or a panic, from which it does not
/// come back, is handed to `report`.
///
/// # Errors
/// Where the system gives no thread.
pub fn spawn(
    name: String,
    run: impl FnOnce() -> io::Result<()> + Send + 'static,
    report: impl FnOnce(String) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    Builder::new()
        .name(name)
        .spawn(move || match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(())) => {} // it was told to stop
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

    /// What the control plane reads in `tests/unit/test_events.py`.
    const FIXTURE: &str = include_str!("../../../tests/fixtures/events/worker.json");

    /// Run a worker thread to its end; return what it reported and whether the thread unwound.
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
    fn a_worker_that_was_told_to_stop_is_not_reported() {
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
