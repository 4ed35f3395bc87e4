"""Classes that no pair has shown, told by prototypes of the source: accuracy beside other spaces.

Half of the classes, drawn by the seed, are unseen: all pairs, which have no label, are of the
other half. Prototypes are 1, 5 or all labelled source rows of a class. ``ZeroShotClassifier`` is
fitted with pairs and the prototypes of seen classes; those of unseen classes come by
``add_classes``. The test third is classified from the target alone, its unseen classes among
themselves ("unseen") and all of its rows among all classes ("all").

Beside it the nearest class mean of the prototypes, in the spaces of CCA of scikit-learn and
cca-zoo, where it is installed, by cosine, and that of the source's features, as ridge regression
predicts them from the target, by Euclidean distance and by cosine.

    python benchmarks/zero_shot.py [--seeds 5]
    python benchmarks/zero_shot.py --data FOLDER --tasks NAME_1_2 ...

Tasks are those of ``transfer_quality.py`` that have six classes or more; or those of a folder of
NAME.npz with X1, X2, ..., y and maybe groups: NAME_1_2 has the source X1 and the target X2.
"""

import argparse
import sys
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
from sklearn.cross_decomposition import CCA
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.preprocessing import StandardScaler
from transfer_quality import TASKS, Split, splits

from skalign import NullSpaceAligner, ZeroShotClassifier

SHOTS = {"1": 1, "5": 5, "all": sys.maxsize}
MOST_ROWS, FEWEST = 3000, 6


def from_folder(folder, task, n_seeds):
    """Yield a split into thirds per seed, by groups where there are any."""
    name, source, target = task.rsplit("_", 2)
    data = np.load(Path(folder) / f"{name}.npz")
    for seed in range(n_seeds):
        keep = np.random.default_rng(seed).permutation(len(data["y"]))[:MOST_ROWS]
        keep = keep[np.bincount(data["y"])[data["y"][keep]] >= FEWEST]
        y = np.unique(data["y"][keep], return_inverse=True)[1]
        X1, X2 = (data[f"X{m}"][keep].astype(np.float64) for m in (source, target))
        groups = data["groups"][keep] if "groups" in data.files else None
        kind = StratifiedKFold if groups is None else GroupKFold
        folds = kind(3, shuffle=True, random_state=seed).split(X1, y, groups)
        yield Split(X1, X2, y, *(third for _, third in folds))


def chosen(s, shots, rng):
    """So many labelled rows of each class."""
    of_classes = [s.labelled[s.y[s.labelled] == c] for c in np.unique(s.y)]
    return np.concatenate([rng.permutation(rows)[:shots] for rows in of_classes])


# -- methods: scores (n_test, C) of test rows, from pairs and prototypes --------------------------


def skalign(s, pairs, prototypes, unseen):
    X, width = np.hstack([s.X1, s.X2]), s.X1.shape[1]
    aligner = NullSpaceAligner(None, modalities=[width, s.X2.shape[1]])
    new = np.isin(s.y[prototypes], unseen)
    source, target = X[prototypes].copy(), X[s.test].copy()
    source[:, width:], target[:, :width] = np.nan, np.nan
    y = np.r_[np.full(len(pairs), -1), s.y[prototypes[~new]]]
    model = ZeroShotClassifier(aligner).fit(np.vstack([X[pairs], source[~new]]), y)
    model.add_classes(source[new], s.y[prototypes[new]])
    scores = np.full((len(s.test), s.y.max() + 1), -np.inf)
    scores[:, model.classes_] = model.predict_log_proba(target)
    return scores


def unit(Z):
    return Z / np.maximum(np.linalg.norm(Z, axis=1, keepdims=True), 1e-12)


def nearest(s, prototypes, source, target, cosine):
    """Scores of rows in one space by class means, of unit vectors if by cosine."""
    source, target = (unit(source), unit(target)) if cosine else (source, target)
    scores = np.full((len(target), s.y.max() + 1), -np.inf)
    for c in np.unique(s.y[prototypes]):
        mean = source[s.y[prototypes] == c].mean(axis=0)
        if cosine:
            scores[:, c] = target @ mean / max(np.linalg.norm(mean), 1e-12)
        else:
            scores[:, c] = -np.sum((target - mean) ** 2, axis=1)
    return scores


def scaled(s, pairs):
    return [StandardScaler().fit(X[pairs]).transform(X) for X in (s.X1, s.X2)]


def spaces(s, pairs):
    """Maps of all rows of source and target into one space, and whether cosines compare there."""
    X1, X2 = scaled(s, pairs)
    k = min(10, X1.shape[1], X2.shape[1], len(pairs) // 2)
    cca = CCA(k, scale=False, max_iter=1000).fit(X1[pairs], X2[pairs])
    yield "CCA", X1 @ cca.x_rotations_, X2 @ cca.y_rotations_, True
    try:
        from cca_zoo.linear import CCA as ZooCCA
    except ImportError:
        pass
    else:
        zoo = ZooCCA(n_components=k).fit([X1[pairs], X2[pairs]])
        yield "cca-zoo", *zoo.transform([X1, X2]), True
    ridge = RidgeCV(np.logspace(-2, 6, 17)).fit(X2[pairs], X1[pairs])
    predicted = ridge.predict(X2).reshape(X1.shape)
    yield "ridge", X1, predicted, False
    yield "ridge, cos", X1, predicted, True


def accuracies(s, scores, unseen):
    """Of the unseen classes among themselves, and of all."""
    y, new = s.y[s.test], np.isin(s.y[s.test], unseen)
    among = unseen[np.argmax(scores[new][:, unseen], axis=1)]
    return np.mean(among == y[new]), np.mean(np.argmax(scores, axis=1) == y)


def measure(s, seed):
    """Pairs of accuracies by shots and method."""
    rng, classes = np.random.default_rng(seed), np.unique(s.y)
    unseen = np.sort(rng.permutation(classes)[: len(classes) // 2])
    pairs = s.pairs[~np.isin(s.y[s.pairs], unseen)]
    known = list(spaces(s, pairs))
    found = {}
    for name, shots in SHOTS.items():
        prototypes = chosen(s, shots, rng)
        found[name, "skalign"] = accuracies(s, skalign(s, pairs, prototypes, unseen), unseen)
        for method, source, target, cosine in known:
            of_both = source[prototypes], target[s.test]
            scores = nearest(s, prototypes, *of_both, cosine)
            found[name, method] = accuracies(s, scores, unseen)
    return found


def report(results):
    """Accuracy of each method, and by how much skalign is ahead of the best other one."""
    methods = list(dict.fromkeys(method for found in results.values() for _, method in found))
    shown = "".join(f"{method:>16}" for method in methods)
    print(f"{'task':<22}{'prototypes':>11}{shown}   ahead, unseen   ahead, all   (mean, error)")
    ahead = defaultdict(list)
    for task, found in results.items():
        for name in SHOTS:
            rows = {m: np.array(found[name, m]) for m in methods if (name, m) in found}
            means = {m: row.mean(axis=0) for m, row in rows.items()}
            line = "".join(
                f"{means[m][0]:10.3f}/{means[m][1]:.3f}" if m in means else f"{'-':>16}"
                for m in methods
            )
            told = []
            for what in (0, 1):
                best = max((m for m in means if m != "skalign"), key=lambda m: means[m][what])
                gain = rows["skalign"][:, what] - rows[best][:, what]
                error = gain.std(ddof=1) / len(gain) ** 0.5 if len(gain) > 1 else np.nan
                told.append(f"  {gain.mean():+.3f} {error:.3f}")
                for m in rows:
                    ahead[name, m, what].append(means["skalign"][what] - means[m][what])
            print(f"{task:<22}{name:>11}{line}   {'  '.join(told)}", flush=True)
    print("\nskalign is ahead by, mean over tasks and its standard error: unseen; all")
    for method in methods:
        for name in SHOTS if method != "skalign" else ():
            both = [np.array(ahead[name, method, what]) for what in (0, 1)]
            error = [b.std(ddof=1) / len(b) ** 0.5 if len(b) > 1 else np.nan for b in both]
            parts = [f"{b.mean():+.3f} ± {e:.3f}" for b, e in zip(both, error, strict=True)]
            print(f"{method:>12}, {name:>3} a class: {'; '.join(parts)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", help="folder of npz files")
    parser.add_argument("--tasks", nargs="*", help="FAMILY:SOURCE-TARGET, or NAME_1_2 of a folder")
    options = parser.parse_args()
    if options.data and not options.tasks:
        parser.error("--data needs --tasks")
    warnings.simplefilter("ignore")  # of CCA that does not converge
    results = {}
    for task in options.tasks or TASKS:
        results[task] = defaultdict(list)
        try:
            if options.data:
                every = from_folder(options.data, task, options.seeds)
            else:
                every = splits(task, options.seeds)
            for seed, s in enumerate(every):
                if s.y.max() + 1 < FEWEST:
                    break
                for key, value in measure(s, seed).items():
                    results[task][key].append(value)
        except ModuleNotFoundError as error:
            print(f"{task}: {error.name} is not installed, passed over")
        if not results[task]:
            del results[task]
    report(results)


if __name__ == "__main__":
    main()
