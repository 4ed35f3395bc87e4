"""Classes that no hyperplane tells apart, beside students of pseudo-labels that bend.

The target has two columns that show a shape, and columns of noise; the source has the classes,
with noise of its own, so that its classifier is right on some .95 to .98 of the rows. Other rows
are classified from the target alone. Students are an SVC and histogram gradient boosting, taught
by what the source decides on the pairs.

    python benchmarks/curved.py
    python benchmarks/curved.py --shapes spiral --pairs 300 30000 --draws 1
"""

import argparse
import warnings

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skalign import CrossModalTransferClassifier, NullSpaceAligner

LABELLED, TEST = 500, 1000


def rings(rng, n):
    """Three rings around the origin."""
    y, angle = rng.integers(3, size=n), rng.uniform(0, 2 * np.pi, size=n)
    radius = 1 + y + 0.15 * rng.normal(size=n)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), y


def spiral(rng, n):
    """Two arms that wind twice around each other."""
    y, along = rng.integers(2, size=n), np.sqrt(rng.random(n)) * 4 * np.pi
    angle, radius = along + np.pi * y, along / (2 * np.pi)
    arms = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    return arms + 0.06 * rng.normal(size=(n, 2)), y


def checkerboard(rng, n):
    """Six squares by six, of two colours."""
    Z = rng.uniform(0, 6, size=(n, 2))
    return Z, np.floor(Z).sum(axis=1).astype(int) % 2


def xor(rng, n):
    """Four heaps, of which opposite ones are alike."""
    signs = rng.choice([-1, 1], size=(n, 2))
    return signs + 0.35 * rng.normal(size=(n, 2)), (signs.prod(axis=1) > 0).astype(int)


SHAPES = {f.__name__: f for f in (rings, spiral, checkerboard, xor)}


def accuracies(shape, n_noise, n_pairs, seed):
    """Accuracy on test rows: skalign, SVC, boosting; and whether skalign has refused."""
    rng = np.random.default_rng(seed)
    target, y = SHAPES[shape](rng, LABELLED + n_pairs + TEST)
    target = np.column_stack([target, rng.normal(size=(len(y), n_noise))])
    source = np.eye(y.max() + 1)[y] + 0.33 * rng.normal(size=(len(y), y.max() + 1))
    source = np.column_stack([source, rng.normal(size=(len(y), 3))])
    L, P, T = np.split(np.arange(len(y)), [LABELLED, LABELLED + n_pairs])

    teacher = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    told = teacher.fit(source[L], y[L]).predict(source[P])
    X, labels = np.hstack([source, target]), np.where(np.arange(len(y)) < LABELLED, y, -1)
    X[L, source.shape[1] :] = np.nan
    aligner = NullSpaceAligner(modalities=[source.shape[1], target.shape[1]])
    model = make_pipeline(StandardScaler(), CrossModalTransferClassifier(aligner=aligner))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model.fit(X[: LABELLED + n_pairs], labels[: LABELLED + n_pairs])
    X[T, : source.shape[1]] = np.nan
    students = make_pipeline(StandardScaler(), SVC()), HistGradientBoostingClassifier()
    found = [np.mean(model.predict(X[T]) == y[T])]
    found += [np.mean(s.fit(target[P], told).predict(target[T]) == y[T]) for s in students]
    return found, any("share nothing" in str(w.message) for w in said)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--pairs", nargs="+", type=int, default=[300, 1000, 3000], metavar="N")
    parser.add_argument("--noise", nargs="+", type=int, default=[0, 8], metavar="COLUMNS")
    parser.add_argument("--draws", type=int, default=3)
    args = parser.parse_args()
    print("| shape | noise columns | pairs | skalign | SVC | boosting | behind | refused |")
    print("|---|---|---|---|---|---|---|---|")
    for shape in args.shapes:
        for n_noise in args.noise:
            for n_pairs in args.pairs:
                runs = [accuracies(shape, n_noise, n_pairs, seed) for seed in range(args.draws)]
                ours, *students = np.mean([found for found, _ in runs], axis=0)
                line = [*(f"{a:.3f}" for a in (ours, *students)), f"{max(students) - ours:+.3f}"]
                refused = sum(refused for _, refused in runs)
                line += [f"{refused} of {args.draws}"]
                print(
                    "|", shape, "|", n_noise, "|", n_pairs, "|", " | ".join(line), "|", flush=True
                )


if __name__ == "__main__":
    main()
