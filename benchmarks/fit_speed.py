"""Time to fit, in units of one symmetric rank-n update (syrk) of the same data.

Product, peers and floor alternate in one process; ratios are medians over repeats, with quartiles.

    pip install --no-deps cca-zoo==4.0.1
    python benchmarks/fit_speed.py [--repeats 7] [--output figures]
    python benchmarks/fit_speed.py --memory 4
    python benchmarks/fit_speed.py --wide

``OPENBLAS_NUM_THREADS`` and its like decide on threads; on a machine that others use, too, one
thread gives the steadiest ratios.
"""

import argparse
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from predict_speed import peak
from scipy.linalg.blas import dsyrk
from sklearn.cross_decomposition import CCA

from skalign import NullSpaceAligner

SIZES = [(200_000, 64), (100_000, 90), (20_000, 90), (20_000, 256)]
GRID = [(n, d) for n in (1000, 10_000, 100_000) for d in (16, 64, 256)]
CONDITIONS = (1e2, 1e4, 1e6, 1e7, 1e8, 1e10)
LENGTHS = (10_000, 30_000, 100_000, 300_000, 1_000_000)


def pairs(n, d, k=10, condition=1.0, seed=0):
    """Rows of two modalities of width d that share k dimensions."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, k))
    blocks = []
    for _ in range(2):
        Y = z @ rng.normal(size=(k, d)) / np.sqrt(k) + rng.normal(size=(n, d))
        if condition > 1:
            Y = Y * np.geomspace(1, 1 / condition, d) @ np.linalg.qr(rng.normal(size=(d, d)))[0]
        blocks.append(Y)
    return np.hstack(blocks)


def syrk(X):
    """The floor: half of the Gram matrix."""
    return lambda: dsyrk(1.0, X.T, lower=1)


def alternate(jobs, repeats):
    """Seconds (repeats, len(jobs)) of jobs that alternate; one repeat more warms up."""
    seconds = np.empty((repeats + 1, len(jobs)))
    for row in seconds:
        for i, job in enumerate(jobs):
            start = time.perf_counter()
            job()
            row[i] = time.perf_counter() - start
    return seconds[1:]


def ratios(seconds):
    """Median and quartiles of each column in units of the first."""
    return np.percentile(seconds[:, 1:] / seconds[:, :1], [50, 25, 75], axis=0).T


def zoo(X, d, k):
    """Fit of cca-zoo's CCA; None where it is not installed."""
    try:
        from cca_zoo.linear import CCA as ZooCCA
    except ImportError:
        return None
    views = [X[:, :d], X[:, d:]]
    return lambda: ZooCCA(n_components=k).fit(views)


def against_syrk(repeats):
    """Fit with ten components and with an automatic number, and one full product."""
    print("In units of syrk: median (quartiles)")
    print("          n    d + d  syrk, s   gemm             n_components=10  auto")
    for n, d in SIZES:
        X = pairs(n, d)
        jobs = [syrk(X), lambda X=X: np.dot(X.T, X.copy(order="K"))]
        jobs += [lambda k=k, X=X: NullSpaceAligner(k).fit(X) for k in (10, "auto")]
        seconds = alternate(jobs, repeats)
        cells = "  ".join(f"{m:5.2f} ({a:.2f}-{b:.2f})" for m, a, b in ratios(seconds))
        print(f"  {n:9,d} {d:4d}+{d:<4d} {np.median(seconds[:, 0]):6.3f}  {cells}", flush=True)


def by_condition(repeats):
    """Time over the condition number, and the residual beside the orthogonal solver's."""
    print("Condition number of each block, 20,000 x (90 + 90); no shrinkage")
    print("  condition   auto / syrk   qr / syrk   residual, auto / qr   angle to qr")
    for condition in CONDITIONS:
        X = pairs(20_000, 90, condition=condition)
        fits = [NullSpaceAligner(10, shrinkage=None, solver=solver) for solver in ("auto", "qr")]
        jobs = [syrk(X), *(lambda f=f, X=X: f.fit(X) for f in fits)]
        seconds = alternate(jobs, max(3, repeats // 2))
        auto, qr = (row[0] for row in ratios(seconds))
        residuals, first = [], []
        for f in fits:
            a, b = f.encoders_[0].transform(X[:, :90]), f.encoders_[1].transform(X[:, 90:])
            residuals.append(np.linalg.norm(a - b))
            first.append(np.linalg.qr(a)[0])
        sine = np.linalg.norm(first[0] - first[1] @ (first[1].T @ first[0]), 2)
        ratio = residuals[0] / residuals[1]
        print(f"  {condition:9.0e} {auto:12.2f} {qr:11.2f} {ratio:21.6f} {sine:13.1e}", flush=True)


def against_peers(repeats):
    """Grid of sizes beside cca-zoo, and scikit-learn where it takes less than minutes."""
    print("Ten components: time of peers / time of skalign")
    print("          n    d + d   skalign, s   cca-zoo   scikit-learn")
    for n, d in GRID:
        X = pairs(n, d)
        jobs = [lambda X=X: NullSpaceAligner(10).fit(X)]
        other = zoo(X, d, 10)
        jobs += [] if other is None else [other]
        seconds = alternate(jobs, max(3, repeats // 2 if n * d < 10**7 else 3))
        cells = "       -" if other is None else f"{ratios(seconds)[0, 0]:8.1f}"
        slow = "-"
        if n * d <= 640_000:
            start = time.perf_counter()
            CCA(10, max_iter=500).fit(X[:, :d], X[:, d:])
            slow = f"{(time.perf_counter() - start) / np.median(seconds[:, 0]):.0f}"
        own = np.median(seconds[:, 0])
        print(f"  {n:9,d} {d:4d}+{d:<4d} {own:11.4f}  {cells}  {slow:>12s}", flush=True)


def by_length(repeats, folder):
    """Slope of log time over log n, and memory beside the data."""
    times, peaks = [], []
    for n in LENGTHS:
        X = pairs(n, 32)
        aligner = NullSpaceAligner(10)
        seconds = alternate([lambda a=aligner, X=X: a.fit(X)], max(3, repeats // 2))
        times.append(np.median(seconds))
        peaks.append(peak(aligner.fit, X))
    slope = np.polyfit(np.log(LENGTHS), np.log(times), 1)[0]
    print(
        "Seconds over n, 32 + 32 columns:",
        *(f"{n:,}: {t:.4f}" for n, t in zip(LENGTHS, times, strict=True)),
    )
    print(f"  slope of log time over log n: {slope:.3f}")
    print("  MiB beside the data, at most:", *(f"{mib:.1f}" for mib in peaks))
    if folder is not None:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        figure, ax = plt.subplots(figsize=(5, 3.4), layout="constrained")
        ax.loglog(LENGTHS, times, "o-", color="#D55E00", label="skalign, fit")
        floor = np.array(times)[0] * np.array(LENGTHS) / LENGTHS[0]
        ax.loglog(LENGTHS, floor, "--", color="0.5", label="proportional to n")
        ax.set(xlabel="pairs (32 + 32 columns)", ylabel="seconds")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False)
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(folder / "fit_speed.png", dpi=110)


def memory(gib, columns=128, limit=768):
    """Fit a file of so many GiB while the process may hold no more than ``limit`` MiB."""
    n = int(gib * 2**30 / 8 / columns)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.npy"
        X = np.lib.format.open_memmap(path, "w+", np.float64, (n, columns))
        step = 1 << 16
        for start in range(0, n, step):
            rows = min(step, n - start)
            X[start : start + rows] = pairs(rows, columns // 2, seed=start)
        X.flush()
        del X
        resource.setrlimit(resource.RLIMIT_DATA, (limit << 20, limit << 20))
        start = time.perf_counter()
        NullSpaceAligner(10, verbose=True).fit(np.load(path, mmap_mode="r"))
        print(f"{gib} GiB under RLIMIT_DATA of {limit} MiB: {time.perf_counter() - start:.1f} s")
        status = Path("/proc/self/status")  # of Linux
        if status.exists():
            print(next(line for line in status.read_text().splitlines() if "VmData" in line))


def wide(n=500, d=50_000):
    """Fit few rows of many columns: seconds, and the peak beside what was there before."""
    X = pairs(n, d)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    NullSpaceAligner().fit(X)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{n} pairs of {d} + {d} columns ({X.nbytes / 1e9:.1f} GB): {seconds:.1f} s")
    print(f"  peak beside the data, and what made them: {peak / 1e6:.2f} GB")


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=7, help="(default: %(default)s)")
    parser.add_argument("--memory", type=float, metavar="GIB", help="a file of so many GiB only")
    parser.add_argument("--wide", action="store_true", help="many columns only")
    parser.add_argument("--output", type=Path, metavar="DIR", help="write the figure here")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.memory is not None:
        return memory(options.memory)
    if options.wide:
        return wide()
    against_syrk(options.repeats)
    by_condition(options.repeats)
    by_length(options.repeats, options.output)
    return against_peers(options.repeats)


if __name__ == "__main__":
    sys.exit(main())
