//! The Python extension module `sfukit._native`.

pub mod bridge;
pub mod clock;
pub mod cpu;
mod error;
mod handle;
mod load;
mod mirrors;
mod server;
mod supervise;
mod swarm;
mod swarm_drops;
mod swarm_polling;
mod swarm_sockets;
mod swarm_streams;
mod swarm_worker;
pub mod udp;
mod worker;

use pyo3::prelude::*;
use pyo3::types::PyTuple;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("NativeError", module.py().get_type::<error::NativeError>())?;
    module.add("MIRRORS", PyTuple::new(module.py(), mirrors::MIRRORS)?)?;
    module.add_class::<server::Server>()?;
    module.add_class::<swarm::Swarm>()
}
