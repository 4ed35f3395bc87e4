"""Options to draw, and what may come of a call: see test_small_cases.

Data are those of ``skalign.testing``. ``HYPOTHESIS_PROFILE=nightly`` runs ten times as many
examples, other ones each time.
"""

import os
import re
import traceback
import warnings
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from skalign.testing import paired_data

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"

# What a clear refusal names: a modality, a row, a parameter, or that X has too few rows.
PARAMETERS = (
    "n_components|modalities|whiten|center|shrinkage|tol|solver|estimator|aligner|mixture|source|"
    "target|predict_from"
)
CLEAR = re.compile(
    "|".join(
        [
            rf"\b({PARAMETERS})=|\bsample_weight\b|\bwidths\b",
            r"modality '?\w+|\brow \d+|\bblock \d+",
            r"X has (no pairs|one pair|no prototypes)|has \d+ pairs:|Found array with \d+ sample",
            r"no block is given|finds no row to test|needs \d+ at least",
            r"scale the features|X has dtype",
            r"\b(y|class_means) has (no |\d+ )|y mixes labels of types",
            r"span \d+ of \d+ dimensions|prototypes \d+ and \d+\b",
            # of scikit-learn's own
            r"n_neighbors <= |\bn_splits=",
        ]
    )
)
# What a clear warning says was done.
DONE = (
    r"keeps one component|predictions are (the class prior|those of its \d+ labelled rows)|"
    "they get the (class prior|mean of the pairs)|such classes can hardly be predicted|"
    "predictions are the mean of the pairs|rows that lack the source .* are not used|"
    r"leaves the gauge open"
)


def cases(n: int) -> settings:
    """Settings of a test that is worth ``n`` examples in a usual run."""
    return settings(
        max_examples=10 * n if NIGHTLY else n,
        derandomize=not NIGHTLY,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


# -- data -----------------------------------------------------------------------------------------

seeds = st.integers(0, 10_000)
harmless = st.lists(st.tuples(st.sampled_from(["copy", "sum"]), st.integers(0, 11)), max_size=2)


def plain(most=150, **fields):
    """Paired data of gaussian or whole numbers, in arrays as NumPy makes them."""
    single = st.sampled_from(["float64", "float32"])
    usual = {
        "n": st.one_of(st.integers(0, 12), st.integers(20, 60)),
        "widths": st.lists(st.integers(1, 4), min_size=2, max_size=3).map(tuple),
        "columns": st.sampled_from([("gaussian",), ("whole",)]),
        "powers": st.lists(st.integers(-most, most), max_size=3).map(tuple),
        "dtype": single if most <= 10 else "float64",
        "layout": "C",
        "weights": st.sampled_from(["none", "counts", "reals"]),
    }
    return paired_data(**{**usual, **fields})


# Options of the aligner. Those of ``decided`` leave no rank to rounding.
decided = {
    "n_components": st.sampled_from([None, 1, 2, 3]),
    "whiten": st.just(False),
    "center": st.just(False),
    "shrinkage": st.sampled_from([None, 0.0, 0.3, 1.0]),
    "tol": st.sampled_from([0.1, 0.5, 1.0]),
    "solver": st.sampled_from(["covariance", "qr"]),
}
decided_options = st.fixed_dictionaries({}, optional=decided)
aligner_options = st.fixed_dictionaries(
    {}, optional={**decided, "tol": st.sampled_from([0.0, 1e-8, 0.1, 0.5, 1.0])}
)


# -- what may come of a call ----------------------------------------------------------------------


def outcome(call):
    """What a call returns; None where it refuses and says why.

    Any other exception goes on, and a warning is one unless it says what was done.
    """
    try:
        return _answer(call)
    except RuntimeWarning as warning:
        if not _of_scikit_learn(warning):
            raise
        return _answer(call, "ignore")


def _answer(call, numpy_says="error"):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", f"(?s).*({DONE})", UserWarning)
        # a classifier or mixture of scikit-learn may speak for itself
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"sklearn\.")
        if numpy_says == "ignore":
            warnings.simplefilter("ignore", RuntimeWarning)
        try:
            return call()
        except ValueError as error:
            if CLEAR.search(str(error)):
                return None
            raise AssertionError(f"names no modality, row or parameter: {error}") from error


def _of_scikit_learn(warning):
    """Whether NumPy warns of what an estimator of scikit-learn does, by itself."""
    files = [frame.filename for frame in traceback.extract_tb(warning.__traceback__)]
    theirs = ["sklearn" in Path(file).parts and "validation" not in file for file in files]
    ours = ["skalign" in Path(file).parts for file in files]
    return any(theirs) and theirs[::-1].index(True) < ([*ours[::-1], True]).index(True)


def assert_distributions(proba):
    """Rows of finite numbers, none below zero, that sum to one."""
    proba = np.atleast_2d(proba)
    assert np.isfinite(proba).all()
    assert (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
