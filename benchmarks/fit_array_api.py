"""Seconds of `fit` and `transform`: NumPy, PyTorch on the CPU, and on a GPU where there is one.

python benchmarks/fit_array_api.py [--rows 200000] [--width 100]

`array_api_strict`, where that is installed, is NumPy that allows nothing but the standard.
"""

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # before SciPy is imported

import argparse
from time import perf_counter

import numpy as np
from sklearn import config_context

from skalign import NullSpaceAligner
from skalign.datasets import make_paired_gaussians


def places():
    """Names, and what moves rows there."""
    yield "numpy", np.asarray
    try:
        import array_api_strict
    except ImportError:
        print("Not run: array_api_strict is not installed")
    else:
        yield "strict", array_api_strict.asarray
    try:
        import torch
    except ImportError:
        print("Not run: torch is not installed")
        return
    yield "torch cpu", torch.asarray
    if torch.cuda.is_available():
        yield "torch cuda", lambda X: torch.asarray(X, device="cuda")


def best(call, wait, repeats=3):
    """The shortest of some times."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        wait(call())
        times.append(perf_counter() - start)
    return min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--width", type=int, default=100, help="of each of two modalities")
    options = parser.parse_args()
    widths = (options.width, options.width)
    X = make_paired_gaussians(options.rows, n_features=widths, noise=1.0, random_state=0).X
    candidates = list(places())
    print(f"{'':12}{'type':10}{'fit':>8}{'transform':>11}")
    for dtype in (np.float64, np.float32):
        for name, move in candidates:
            rows = move(X.astype(dtype))
            with config_context(array_api_dispatch=True):
                aligner = NullSpaceAligner(modalities=list(widths))

                def wait(done):
                    if getattr(getattr(done, "device", None), "type", "cpu") == "cuda":
                        done.sum().item()

                fit = best(lambda a=aligner, r=rows: a.fit(r), wait)
                encode = best(lambda a=aligner, r=rows: a.transform(r), wait)
            print(f"{name:12}{np.dtype(dtype).name:10}{fit:8.3f}{encode:11.3f}")


if __name__ == "__main__":
    main()
