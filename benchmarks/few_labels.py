"""What a few labels of the target are worth, beside pairs without a label.

Samples fall into thirds as in `transfer_quality.py`. Half of the last third may be labelled, so
many rows a class, without their source; the other half is classified. A block a task, means over
splits: accuracy of skalign without these labels and with them, of the better of logistic
regression and an SVC on the labels alone, of logistic regression on soft pseudo-labels of the
pairs and the labels together, and of skalign's target classifier without labels, calibrated on
them afterwards. `--output FOLDER` draws the curves.

    python benchmarks/few_labels.py --output FOLDER
    python benchmarks/few_labels.py --data FOLDER --tasks NAME_1_2      # files as in `recipes.py`
"""

import sys
import warnings

import numpy as np
from recipes import drawn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits
from transfer_quality import Reduced, logistic, reduced, run_each, stacked, taught, transfer
from translation import arguments

COUNTS = (1, 2, 5, 10)
LEGEND = (
    "skalign, no label of the target", "skalign and the labels", "the labels alone",
    "soft pseudo-labels and the labels", "skalign, calibrated on the labels",
)  # fmt: skip
COLUMNS = ("without", "with", "alone", "soft", "calibrated")


def fitted(s, few):
    """Skalign with some labels of the target, the source on components as all students are."""
    X, y = stacked(s)
    y[few] = s.y[few]
    seen = np.r_[s.labelled, s.pairs, few]
    model = transfer(s, make_pipeline(Reduced(), logistic()))
    return X, make_pipeline(StandardScaler(), model).fit(X[seen], y[seen])


def own(s, few, rows):
    """Its accuracy on some rows."""
    X, model = fitted(s, few)
    return np.mean(model.predict(X[rows]) == s.y[rows])


def calibrated(s, few, rows, X, model):
    """Accuracy of a model without labels of the target, calibrated on these."""
    if len(np.unique(s.y[few])) < len(model.classes_):
        return np.mean(model.predict(X[rows]) == s.y[rows])
    every = np.arange(len(few))
    frozen = CalibratedClassifierCV(FrozenEstimator(model), cv=[(every, every)], ensemble=False)
    return np.mean(frozen.fit(X[few], s.y[few]).predict(X[rows]) == s.y[rows])


def alone(s, few, rows):
    """The better of two that see these labels and nothing else."""
    Z = reduced(s.X2, np.r_[s.pairs, few])
    models = [taught(model, Z[few], s.y[few]) for model in (logistic(), SVC())]
    return max(np.mean(model.predict(Z[rows]) == s.y[rows]) for model in models)


def soft(s, few, rows):
    """Soft pseudo-labels of the pairs, and these labels."""
    X1, Z = reduced(s.X1, np.r_[s.labelled, s.pairs]), reduced(s.X2, np.r_[s.pairs, few])
    source = logistic().fit(X1[s.labelled], s.y[s.labelled])
    proba, n, classes = source.predict_proba(X1[s.pairs]), len(s.pairs), source.classes_
    X = np.vstack([np.repeat(Z[s.pairs], len(classes), axis=0), Z[few]])
    y = np.r_[np.tile(classes, n), s.y[few]]
    student = logistic().fit(X, y, np.r_[proba.ravel(), np.ones(len(few))])
    return np.mean(student.predict(Z[rows]) == s.y[rows])


def measure_split(s, seed):
    """Accuracies (counts, columns) of a split."""
    half = np.random.default_rng(seed).permutation(s.test)
    shown, rows = half[: len(half) // 2], half[len(half) // 2 :]
    X, model = fitted(s, shown[:0])
    without, figures = np.mean(model.predict(X[rows]) == s.y[rows]), []
    for count in COUNTS:
        few = np.concatenate([shown[s.y[shown] == c][:count] for c in np.unique(s.y)])
        others = (method(s, few, rows) for method in (own, alone, soft))
        figures.append([without, *others, calibrated(s, few, rows, X, model)])
    return figures


def study(task, options):
    """Means over splits, printed."""
    splits, _ = drawn(task, options.data, options.seeds)
    means = np.mean([measure_split(s, seed) for seed, s in enumerate(splits)], axis=0)
    for count, row in zip(COUNTS, means, strict=True):
        print(f"{task:26s} {count:3d}", *(f"{value:8.3f}" for value in row), flush=True)
    return means


def report(results):
    """Means over tasks, and differences with their standard errors."""
    every = np.array(list(results.values()))
    for i, count in enumerate(COUNTS):
        without, with_them = every[:, i, 0], every[:, i, 1]
        best = every[:, i, [0, 2, 3, 4]].max(axis=1)
        parts = [f"{value:8.3f}" for value in every[:, i].mean(axis=0)]
        for name, gain in (("gain", with_them - without), ("ahead", with_them - best)):
            error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.nan
            parts.append(f"{name} {gain.mean():+.3f} ± {error:.3f}, worst {gain.min():+.3f}")
        print(f"{'mean':26s} {count:3d}", *parts)


def draw(results, folder):
    """Mean accuracy over the number of labels, with its standard error over tasks."""
    import matplotlib.pyplot as plt

    every, names = np.array(list(results.values())), dict(zip(COLUMNS, LEGEND, strict=True))
    gaps = every - every.mean(axis=2, keepdims=True)  # what tasks differ in says nothing
    error = gaps.std(axis=0, ddof=1) / np.sqrt(len(every)) if len(every) > 1 else 0 * every[0]
    figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
    for j, name in enumerate(COLUMNS):
        style = {"linewidth": 2.5} if name == "with" else {"linewidth": 1.2, "linestyle": "--"}
        mean = every[:, :, j].mean(axis=0)
        ax.errorbar(COUNTS, mean, error[:, j], label=names[name], capsize=2, **style)
    ax.set(xscale="log", xticks=COUNTS, xticklabels=COUNTS, ylabel="accuracy")
    ax.set_xlabel("labelled rows of the target a class")
    ax.set_title(f"A few labels of the target, mean of {len(every)} tasks")
    ax.minorticks_off()
    ax.legend(frameon=False, fontsize=8)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "few_labels.png", dpi=110)


def main():
    options = arguments(__doc__, draws=True)
    warnings.simplefilter("ignore")
    print(f"{'':26s}    ", *(f"{name:>8s}" for name in COLUMNS), flush=True)
    with threadpool_limits(1):
        results, absent = run_each(options.tasks, lambda task: study(task, options))
    if results:
        report(results)
        if options.output:
            draw(results, options.output)
    print(*absent, sep="\n")
    return int(not results)


if __name__ == "__main__":
    sys.exit(main())
