"""What rows without a partner are worth, over the number of pairs.

Samples fall into labelled rows of the source, pairs, rows of the source alone, rows of the target
alone, and a test of the target. skalign is fitted on the first two, and on all of them:

    python benchmarks/semi_paired.py [--seeds 3] [--output figures]

Synthetic tasks have 10 classes of standard deviation 2 and 1.5 in 9 shared dimensions, 50 + 50
columns, noise 3, 500 labelled rows and 2000 rows apart in each modality. The others are those of
``transfer_quality.py``: of its pairs some are kept, and half of the rest is left in each modality.
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from synthetic import canonical_variates, clusters
from transfer_quality import TASKS, logistic, splits

from skalign import CrossModalTransferClassifier, NullSpaceAligner

LEGEND = ("shrunk CCA + LR", "skalign, paired rows", "skalign, all rows", "LR, true labels")
SIZES = (30, 60, 120, 250, 500, 2000)
SYNTHETIC = {"synthetic, apart": 2.0, "synthetic, close": 1.5}
LARGE = [task for task in TASKS if task.split(":")[0] in ("digits", "mfeat", "htad", "watch")]
METHODS = ("shrunk CCA", "paired rows", "all rows", "true labels")


def subsampled(task, n_pairs, seed):
    """Data of a package as :func:`synthetic.clusters` gives them; None where pairs are too few."""
    s = list(splits(task, seed + 1))[seed]
    pairs = np.random.default_rng(seed).permutation(s.pairs)
    if n_pairs > 0.75 * len(pairs):
        return None
    left = pairs[n_pairs:]
    half = len(left) // 2
    return s.X1, s.X2, s.y, s.labelled, pairs[:n_pairs], s.test, left[:half], left[half:]


def measure(X1, X2, y, labelled, pairs, test, source, target):
    """Accuracy of each of the methods on the test rows."""
    width = X1.shape[1]
    X = np.hstack([X1, X2])
    X[np.r_[labelled, source], width:] = np.nan
    X[np.r_[target, test], :width] = np.nan
    aligner = NullSpaceAligner(modalities=[width, X2.shape[1]])
    found = []
    for rows in (np.r_[labelled, pairs], np.r_[labelled, pairs, source, target]):
        known = np.where(np.isin(rows, labelled), y[rows], -1)
        model = make_pipeline(StandardScaler(), CrossModalTransferClassifier(aligner=aligner))
        found.append(model.fit(X[rows], known).score(X[test], y[test]))
    seen = np.r_[pairs, target]
    Z1 = StandardScaler().fit(X1[np.r_[labelled, pairs]]).transform(X1)
    Z2 = StandardScaler().fit(X2[seen]).transform(X2)
    true = logistic().fit(Z2[seen], y[seen]).score(Z2[test], y[test])
    k = min(len(np.unique(y)) - 1, width, X2.shape[1])
    Z1, Z2 = canonical_variates(Z1, Z2, pairs, k)
    of_variates = logistic().fit(Z1[labelled], y[labelled])
    return of_variates.score(Z2[test], y[test]), *found, true


def curve(task, n_seeds):
    """Accuracy {number of pairs: (draws, methods)}."""
    rows = {}
    for n_pairs in SIZES:
        runs = []
        for seed in range(n_seeds):
            if task in SYNTHETIC:
                data = clusters(seed, n_pairs, SYNTHETIC[task], n_alone=2000)
            else:
                data = subsampled(task, n_pairs, seed)
            if data is not None:
                runs.append(measure(*data))
        if runs:
            rows[n_pairs] = np.array(runs)
    return rows


def draw(results, folder):
    """Means over the number of pairs: of draws of synthetic tasks, and of the real tasks."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, len(results), figsize=(3.6 * len(results), 3.6), layout="constrained", sharey=True
    )
    for ax, (name, rows) in zip(np.atleast_1d(axes), results.items(), strict=True):
        sizes, runs = list(rows), list(rows.values())
        means = np.array([values.mean(axis=0) for values in runs])
        errors = np.array([standard_error(values) for values in runs])
        for column, style in enumerate(
            [
                {"color": "#009E73", "marker": "^", "linewidth": 1},
                {"color": "#0072B2", "marker": "s", "linewidth": 1},
                {"color": "#D55E00", "marker": "o", "linewidth": 2},
                {"color": "0.3", "linestyle": "--", "linewidth": 1},
            ]
        ):
            middle, error = means[:, column], errors[:, column]
            ax.plot(sizes, middle, label=LEGEND[column], markersize=4, **style)
            ax.fill_between(
                sizes, middle - error, middle + error, color=style["color"], alpha=0.2, linewidth=0
            )
        ax.set(xscale="log", xlabel="pairs", title=name)
        ax.set_xticks(sizes, [str(size) for size in sizes])
        ax.minorticks_off()
        ax.spines[["top", "right"]].set_visible(False)
    first = np.atleast_1d(axes)[0]
    first.set_ylabel("accuracy on the target")
    figure.suptitle("Accuracy over the number of pairs; bands: standard error over draws or tasks")
    figure.legend(
        *first.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False
    )
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "semi_paired.png", dpi=110)
    print("Figure:", folder / "semi_paired.png")


def standard_error(values):
    """Of the mean of rows."""
    n = len(values)
    return values.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.zeros(values.shape[1])


def main():
    """Print a table, and draw it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3, help="draws (default: %(default)s)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="write the figure here")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    results, absent = {}, []
    print(f"{'':26s}  pairs", *(f"{name:>12s}" for name in METHODS))
    for task in [*SYNTHETIC, *LARGE]:
        print(f"... {task}", file=sys.stderr, flush=True)
        try:
            results[task] = curve(task, options.seeds)
        except ModuleNotFoundError as error:
            absent.append(f"Not run: {task} (package {error.name} is missing)")
            continue
        for n_pairs, runs in results[task].items():
            row = runs.mean(axis=0)
            print(f"{task:26s} {n_pairs:6d}", *(f"{v:12.3f}" for v in row), flush=True)
    shown = {task: results[task] for task in SYNTHETIC}
    real = [results[task] for task in LARGE if task in results]
    common = [n for n in SIZES if all(n in rows for rows in real)]
    shown[f"mean of {len(real)} real tasks"] = rows = {
        n: np.array([r[n].mean(axis=0) for r in real]) for n in common
    }
    for n_pairs, tasks in rows.items():
        row = tasks.mean(axis=0)
        print(f"{'mean of real tasks':26s} {n_pairs:6d}", *(f"{v:12.3f}" for v in row))
    print(*absent, sep="\n")
    if options.output is not None:
        draw(shown, options.output)


if __name__ == "__main__":
    main()
