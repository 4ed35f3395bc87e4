"""Whether tests of "modalities share nothing" hold their level on rows that depend on each other.

Rows are Gaussian, of heavy tails, lognormal, one-hot or rarely lit; drawn apart, or in groups that
are AR(1) series each, with a level of their own. Of modalities that know nothing of each other a
share of .05 may have a p-value below .05. Columns: Roy's p-value of the aligner, permutations of
rows, permutations of groups, and the p-value of a Kolmogorov-Smirnov test that the latter are too
small. Then the same where half of the variance of each column is common to both modalities.

With `--refusals`, how often a transfer says that pairs share nothing, of as many fits.

    python benchmarks/dependent_rows.py --draws 500      # ten minutes
    python benchmarks/dependent_rows.py --refusals 50    # ten minutes
"""

import argparse
import warnings

import numpy as np
from scipy.signal import lfilter
from scipy.stats import kstest, norm, t
from sklearn.linear_model import LogisticRegression
from sklearn.utils.parallel import Parallel, delayed

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.model_selection import permutation_test

WIDTH, WARM_UP = 4, 100
LAWS = {
    "Gaussian": lambda Z: Z,
    "t(3)": lambda Z: t.ppf(norm.cdf(Z), 3),
    "lognormal": np.exp,
    "one-hot": lambda Z: np.eye(Z.shape[1])[Z.argmax(axis=1)][:, 1:],
    "rarely lit": lambda Z: (Z > 1.8).astype(float),
}
# groups, rows of each, whether sizes differ threefold, memory of a series, variance of its level
SHAPES = {
    "360 rows": (360, 1, False, 0.0, 0.0),
    "12 series of 30": (12, 30, False, 0.9, 0.0),
    "12 series of 30, own levels": (12, 30, False, 0.9, 1.0),
    "12 series of 15 to 45": (12, 30, True, 0.9, 1.0),
    "40 series of 10, own levels": (40, 10, False, 0.9, 1.0),
    "3 series of 200": (3, 200, False, 0.9, 1.0),
    "one series of 500": (1, 500, False, 0.9, 0.0),
}


def series(rng, sizes, width, memory, level):
    """AR(1) series of variance one, each about a level of its own, one below the other."""
    parts = []
    for n in sizes:
        steps = rng.normal(size=(n + WARM_UP, width)) * np.sqrt(1 - memory**2)
        walk = lfilter([1], [1, -memory], steps, axis=0)[WARM_UP:]
        parts.append(walk + np.sqrt(level) * rng.normal(size=width))
    return np.concatenate(parts) / np.sqrt(1 + level)


def draw(seed, shape, common=0.0):
    """Two modalities, of each of whose columns a share of the variance is common, and groups."""
    n_groups, n, unequal, memory, level = SHAPES[shape]
    rng = np.random.default_rng(seed)
    sizes = rng.integers(n // 2, 3 * n // 2 + 1, n_groups) if unequal else [n] * n_groups
    both = [series(rng, sizes, WIDTH, memory, level) for _ in range(3)]
    shared = np.sqrt(common) * both.pop()
    return [shared + np.sqrt(1 - common) * Z for Z in both], np.repeat(np.arange(n_groups), sizes)


def pvalues(seed, shape, law, common, n_permutations):
    """By Roy's largest root, by permutations of rows, and by permutations of groups."""
    blocks, groups = draw(seed, shape, common)
    blocks = [LAWS[law](Z) for Z in blocks]
    aligner = NullSpaceAligner(modalities=[Z.shape[1] for Z in blocks])
    X = np.hstack(blocks)
    options = {"n_permutations": n_permutations, "random_state": seed}
    options["modalities"] = aligner.modalities
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        roy = aligner.fit(X).pvalues_[0]
    by_rows = permutation_test(X, **options)[2]
    if len(groups) == len(np.unique(groups)):
        return roy, by_rows, by_rows
    return roy, by_rows, permutation_test(X, groups=groups, **options)[2]


def study(shape, law, common, options):
    """Print how often each p-value is small."""
    found = Parallel(n_jobs=options.jobs)(
        delayed(pvalues)(seed, shape, law, common, options.permutations)
        for seed in range(options.draws)
    )
    found = np.array(found)
    small = np.mean(found <= 0.05, axis=0)
    uniform = kstest(found[:, 2], "uniform", alternative="greater").pvalue
    cells = [*(f"{share:8.3f}" for share in small), f"{np.mean(found[:, 2] <= 0.01):8.3f}"]
    last = "" if common else f"{uniform:8.3f}"
    print(f"  {shape:28s} {law:11s}", *cells, last, flush=True)


def refused(seed, shape, common, shuffled, grouped):
    """Whether a transfer finds that pairs share nothing; the class is told by one modality."""
    (source, target), groups = draw(seed, shape, common)
    rng = np.random.default_rng(seed)
    target = rng.permutation(target) if shuffled else target
    y = (source @ rng.normal(size=WIDTH) > 0).astype(int)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = CrossModalTransferClassifier(LogisticRegression(max_iter=1000))
        model.fit(np.hstack([source, target]), y, groups=groups if grouped else None)
    return any("share nothing" in str(w.message) for w in caught)


def refusals(options):
    """Print how often fits refuse, with groups and without."""
    print("Share of transfers that refuse                            groups     rows")
    for what, common, shuffled in [("unrelated", 0, 0), ("shuffled", 0.7, 1), ("pairs", 0.7, 0)]:
        for shape in ["12 series of 30", "12 series of 15 to 45", "3 series of 200"]:
            both = []
            for grouped, draws in ((True, options.refusals), (False, options.refusals // 4)):
                given = shape, common, shuffled, grouped
                both.append(np.mean([refused(seed, *given) for seed in range(draws)]))
            print(f"  {what:20s} {shape:28s}", *(f"{share:8.3f}" for share in both), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--draws", type=int, default=500, help="(default: %(default)s)")
    parser.add_argument("--permutations", type=int, default=199, help="(default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument("--refusals", type=int, default=0, metavar="DRAWS")
    options = parser.parse_args()
    if options.refusals:
        refusals(options)
        return
    header = " " * 43 + "     Roy     rows   groups   at .01       KS"
    print(f"Independent modalities: share of p-values up to .05\n{header}")
    for law in LAWS:
        study("360 rows", law, 0.0, options)
    for shape in list(SHAPES)[1:]:
        for law in LAWS if "own levels" in shape else ["Gaussian", "lognormal"]:
            study(shape, law, 0.0, options)
    print(f"Half of the variance in common: share of p-values up to .05\n{header}")
    for shape in SHAPES:
        study(shape, "Gaussian", 0.5, options)


if __name__ == "__main__":
    main()
