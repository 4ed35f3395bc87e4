"""What theory promises, on data of known truth: counting, refusing, few pairs.

python benchmarks/synthetic.py [--draws 100]
"""

import argparse
import sys
import warnings

import numpy as np
from sklearn.covariance import oas
from sklearn.linear_model import LogisticRegression

from skalign import CrossModalTransferClassifier, NullSpaceAligner


def shared(rng, n, d, k, rho):
    """Pairs of width d with k canonical correlations rho, in random coordinates."""
    z, noise = rng.normal(size=(n, k)), np.sqrt(1 / rho - 1)
    blocks = []
    for _ in range(2):
        X = rng.normal(size=(n, d))
        X[:, :k] = (z + noise * X[:, :k]) / np.sqrt(1 + noise**2)
        blocks.append(X @ np.linalg.qr(rng.normal(size=(d, d)))[0])
    return blocks


def count_components(draws):
    """Share of draws in which the automatic number of components is within one of the truth.

    Only where a correlation can be seen at all: the squared population correlation is above
    1.5 times the threshold of Bao, Hu, Pan & Zhou (2019), ``c / (1 - c)`` for c = d / n.
    """
    print("Automatic number of components within one of the truth, by n, d and k (rho .5, .7, .9)")
    hits = total = 0
    for n in (100, 200, 500, 2000):
        for d in (8, 20, 40):
            for k in (1, 3, 6):
                row = []
                for rho in (0.5, 0.7, 0.9):
                    if rho**2 <= 1.5 * d / (n - d):
                        row.append("   -")
                        continue
                    found = []
                    for seed in range(draws):
                        rng = np.random.default_rng(seed)
                        aligner = NullSpaceAligner().fit(np.hstack(shared(rng, n, d, k, rho)))
                        nothing = aligner.pvalues_[0] > 0.01
                        found.append(0 if nothing else aligner.n_components_)
                    near = np.abs(np.array(found) - k) <= 1
                    hits, total = hits + near.sum(), total + len(near)
                    row.append(f"{near.mean():4.2f}")
                print(f"  n {n:5d}  d {d:3d}  k {k}   " + "  ".join(row))
                print(f"{n} {d} {k}", file=sys.stderr, end="\r")
    print(f"  all: {hits / total:.3f} of {total} draws")


def refusals(draws):
    """Share of draws refused: shuffled pairs, and true ones with one correlation of 0.5."""
    shuffled = true = weak = 0
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        X1, X2 = shared(rng, 200, 8, 3, 0.7)
        y = (X1 @ rng.normal(size=8) > 0).astype(int)
        shuffled += refused(X1, rng.permutation(X2), y)
        true += refused(X1, X2, y)
        X1, X2 = shared(rng, 200, 8, 1, 0.5)
        weak += refused(X1, X2, (X1 @ rng.normal(size=8) > 0).astype(int))
    print("Refused, n = 200, d = 8 + 8")
    print(f"  shuffled pairs              {shuffled:4d} of {draws}")
    print(f"  three correlations of 0.7   {true:4d} of {draws}")
    print(f"  one correlation of 0.5      {weak:4d} of {draws}")


def refused(X1, X2, y):
    """Whether fit says that nothing is shared."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CrossModalTransferClassifier().fit(np.hstack([X1, X2]), y)
    return any("share nothing" in str(w.message) for w in caught)


def few_pairs(draws):
    """Accuracy on the target over the number of pairs, beside OAS-CCA with logistic regression."""
    print("Few pairs: k = 9, 10 classes, d = 50 + 50, noise 3, 500 labelled; mean accuracy")
    print("   deviation of means   pairs   OAS-CCA + LR   skalign   supervised")
    for deviation in (3, 2, 1.5):
        for n_pairs in (60, 100, 500, 2000):
            rows = [few_pairs_once(seed, n_pairs, deviation) for seed in range(draws)]
            cells = "   ".join(f"{mean:12.4f}" for mean in np.mean(rows, axis=0))
            print(f"  {deviation:18.1f}   {n_pairs:6d}   {cells}", flush=True)


def clusters(seed, n_pairs, deviation, n_alone=0):
    """Ten classes in nine shared dimensions, whose means have that deviation; 50 + 50 columns.

    Both blocks, labels, and rows: labelled, pairs, test, source alone, target alone.
    """
    rng = np.random.default_rng(seed)
    means, maps = deviation * rng.normal(size=(10, 9)), rng.normal(size=(2, 9, 50))
    sizes = [500, n_pairs, 1000, n_alone, n_alone]
    y = rng.integers(10, size=sum(sizes))
    z = means[y] + rng.normal(size=(len(y), 9))
    X1, X2 = (z @ m + 3 * rng.normal(size=(len(y), 50)) for m in maps)
    return X1, X2, y, *np.split(np.arange(len(y)), np.cumsum(sizes)[:-1])


def few_pairs_once(seed, n_pairs, deviation):
    """One draw: accuracy on the target by shrunk CCA, by skalign, and with true labels."""
    X1, X2, y, labelled, pairs, test, *_ = clusters(seed, n_pairs, deviation)
    Z1, Z2 = canonical_variates(X1, X2, pairs, 9)
    of_variates = LogisticRegression(max_iter=2000).fit(Z1[labelled], y[labelled])
    cca = of_variates.score(Z2[test], y[test])
    X = np.hstack([X1, X2])
    X[labelled, 50:] = np.nan
    rows = np.r_[labelled, pairs]
    model = CrossModalTransferClassifier(LogisticRegression(max_iter=2000))
    model.fit(X[rows], np.where(np.isin(rows, labelled), y[rows], -1))
    ceiling = LogisticRegression(max_iter=2000).fit(X2[:-1000], y[:-1000]).score(X2[test], y[test])
    return cca, model.score(X[test], y[test]), ceiling


def canonical_variates(X1, X2, pairs, k):
    """First variates of all rows; covariances of the pairs by oracle approximating shrinkage."""
    white = []
    for X in (X1, X2):
        X = X - X[pairs].mean(axis=0)
        values, vectors = np.linalg.eigh(oas(X[pairs], assume_centered=True)[0])
        white.append(X @ (vectors / np.sqrt(np.maximum(values, 1e-10 * values[-1]))))
    left, _, right = np.linalg.svd(white[0][pairs].T @ white[1][pairs])
    return white[0] @ left[:, :k], white[1] @ right[:k].T


def main():
    """Print the three studies."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--draws", type=int, default=100)
    draws = parser.parse_args().draws
    refusals(draws)
    few_pairs(max(1, draws // 10))
    warnings.simplefilter("ignore")
    count_components(max(1, draws // 10))


if __name__ == "__main__":
    main()
