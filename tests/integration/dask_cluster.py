"""A Dask cluster of two processes: writes its address and the workers' with their process ids."""

import sys

from distributed import LocalCluster


def main() -> None:
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        workers = (f"{one.worker_address}={one.pid}" for one in cluster.workers.values())
        sys.stdout.write(" ".join([cluster.scheduler_address, *workers]) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
