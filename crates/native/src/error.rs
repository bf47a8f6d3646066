//! How faults of this module reach Python.

use pyo3::exceptions::PyRuntimeError;
use pyo3::{PyErr, create_exception};

create_exception!(
    sfukit._native,
    NativeError,
    PyRuntimeError,
    "The data plane could not do what was asked; the message says why."
);

/// Make the Python exception from what went wrong.
pub fn native_error(message: impl std::fmt::Display) -> PyErr {
    NativeError::new_err(message.to_string())
}
