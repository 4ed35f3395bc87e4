"""How often bounds of accuracy hold that need no label of the target, and how far they are apart.

Tasks and splits are those of `transfer_quality.py`. `estimate_accuracy` sees labelled rows and
pairs, in five folds, or fewer where there are fewer subjects. The truth is the accuracy on the
test third, from the target alone, after a fit on all labelled rows and pairs.

Synthetic decisions have a known truth. Five classes; where the source errs and its error spreads,
the target decides as the source does, and else it errs on its own, as if the source did not.
"perfect" is a target that never errs.

    python benchmarks/certificate.py                             # five minutes
    python benchmarks/certificate.py --tasks digits:left-right --seeds 1
"""

import argparse
import sys
import warnings

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transfer_quality import FAMILIES, TASKS, run_each, splits, stacked, transfer

from skalign.metrics import accuracy_bounds
from skalign.model_selection import estimate_accuracy

COLUMNS = ["truth", "lower", "estimate", "upper"]

# -- tasks ----------------------------------------------------------------------------------------


def certify(s, subject, seed):
    """The accuracy on the test rows, and what was said of it."""
    (X, y), rows = stacked(s), np.r_[s.labelled, s.pairs]
    model = make_pipeline(StandardScaler(), transfer(s))
    groups = None if subject is None else subject[rows]
    n_folds = 5
    if subject is not None:
        n_folds = min(5, *(len(np.unique(subject[some])) for some in (s.labelled, s.pairs)))
    found = estimate_accuracy(
        model, X[rows], y[rows], groups=groups, cv=n_folds, random_state=seed
    )
    truth = model.fit(X[rows], y[rows]).score(X[s.test], s.y[s.test])
    return truth, found.lower, found.estimate, found.upper


def study(task, n_seeds):
    subject = FAMILIES[task.split(":")[0]][0]()[2]
    return [certify(s, subject, seed) for seed, s in enumerate(splits(task, n_seeds))]


# -- synthetic ------------------------------------------------------------------------------------


def noisy(rng, y, accuracy, n_classes):
    """Decisions, wrong in favour of the next class in half of the cases, else of any."""
    wrong, next_ = rng.random(len(y)) > accuracy, rng.random(len(y)) < 0.5
    other = (y + np.where(next_, 1, rng.integers(1, n_classes, size=len(y)))) % n_classes
    return np.where(wrong, other, y)


def decisions(rng, n, spread, n_classes=5):
    """Classes, decisions of the source, of the target; errors spread from one to the other."""
    y = rng.integers(n_classes, size=n)
    source, target = noisy(rng, y, 0.8, n_classes), noisy(rng, y, 0.8, n_classes)
    if spread == "perfect":
        target = y
    elif spread:
        target = np.where((source != y) & (rng.random(n) < spread), source, target)
    return y, source, target


def synthetic(n, spread, n_draws):
    rng, rows = np.random.default_rng(0), []
    y, _, target = decisions(rng, 1_000_000, spread)
    truth = np.mean(y == target)
    for seed in range(n_draws):
        (y, j, _), (_, k, c) = decisions(rng, n, spread), decisions(rng, n, spread)
        found = accuracy_bounds(y, j, k, c, random_state=seed)
        rows.append((truth, found.lower, found.estimate, found.upper))
    return rows


# -- figures --------------------------------------------------------------------------------------


def row(name, runs):
    """Print means, how often bounds hold, and how far the estimate is off."""
    truth, lower, estimate, upper = np.transpose(runs)
    held, off = (lower <= truth) & (truth <= upper), np.abs(estimate - truth)
    cells = [*np.mean(runs, axis=0), np.median(upper - lower), np.mean(off), np.mean(held)]
    print(f"{name:26s}", *(f"{value:8.3f}" for value in cells), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS, metavar="TASK")
    parser.add_argument("--seeds", type=int, default=2, help="splits (default: %(default)s)")
    parser.add_argument("--draws", type=int, default=100, help="synthetic (default: %(default)s)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")

    results, absent = run_each(options.tasks, lambda task: study(task, options.seeds))
    print(" " * 26, *(f"{c:>8s}" for c in [*COLUMNS, "width", "off", "held"]))
    for task, runs in results.items():
        row(task, runs)
    if results:
        row("all tasks", np.concatenate(list(results.values())))
    for n in (100, 400, 1600):
        for spread in (0.0, 0.5, 1.0, "perfect"):
            row(f"n = {n}, spread {spread}", synthetic(n, spread, options.draws))
    print(*absent, sep="\n")
    return int(not results)


if __name__ == "__main__":
    sys.exit(main())
