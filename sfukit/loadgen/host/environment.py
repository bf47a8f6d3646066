"""The machine of a run, for its report."""

from sfukit.loadgen.host.placement import Cores
from sfukit.loadgen.result import report as result
from sfukit.machine import Machine


def environment(machine: Machine, cores: Cores) -> result.Environment:
    """Return the machine, and the cores that each side may use."""
    return result.Environment(
        kernel=machine.kernel,
        cpu_model=machine.cpu_model,
        cores=machine.cores,
        rmem_max=machine.rmem_max,
        wmem_max=machine.wmem_max,
        placement=result.Placement(
            pin=cores.pin,
            server=list(cores.server),
            swarm=list(cores.swarm),
            cores_swapped=cores.cores_swapped,
        ),
        free_page_reporting=machine.free_page_reporting,
        pagelist_high_fraction=machine.pagelist_high_fraction,
        page_reporting_order=machine.page_reporting_order,
    )
