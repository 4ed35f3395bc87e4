"""How often bounds of accuracy hold that need no label of the target, and how far they are apart.

Tasks and splits are those of `transfer_quality.py`. `estimate_accuracy` sees labelled rows and
pairs, in five folds, or fewer where there are fewer subjects. The truth is the accuracy on the
test third, from the target alone, after a fit on all labelled rows and pairs.

Sets of classes (`--sets`) are those of `ConformalTransfer`: a third of the labelled rows and of
the pairs calibrates, the others are fitted to. How often sets hold the class of a test row, and
how many classes they hold in the mean: whatever the errors, if errors are independent, and by the
labels of the same pairs, which nobody has. Tasks of a few subjects are left out: there sets hold
all classes.

Synthetic decisions have a known truth. Five classes; where the source errs and its error spreads,
the target decides as the source does, and else it errs on its own, as if the source did not.
"perfect" is a target that never errs.

    python benchmarks/certificate.py                             # five minutes
    python benchmarks/certificate.py --tasks digits:left-right --seeds 1
    python benchmarks/certificate.py --sets --seeds 1            # one minute
"""

import argparse
import sys
import warnings

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transfer_quality import FAMILIES, TASKS, run_each, splits, stacked, transfer

from skalign.metrics import accuracy_bounds
from skalign.model_selection import ConformalTransfer, estimate_accuracy
from skalign.model_selection._sets import lowest

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


# -- sets of classes ------------------------------------------------------------------------------

COVERAGES = (0.8, 0.9)


def sets_of(s, seed):
    """Coverage and size of sets of each kind, for each coverage that is asked for."""
    (X, y), rng = stacked(s), np.random.default_rng(seed)
    shuffled = [rng.permutation(rows) for rows in (s.labelled, s.pairs)]
    fitted, calibrates = (
        np.concatenate([rows[part(len(rows))] for rows in shuffled])
        for part in (lambda n: slice(n // 3, None), lambda n: slice(n // 3))
    )
    model = make_pipeline(StandardScaler(), transfer(s)).fit(X[fitted], y[fitted])
    sets = ConformalTransfer(model, cv="prefit").fit(X[calibrates], y[calibrates])
    of_test = np.searchsorted(sets.classes_, s.y[s.test])
    pairs = np.intersect1d(calibrates, s.pairs)
    alone = X[np.append(s.test, pairs)].copy()
    alone[:, : s.X1.shape[1]] = np.nan
    proba, found = model.predict_proba(alone), []
    of_pairs = proba[len(s.test) :][
        np.arange(len(pairs)), np.searchsorted(sets.classes_, s.y[pairs])
    ]
    for coverage in COVERAGES:
        kinds = [
            sets.set_params(errors=errors).predict_set(X[s.test], coverage)
            for errors in ("any", "independent")
        ]
        weights = np.full(len(pairs), 1 / (len(pairs) + 1))
        kinds.append(proba[: len(s.test)] >= lowest(of_pairs, weights, 1 - coverage))
        for held in kinds:
            found += [held[np.arange(len(of_test)), of_test].mean(), held.sum(axis=1).mean()]
    source = sets.labelled_proba_.argmax(axis=1) == sets.labelled_codes_
    return [len(sets.classes_), source.mean(), *found]


def show_sets(tasks, n_seeds):
    tasks = [task for task in tasks if FAMILIES[task.split(":")[0]][0]()[2] is None]
    results, absent = run_each(
        tasks, lambda task: [sets_of(s, seed) for seed, s in enumerate(splits(task, n_seeds))]
    )
    kinds = [f"{kind} .{int(10 * c)}" for c in COVERAGES for kind in ("any", "indep.", "labels")]
    print(" " * 26, " classes  source", *(f"{kind:>13s}" for kind in kinds))
    runs = {task: np.mean(rows, axis=0) for task, rows in results.items()}
    if runs:
        runs["all tasks"] = np.mean(list(runs.values()), axis=0)
    for task, (n_classes, source, *found) in runs.items():
        cells = [f"{a:7.3f} {b:5.2f}" for a, b in zip(found[::2], found[1::2], strict=True)]
        print(f"{task:26s} {n_classes:8.1f} {source:7.3f}", *cells, flush=True)
    print(*absent, sep="\n")
    return int(not runs)


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
    parser.add_argument("--sets", action="store_true", help="sets of classes alone")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.sets:
        return show_sets(options.tasks, options.seeds)

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
