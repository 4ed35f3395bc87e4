"""How well cross-validated agreement on pairs ranks settings against the hidden truth.

Tasks and splits are those of `transfer_quality.py`. Every setting is fitted in five folds of the
pairs, or by subject where there are subjects; labelled rows always train. Held-out pairs give the
agreement, which sees no label, and for comparison the accuracy of the target by their true labels.
The truth is the accuracy on the test third, from the target alone, after a fit on all pairs.

    python benchmarks/agreement.py                             # ten minutes
    python benchmarks/agreement.py --tasks htad:audio-wrist --seeds 1 --details

Two grids: in one the source classifier is fixed, so that settings differ in how labels cross; in
the other source classifiers vary, so that agreement is measured by a different stick each time.
There the accuracy of the source in cross-validation of its own labelled rows helps: "in steps"
takes the best source first and then the rest by agreement, "product" multiplies the two.
"""

import argparse
import sys
import warnings
from collections import defaultdict

import numpy as np
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GroupKFold, KFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from transfer_quality import FAMILIES, TASKS, logistic, run_each, splits, stacked

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.model_selection import agreement_scorer

# -- settings -------------------------------------------------------------------------------------

SOURCES = {
    "LR": logistic(),
    "LR C=.001": LogisticRegression(C=1e-3, max_iter=1000),
    "5-NN": KNeighborsClassifier(5),
    "naive Bayes": GaussianNB(),
    "tree": DecisionTreeClassifier(max_depth=5, random_state=0),
}
GRIDS = {"fixed": "source classifier fixed", "varied": "source classifier varied"}


def grid(s):
    """Settings by (source, rest), the default first: aligned dimensions, mixture, shrinkage.

    Without a mixture ``n_components="auto"`` looks at the whole target, any other number at the
    aligned span.
    """
    n_classes = s.y.max() + 1
    most = min(s.X1.shape[1], s.X2.shape[1], len(s.pairs) // 2)
    widths = [k for k in (2, 5, 10, 20) if k <= most]
    rest = {"default": ("auto", None, "auto")} | {f"k={k}": (k, None, "auto") for k in widths}
    tied, diag = (n_classes, "tied"), (2 * n_classes, "diag")
    for k in ["auto", *widths[1:]]:
        rest[f"k={k} tied"] = k, tied, "auto"
    for k in widths[1:]:
        rest[f"k={k} diag"] = k, diag, "auto"
    rest["k=5 shrunk .5"] = 5, None, 0.5
    fixed = {("LR", name): setting for name, setting in rest.items()}
    some = ["default", "k=5", "k=5 diag"]
    varied = {(source, name): rest[name] for source in SOURCES for name in some}
    return fixed, varied


def build(s, source, setting):
    n_components, mixture, shrinkage = setting
    if mixture is not None:
        mixture = GaussianMixture(mixture[0], covariance_type=mixture[1], reg_covar=1e-3)
    aligner = NullSpaceAligner(
        n_components, modalities=[s.X1.shape[1], s.X2.shape[1]], shrinkage=shrinkage
    )
    transfer = CrossModalTransferClassifier(
        SOURCES[source],
        aligner=aligner,
        mixture=mixture,
        target_space="whole" if n_components == "auto" else "aligned",
        random_state=0,
    )
    return make_pipeline(StandardScaler(), transfer)


# -- figures of one setting -----------------------------------------------------------------------


def folds(rows, subject, seed):
    """Cut rows in five, or by subject."""
    if subject is None:
        return KFold(5, shuffle=True, random_state=seed).split(rows)
    who = subject[rows]
    return GroupKFold(min(5, len(np.unique(who)))).split(rows, groups=who)


def source_accuracy(s, subject, seed, source):
    """By cross-validation of the labelled rows."""
    model = make_pipeline(StandardScaler(), SOURCES[source])
    X, y = s.X1[s.labelled], s.y[s.labelled]
    return cross_val_score(model, X, y, cv=folds(s.labelled, subject, seed)).mean()


def measure(s, subject, seed, source, setting):
    """Agreement, and accuracy of the target, on held-out pairs; its accuracy on the test."""
    X, y = stacked(s)
    agreement, by_labels = [], []
    for train, held_out in folds(s.pairs, subject, seed):
        rows, held_out = np.r_[s.labelled, s.pairs[train]], s.pairs[held_out]
        model = build(s, source, setting).fit(X[rows], y[rows])
        agreement.append(agreement_scorer(model, X[held_out]))
        by_labels.append(model.score(X[held_out], s.y[held_out]))
    rows = np.r_[s.labelled, s.pairs]
    model = build(s, source, setting).fit(X[rows], y[rows])
    return {
        "agreement": np.mean(agreement),
        "by labels": np.mean(by_labels),
        "truth": model.score(X[s.test], s.y[s.test]),
    }


# -- figures of a grid ----------------------------------------------------------------------------


def judge(found):
    """What choosing from a grid gives; ``found`` holds figures by setting, the default first."""
    truth, agreement, by_labels, source = (
        np.array([figures[key] for figures in found.values()])
        for key in ("truth", "agreement", "by labels", "source")
    )
    of_best_source = np.where(source == source.max(), agreement, -np.inf)
    product = np.maximum(agreement, 0) * source
    return {
        "settings": len(truth),
        "rank corr.": rank_correlation(agreement, truth),
        "by labels": rank_correlation(by_labels, truth),
        "median": np.median(truth),
        "default": truth[0],
        "agreement": truth[np.argmax(agreement)],
        "in steps": truth[np.argmax(of_best_source)],
        "product": truth[np.argmax(product)],
        "labels": truth[np.argmax(by_labels)],
        "best": truth.max(),
    }


def rank_correlation(a, b):
    return spearmanr(a, b).statistic if np.ptp(a) > 0 and np.ptp(b) > 0 else np.nan


def study(task, n_seeds, details):
    """Means over seeds of what `judge` says, by grid."""
    subject = FAMILIES[task.split(":")[0]][0]()[2]
    verdicts = {name: [] for name in GRIDS}
    for seed, s in enumerate(splits(task, n_seeds)):
        fixed, varied = grid(s)
        quality = {source: source_accuracy(s, subject, seed, source) for source in SOURCES}
        found = {
            (source, name): measure(s, subject, seed, source, setting)
            for (source, name), setting in (fixed | varied).items()
        }
        for (source, _), figures in found.items():
            figures["source"] = quality[source]
        if details:
            show(task, seed, found)
        for name, settings in zip(GRIDS, (fixed, varied), strict=True):
            verdicts[name].append(judge({setting: found[setting] for setting in settings}))
    return {name: means(runs) for name, runs in verdicts.items()}


def means(runs):
    columns = defaultdict(list)
    for run in runs:
        for key, value in run.items():
            columns[key].append(value)
    return {key: float(np.nanmean(values)) for key, values in columns.items()}


# -- tables ---------------------------------------------------------------------------------------


def show(task, seed, found):
    print(f"{task}, seed {seed}: settings by agreement")
    print(" " * 28, *(f"{key:>9s}" for key in next(iter(found.values()))))
    for setting, figures in sorted(found.items(), key=lambda item: -item[1]["agreement"]):
        print(f"{', '.join(setting):28s}", *(f"{value:9.3f}" for value in figures.values()))
    print(flush=True)


def table(title, rows):
    """Print rows {task: {column: number}}, their means and medians."""
    columns = list(next(iter(rows.values())))
    values = np.array([[row[c] for c in columns] for row in rows.values()])
    shown = dict(zip(rows, values, strict=True))
    shown |= {"mean": np.nanmean(values, axis=0), "median": np.nanmedian(values, axis=0)}
    print(title, "\n" + " " * 24, *(f"{c:>10s}" for c in columns))
    for name, numbers in shown.items():
        print(f"{name:24s}", *(f"{number:10.3f}" for number in numbers))
    print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS, metavar="TASK")
    parser.add_argument("--seeds", type=int, default=2, help="splits (default: %(default)s)")
    parser.add_argument("--details", action="store_true", help="figures of every setting")
    options = parser.parse_args()
    warnings.simplefilter("ignore")

    results, absent = run_each(
        options.tasks, lambda task: study(task, options.seeds, options.details)
    )
    if results:
        print(
            "Rank correlations of agreement, and of accuracy by the pairs' true labels, with the"
        )
        print("accuracy on the test; then that accuracy: of the grid's median, of the default, as")
        print("chosen by agreement, in steps, by the product, by true labels of the pairs, and of")
        print("the best.\n")
        for name, title in GRIDS.items():
            table(title.capitalize(), {task: found[name] for task, found in results.items()})
    print(*absent, sep="\n")
    return int(not results)


if __name__ == "__main__":
    sys.exit(main())
