"""A fit on one worker process against two, of one BLAS thread each: time, and bytes that move.

OPENBLAS_NUM_THREADS=1 python benchmarks/workers.py [--rows 800000] [--columns 256]

Chunks are made before the clock starts and lie in the memory of the workers, half of them with
each: what is timed is the sums, the tree and the solution at the end.
"""

import argparse
import os
import statistics
import time
import warnings

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy, and for the workers

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster, wait

from skalign import NullSpaceAligner


def made_there(n, d, chunk):
    """Pairs with five shared dimensions, made by the workers."""
    mixing = np.random.default_rng(0).normal(size=(5, d))

    def make(block_info=None):
        rows, _ = block_info[None]["chunk-shape"]
        rng = np.random.default_rng(block_info[None]["chunk-location"][0])
        return rng.normal(size=(rows, 5)) @ mixing + rng.normal(size=(rows, d))

    chunks = ((chunk,) * (n // chunk), (d,))
    return da.map_blocks(make, chunks=chunks, dtype=float, meta=np.empty((0, 0)))


def moved(client):
    """Bytes that the workers have sent, each other or here."""
    return sum(client.run(lambda dask_worker: dask_worker.transfer_outgoing_bytes_total).values())


def measure(workers, args, solver):
    """Seconds of each fit, and bytes that one moves."""
    seconds = []
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=50,
            memory_limit="4GiB",
        ) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        X = made_there(args.rows, args.columns, args.chunk).persist()
        wait(X)
        client.rebalance(X)
        for repeat in range(args.repeats + 1):
            before, start = moved(client), time.perf_counter()
            NullSpaceAligner(solver=solver).fit(X)
            if repeat:  # the first imports the package
                seconds.append(time.perf_counter() - start)
        return seconds, moved(client) - before


def main():
    """Print a table of both solvers."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=800_000)
    parser.add_argument("--columns", type=int, default=256)
    parser.add_argument("--chunk", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    warnings.filterwarnings("ignore", message="Sending large graph")
    size = args.rows * args.columns * 8
    print(f"{args.rows} x {args.columns}, {size / 1e9:.2f} GB, chunks of {args.chunk} rows")
    print("solver   one worker   two workers   ratio of medians   of best   moved by two")
    for solver in ("auto", "qr"):
        (one, _), (two, bytes_) = (measure(workers, args, solver) for workers in (1, 2))
        medians, best = (f(one) / f(two) for f in (statistics.median, min))
        print(
            f"{solver:6s}   {statistics.median(one):8.2f} s   {statistics.median(two):9.2f} s"
            f"   {medians:16.2f}   {best:7.2f}   {bytes_ / 1e6:6.1f} MB, {bytes_ / size:.2%}"
        )


if __name__ == "__main__":
    main()
