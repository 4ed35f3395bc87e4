"""How well one modality is predicted from another, how surely, and whether wrong pairs show.

Samples fall into thirds as in `transfer_quality.py`: two are pairs, the last is held out; no
subject is in two thirds. Both blocks are standardized. A line a task, means over splits:

- held-out R² of the first modality from the second, by scikit-learn's `RidgeCV` over 13 penalties,
  and by `NullSpaceAligner.impute`;
- the share of held-out values within the 90 % interval of `impute(return_std=True)`;
- a tenth of the pairs mixed up: the area under the curve by which `score_samples` finds them.

    python benchmarks/translation.py
    python benchmarks/translation.py --data FOLDER --tasks NAME_1_2     # files as in `recipes.py`
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
from recipes import drawn
from sklearn.linear_model import RidgeCV
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from transfer_quality import TASKS, run_each

from skalign import NullSpaceAligner

NORMAL_90 = 1.645
MIXED_UP = 0.1
COLUMNS = ("RidgeCV", "skalign", "covered", "found")


def explained(said, wanted, mean):
    """R² of all columns together."""
    return 1 - np.sum((wanted - said) ** 2) / np.sum((wanted - mean) ** 2)


def measure_split(s):
    """The figures of a split, in the order of COLUMNS."""
    pairs = np.r_[s.labelled, s.pairs]
    X1, X2 = (StandardScaler().fit(X[pairs]).transform(X) for X in (s.X1, s.X2))
    wanted, mean, d = X1[s.test], X1[pairs].mean(axis=0), X1.shape[1]
    ridge = RidgeCV(np.logspace(-1, 5, 13)).fit(X2[pairs], X1[pairs]).predict(X2[s.test])
    X = np.hstack([X1, X2])
    half = X[s.test].copy()
    half[:, :d] = np.nan
    aligner = NullSpaceAligner(modalities=[d, X2.shape[1]])
    said, std = (V[:, :d] for V in aligner.fit(X[pairs]).impute(half, return_std=True))
    varies = X1[pairs].std(axis=0) > 0
    inside = (np.abs(said - wanted) <= NORMAL_90 * std)[:, varies].mean()
    return (
        explained(ridge, wanted, mean),
        explained(said, wanted, mean),
        inside,
        found(aligner, X[pairs], d),
    )


def found(aligner, X, d):
    """Area under the curve of finding pairs that were mixed up."""
    X, rng = X.copy(), np.random.default_rng(0)
    wrong = rng.permutation(len(X))[: int(MIXED_UP * len(X))]
    X[wrong, d:] = X[np.roll(wrong, 1), d:]
    return roc_auc_score(np.isin(np.arange(len(X)), wrong), -aligner.fit(X).score_samples(X))


def study(task, options):
    """Means over splits, printed."""
    splits, _ = drawn(task, options.data, options.seeds)
    means = np.mean([measure_split(s) for s in splits], axis=0)
    print(f"{task:26s}", *(f"{value:9.3f}" for value in means), flush=True)
    return means


def report(results):
    """What holds over tasks."""
    ridge, own, covered, found = np.array(list(results.values())).T
    gain = own - ridge
    error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.nan
    print(f"{'mean':26s}", *(f"{v.mean():9.3f}" for v in (ridge, own, covered, found)))
    print(
        f"R², skalign - RidgeCV: mean {gain.mean():+.4f} ± {error:.4f}, median "
        f"{np.median(gain):+.4f}; at least as high, to three digits, on {np.sum(gain > -5e-4)} of "
        f"{len(gain)} tasks, lower by more than .02 on {np.sum(gain < -0.02)}"
    )
    print(
        f"covered: median {np.median(covered):.3f}, below .8 on {np.sum(covered < 0.8)}; "
        f"found: .8 or more on {np.sum(found >= 0.8)}"
    )


def arguments(doc, draws=False):
    """Tasks of packages, or of files of one's own."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0], fromfile_prefix_chars="@")
    parser.add_argument("--tasks", nargs="+", metavar="TASK", help="or @FILE, a task a line")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="files NAME.npz")
    parser.add_argument("--seeds", type=int, default=2, help="splits (default: %(default)s)")
    if draws:
        parser.add_argument("--output", type=Path, metavar="FOLDER", help="where figures go")
    options = parser.parse_args()
    if options.data is not None and options.tasks is None:
        parser.error("--data needs --tasks, as NAME_1_2")
    options.tasks = options.tasks or TASKS
    return options


def main():
    options = arguments(__doc__)
    warnings.simplefilter("ignore")
    print(f"{'':26s}", *(f"{name:>9s}" for name in COLUMNS), flush=True)
    with threadpool_limits(1):
        results, absent = run_each(options.tasks, lambda task: study(task, options))
    if results:
        report(results)
    print(*absent, sep="\n")
    return int(not results)


if __name__ == "__main__":
    sys.exit(main())
