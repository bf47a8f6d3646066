//! The Python exception of this module.

use pyo3::exceptions::PyRuntimeError;
use pyo3::{PyErr, create_exception};

create_exception!(
    sfukit._native,
    NativeError,
    PyRuntimeError,
    "The data plane refused a call; the message gives the reason."
);

/// Return the Python exception with a message.
pub fn native_error(message: impl std::fmt::Display) -> PyErr {
    NativeError::new_err(message.to_string())
}
