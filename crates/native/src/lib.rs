//! The Python extension module `sfukit._native`: a list of what it offers.

pub mod bridge;
pub mod clock;
pub mod cpu;
mod error;
mod handle;
mod load;
mod server;
mod swarm;
mod swarm_sockets;
mod swarm_turns;
mod swarm_worker;
pub mod udp;
mod watched;
mod worker;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("NativeError", module.py().get_type::<error::NativeError>())?;
    module.add_class::<server::Server>()?;
    module.add_class::<swarm::Swarm>()
}
