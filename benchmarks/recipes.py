"""Beside what a careful user writes: an ensemble of six students, the best of fourteen recipes.

Samples fall into thirds as in `transfer_quality.py`: labels and modality 1, both modalities and no
label, and modality 2 alone, which is classified. Every student learns from what one source
classifier says of the pairs, on up to 100 principal components (`students.py`). "Ensemble" is the
mean probability of six students, "chosen" the recipe whose out-of-fold decisions on the pairs are
most often the source's, "hindsight" the recipe whose accuracy on test rows is highest, one for all
splits of a task. Folds are by subject where there are subjects. skalign has its defaults, whose
source classifier sees standard scores of all columns; "same source" is skalign with the students'
source, where that is another one.

    python benchmarks/recipes.py
    python benchmarks/recipes.py --tasks digits:left-right --seeds 1
    python benchmarks/recipes.py --data FOLDER --tasks NAME_1_2 NAME_2_1 --csv splits.csv
    python benchmarks/recipes.py --data FOLDER --tasks @FILE    # one task a line

A file `NAME.npz` of the folder holds `X1`, `X2`, ... (rows paired), labels `y` and, where there
are any, subjects `groups`; the task `NAME_1_2` has the labels in `X1`. 3000 rows are drawn, and
classes of fewer than six dropped.

"Recovered" is (accuracy - majority) / (ceiling - majority), where the ceiling is the better of
logistic regression and an SVM that see the true labels of the pairs, and the divisor .05 at least.
"""

import argparse
import csv
import sys
import warnings
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from agreement import folds
from scipy.optimize import minimize_scalar
from scipy.stats import ttest_rel, wilcoxon
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from students import RECIPES, SIX, SIX_OF_STRESS, STUDENTS, lesson, mean_of
from threadpoolctl import threadpool_limits
from transfer_quality import (
    FAMILIES,
    TASKS,
    Reduced,
    logistic,
    recovered,
    reduced,
    run_each,
    skalign,
    splits,
    taught,
    thirds,
)

PEERS = {
    "ensemble": "ensemble of six",
    "stress": "six of stress.py",
    "chosen": "recipe chosen",
    "hindsight": "recipe in hindsight",
}
COLUMNS = ["skalign", "same source", *PEERS]
BOUNDS = ["majority", "source", "true LR", "true SVC"]

# -- data -----------------------------------------------------------------------------------------


def drawn(task, folder, n_seeds):
    """The splits of a task, and subjects or None."""
    if folder is None:
        return splits(task, n_seeds), FAMILIES[task.split(":")[0]][0]()[2]
    name, source, target = task.rsplit("_", 2)
    with np.load(folder / f"{name}.npz") as file:
        keys = [f"X{source}", f"X{target}", "y", *(["groups"] if "groups" in file else [])]
        X1, X2, y, *groups = (file[key] for key in keys)
    y = np.unique(y, return_inverse=True)[1]
    kept = np.random.default_rng(0).permutation(len(y))[:3000]
    kept = np.sort(kept[np.bincount(y[kept])[y[kept]] >= 6])
    X1, X2 = (X[kept].astype(float) for X in (X1, X2))
    subject = groups[0][kept] if groups else None
    return thirds(X1, X2, np.unique(y[kept], return_inverse=True)[1], subject, n_seeds), subject


# -- one split ------------------------------------------------------------------------------------


def calibrating_power(X, y):
    """The power of the source's probabilities that is best for held-out labelled rows."""
    cv = int(np.clip(np.bincount(y).max(), 2, 5))
    held_out = cross_val_predict(logistic(), X, y, cv=cv, method="predict_proba")
    held_out, classes = np.log(np.clip(held_out, 1e-9, None)), np.unique(y)

    def loss(log_power):
        proba = np.exp(np.exp(log_power) * held_out)
        return log_loss(y, proba / proba.sum(axis=1, keepdims=True), labels=classes)

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def agreements(s, source, power, subject, seed):
    """Share of pairs for which a recipe, fitted to other pairs, decides as the source."""
    if subject is not None and len(np.unique(subject[s.pairs])) == 1:
        subject = None
    same = defaultdict(list)
    for train, held_out in folds(s.pairs, subject, seed):
        part = s._replace(pairs=s.pairs[train], test=s.pairs[held_out])
        task, said = lesson(part, source, power), source.predict(s.X1[part.test])
        for name in RECIPES:
            same[name].extend(np.argmax(STUDENTS[name](task), axis=1) == said)
    return {name: float(np.mean(values)) for name, values in same.items()}


def measure(s, subject, seed):
    """Accuracy of everybody on the test rows, and the name of the chosen recipe."""
    y, wide = s.y[s.test], Reduced().fit(s.X1[s.labelled]).pca_ is not None
    own = skalign(s)[0]
    same = skalign(s, make_pipeline(Reduced(), logistic()))[0] if wide else own
    s = s._replace(X1=reduced(s.X1, s.labelled))
    source = logistic().fit(s.X1[s.labelled], s.y[s.labelled])
    power = calibrating_power(s.X1[s.labelled], s.y[s.labelled])
    task, agreement = lesson(s, source, power), agreements(s, source, power, subject, seed)
    found = {name: student(task) for name, student in STUDENTS.items()}
    chosen = max(agreement, key=agreement.get)
    found |= {"ensemble": np.mean([found[name] for name in SIX], axis=0), "chosen": found[chosen]}
    found |= {"stress": mean_of(SIX_OF_STRESS, task), "skalign": own, "same source": same}
    row = {name: np.mean(np.argmax(proba, axis=1) == y) for name, proba in found.items()}
    row["majority"] = np.bincount(y).max() / len(y)
    row["source"] = source.score(s.X1[s.test], y)
    for name, model in {"true LR": logistic(), "true SVC": SVC()}.items():
        row[name] = taught(model, task.X, s.y[s.pairs]).score(task.Z, y)
    return {name: float(value) for name, value in row.items()}, chosen


# -- one task -------------------------------------------------------------------------------------


def means(runs):
    """Means over splits; the ceiling, and the best recipe in hindsight."""
    row = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
    row["ceiling"] = max(row["true LR"], row["true SVC"])
    row["hindsight"] = max(row[name] for name in RECIPES)
    return row


def study(task, options, writer):
    """Means of a task; a line of each split is written, and one of the task printed."""
    drawing, subject = drawn(task, options.data, options.seeds)
    runs, choices = [], []
    for seed, s in enumerate(drawing):
        print(f"    seed {seed}", file=sys.stderr, flush=True)
        run, chosen = measure(s, subject, seed)
        runs.append(run)
        choices.append(chosen)
        if writer is not None:
            writer(task, seed, run, chosen)
    row = means(runs)
    cells = (f"{row[name]:11.3f}" for name in ["majority", "source", "ceiling", *COLUMNS])
    print(f"{task:24s}", *cells, "  " + ", ".join(dict.fromkeys(choices)), flush=True)
    return row | {"choices": choices}


def writer_of(path):
    """The function that appends a split to a csv file, at once."""
    names = ["skalign", "same source", "ensemble", "stress", "chosen", *BOUNDS, *STUDENTS]
    path.write_text(",".join(["task", "seed", "recipe", *names]) + "\n")

    def write(task, seed, run, chosen):
        with path.open("a", newline="") as file:
            csv.writer(file).writerow([task, seed, chosen, *(f"{run[n]:.4f}" for n in names)])

    return write


# -- all tasks ------------------------------------------------------------------------------------


def compare(own_name, name, label, results):
    """Print by how much skalign, with its own source or the students', is ahead of another."""
    rows = list(results.values())
    own, other = (np.array([row[key] for row in rows]) for key in (own_name, name))
    ahead = own - other
    cells = [f"{label:20s} {other.mean():8.3f}"]
    cells.append(f"{np.mean([recovered(row[name], row) for row in rows]):9.3f}")
    cells.append(f"{ahead.mean():+8.3f} ± {standard_error(ahead):.3f}")
    cells.append(f"{by_data_set(results, ahead):>16s}")
    if len(ahead) > 1 and np.any(ahead):
        cells.append(f"{ttest_rel(own, other).pvalue:9.2g} {wilcoxon(ahead).pvalue:9.2g}")
    else:
        cells.append(f"{'-':>9s} {'-':>9s}")
    cells.append(f"{np.sum(ahead > 0.02):7d} {np.sum(ahead < -0.02):7d} {ahead.min():+8.3f}")
    print(*cells)


def standard_error(values):
    return np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan


def by_data_set(results, ahead):
    """Mean and error over data sets: tasks on the same one are not independent."""
    groups = defaultdict(list)
    for task, value in zip(results, ahead, strict=True):
        groups[task.split(":")[0] if ":" in task else task.rsplit("_", 2)[0]].append(value)
    values = [np.mean(group) for group in groups.values()]
    return f"{np.mean(values):+.3f} ± {standard_error(values):.3f}"


def report(results):
    """Print means of everybody, and figures of every recipe."""
    rows = list(results.values())
    accuracy = np.mean([row["skalign"] for row in rows])
    share = np.mean([recovered(row["skalign"], row) for row in rows])
    print(
        f"\nMeans over {len(rows)} tasks; what skalign is ahead in accuracy, ± standard error over"
    )
    print("tasks and over data sets; p of the paired t-test and of Wilcoxon's, over tasks; tasks")
    print("ahead and behind by more than .02, and the worst")
    heads = ["accuracy", "recovered", "     ahead", "     by data set"]
    print(" " * 20, *heads, "       t  Wilcoxon   ahead  behind    worst")
    print(f"{'skalign':20s} {accuracy:8.3f} {share:9.3f}")
    for name, label in {"same source": "skalign, same source", **PEERS}.items():
        compare("skalign", name, label, results)
    print("what skalign is ahead with the same source")
    for name, label in PEERS.items():
        compare("same source", name, label, results)
    chosen = Counter(name for row in rows for name in row["choices"])
    best = Counter(max(RECIPES, key=row.get) for row in rows)
    print("\nrecipe         accuracy  recovered  chosen (splits)  best (tasks)")
    for name in sorted(STUDENTS, key=lambda name: -np.mean([row[name] for row in rows])):
        accuracy = np.mean([row[name] for row in rows])
        share = np.mean([recovered(row[name], row) for row in rows])
        counts = f"{chosen[name]:16d} {best[name]:13d}" if name in RECIPES else ""
        print(f"{name:14s} {accuracy:8.3f} {share:10.3f} {counts}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], fromfile_prefix_chars="@")
    parser.add_argument("--tasks", nargs="+", metavar="TASK", help="or @FILE, a task a line")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="files NAME.npz")
    parser.add_argument("--seeds", type=int, default=2, help="splits (default: %(default)s)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write every split here")
    options = parser.parse_args()
    if options.data is None:
        options.tasks = options.tasks or TASKS
        if unknown := set(options.tasks) - set(TASKS):
            parser.error(f"unknown tasks {sorted(unknown)}; --data FOLDER reads files")
    elif options.tasks is None:
        parser.error("--data needs --tasks, as NAME_1_2")
    else:
        names = {task.rsplit("_", 2)[0] for task in options.tasks}
        if absent := sorted(n for n in names if not (options.data / f"{n}.npz").exists()):
            parser.error(f"--data {options.data} has no file {absent[0]}.npz")
    warnings.simplefilter("ignore")

    writer = None if options.csv is None else writer_of(options.csv)
    heads = (f"{name:>11s}" for name in ["majority", "source", "ceiling", *COLUMNS])
    print(f"{'accuracy':24s}", *heads, "  chosen", flush=True)
    with threadpool_limits(1):
        results, absent = run_each(options.tasks, lambda task: study(task, options, writer))
    if results:
        report(results)
    print(*absent, sep="\n")
    return int(not results)


if __name__ == "__main__":
    sys.exit(main())
