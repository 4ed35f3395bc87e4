"""How often modalities that know nothing of each other are taken for related.

Rows are Gaussian, of heavy tails, lognormal, one-hot or rarely lit, drawn apart, or in twelve
series that are AR(1) each about a level of its own. Printed are shares of draws.

- p-values up to .05 and up to .01: `pvalues_` of the aligner, for two modalities and for three,
  and `permutation_test` by rows and by groups;
- fits that say nothing of chance, which shall be one in a hundred where a test decides: transfers
  of numbers by the rule and, with groups, by the test; transfers of classes without groups and
  with them, of a frozen source that is sure, and finds a class in a tenth of rows.

    python benchmarks/levels.py --draws 100    # fifteen minutes on one core
"""

import argparse
import warnings

import numpy as np
from dependent_rows import LAWS, draw
from scipy.stats import norm
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils.parallel import Parallel, delayed

from skalign import CrossModalTransferClassifier, CrossModalTransferRegressor, NullSpaceAligner
from skalign.model_selection import permutation_test

SHAPES = ["360 rows", "12 series of 30, own levels"]
SHARE, LEVELS = 0.1, (0.05, 0.01)


class Threshold(ClassifierMixin, BaseEstimator):
    """Sure that a row is of the second class where its first column is high."""

    def fit(self, X, y=None):
        """Know two classes."""
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X):
        """Nought or one."""
        high = X[:, 0] > norm.isf(SHARE)
        return np.column_stack([~high, high]).astype(float)

    def predict(self, X):
        """Classes."""
        return self.predict_proba(X).argmax(axis=1)


def says_nothing(model, *given, **options):
    """Whether a fit is silent about chance."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*given, **options)
    return not any("share nothing" in str(w.message) for w in caught)


def blocks_of(seed, shape, law):
    """Three modalities that know nothing of each other, and groups."""
    (first, second), groups = draw(seed, shape)
    other = draw(10**6 + seed, shape)[0][0]
    return [LAWS[law](Z) for Z in (first, second, other)], groups


def pvalues(seed, shape, law, n_permutations=199):
    """By the aligner, of two modalities and of three; by permutations of rows and of groups."""
    blocks, groups = blocks_of(seed, shape, law)
    two, three = np.hstack(blocks[:2]), np.hstack(blocks)
    widths = [Z.shape[1] for Z in blocks]
    options = {"n_permutations": n_permutations, "random_state": seed}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        roy = NullSpaceAligner(modalities=widths[:2]).fit(two).pvalues_[0]
        of_three = NullSpaceAligner(modalities=widths, random_state=seed).fit(three).pvalues_[0]
    options["modalities"] = widths[:2]
    by_rows = permutation_test(two, **options)[2]
    return roy, of_three, by_rows, permutation_test(two, groups=groups, **options)[2]


def passes_as_numbers(seed, shape, law):
    """Transfers of numbers that are not refused: by the rule, and by the test with groups."""
    (source, target, _), groups = blocks_of(seed, shape, law)
    y, X = source @ np.random.default_rng(seed).normal(size=source.shape[1]), [source, target]
    aligner = NullSpaceAligner(modalities=[Z.shape[1] for Z in X])
    model, X = CrossModalTransferRegressor(aligner=aligner), np.hstack(X)
    return says_nothing(model, X, y), says_nothing(model, X, y, groups=groups)


def passes_as_classes(seed, shape, law):
    """Transfers of classes that are not refused: without groups, and with them."""
    (source, _, _), groups = blocks_of(seed, shape, "Gaussian")
    target = blocks_of(seed, shape, law)[0][1]
    aligner = NullSpaceAligner(modalities=[source.shape[1], target.shape[1]])
    model = CrossModalTransferClassifier(FrozenEstimator(Threshold().fit(source)), aligner=aligner)
    X = np.hstack([source, target])
    return says_nothing(model, X), says_nothing(model, X, None, groups=groups)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--draws", type=int, default=100, help="(default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument("--laws", nargs="+", default=list(LAWS), choices=list(LAWS))
    parser.add_argument("--tables", default="pnc", help="p-values, numbers, classes")
    options = parser.parse_args()
    tables = {
        "p": (pvalues, "p-values up to .05 and .01: two; three modalities; by rows; by groups"),
        "n": (passes_as_numbers, "Numbers that pass: by the rule, by groups"),
        "c": (passes_as_classes, "Classes that pass: without groups, with groups"),
    }
    for letter in options.tables:
        function, title = tables[letter]
        print(title)
        for shape in SHAPES:
            for law in options.laws:
                found = Parallel(n_jobs=options.jobs)(
                    delayed(function)(seed, shape, law) for seed in range(options.draws)
                )
                cells = np.mean(found, axis=0)[:, None]
                if letter == "p":
                    cells = np.array([np.mean(np.array(found) <= a, axis=0) for a in LEVELS]).T
                cells = [" ".join(f"{share:.3f}" for share in cell) for cell in cells]
                print(f"  {shape:28s} {law:11s}", "   ".join(cells), flush=True)


if __name__ == "__main__":
    main()
