"""Small hostile data for hypothesis, and what may come of a call: see test_small_cases.

A recipe says how rows are made, so that a failing example is short, and can be pasted as one.
``HYPOTHESIS_PROFILE=nightly`` runs ten times as many examples, other ones each time.
"""

import os
import re
import warnings
from dataclasses import dataclass

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"

# What a clear refusal names: a modality, a row, a parameter, or that X has too few rows.
PARAMETERS = (
    "n_components|modalities|whiten|center|shrinkage|tol|solver|estimator|aligner|mixture|source|"
    "target|predict_from"
)
CLEAR = re.compile(
    rf"modality '?\w+|\brow \d+|\bblock \d+|\bwidths\b|\bsample_weight\b|\b({PARAMETERS})=|"
    r"X has (no pairs|one pair)|Found array with \d+ sample|no block is given|scale the features"
)
# What a clear warning says was done.
DONE = (
    r"keeps one component|predictions are (the class prior|those of its \d+ labelled rows)|"
    "they get the class prior|such classes can hardly be predicted"
)


def cases(n: int) -> settings:
    """Settings of a test that is worth ``n`` examples in a usual run."""
    return settings(
        max_examples=10 * n if NIGHTLY else n,
        derandomize=not NIGHTLY,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


# -- rows -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """How to make stacked rows; ``X`` are these rows.

    kind : "gaussian" columns are independent, "whole" ones are small integers, "shared" ones
        hold three latents and noise, "exact" ones no noise.
    edits : each changes a column, "block" a modality, in a way of its own; see ``_edit``.
    powers : modality m is scaled by ``10 ** powers[m]``, where there are fewer, in turn.
    missing : "some" blocks at random; "never": no row has the last modality; "alone": each row of
        the second half has one modality; "alike": these rows are large, their columns the same.
    """

    n: int
    widths: tuple[int, ...]
    kind: str = "gaussian"
    seed: int = 0
    edits: tuple[tuple[str, int], ...] = ()
    repeated: bool = False
    powers: tuple[int, ...] = ()
    missing: str = "none"
    single: bool = False

    @property
    def blocks(self) -> list[slice]:
        """Columns of each modality."""
        edges = np.cumsum([0, *self.widths])
        return [slice(int(a), int(b)) for a, b in zip(edges[:-1], edges[1:], strict=True)]

    @property
    def X(self) -> np.ndarray:
        """The rows."""
        rng, late = np.random.default_rng(self.seed), np.arange(self.n) >= self.n // 2
        X = _columns(rng, self.kind, self.n, sum(self.widths))
        for what, place in self.edits:
            _edit(X, self.blocks, what, place)
        if self.repeated and self.n:
            X = X[rng.integers(0, self.n // 2 + 1, size=self.n)]
        gone = _gone(rng, self.missing, late, len(self.widths))
        for m, block in enumerate(self.blocks):
            if self.missing == "alike":
                X[late, block] = 1e3 * X[late, block.start, None]
            if self.powers:
                X[:, block] *= 10.0 ** self.powers[m % len(self.powers)]
            X[gone[:, m], block] = np.nan
        single = self.single and max(map(abs, self.powers), default=0) <= 10
        return X.astype(np.float32) if single else X


def _columns(rng, kind, n, d):
    if kind == "gaussian":
        return rng.normal(size=(n, d))
    if kind == "whole":
        return rng.integers(-2, 3, size=(n, d)).astype(float)
    shared = rng.normal(size=(n, 3)) @ rng.normal(size=(3, d))
    return shared if kind == "exact" else shared + 0.5 * rng.normal(size=(n, d))


def _edit(X, blocks, what, place):
    column = place % X.shape[1]
    if what == "block":
        X[:, blocks[place % len(blocks)]] = 2.5
    elif what == "constant":
        X[:, column] = 0.1
    elif what == "copy":
        X[:, column] = X[:, 0]
    elif what == "sum":
        X[:, column] = X.sum(axis=1)
    elif what == "offset":
        X[:, column] += 1e8
    elif what == "nearly constant":
        X[:, column] = 1 + 1e-15 * X[:, column]


def _gone(rng, missing, late, n_modalities):
    gone = np.zeros((len(late), n_modalities), dtype=bool)
    if missing == "some":
        gone = rng.random(gone.shape) < 0.3
    elif missing == "never":
        gone[:, -1] = True
    elif missing in ("alone", "alike"):
        gone[late] = np.eye(n_modalities)[rng.integers(n_modalities, size=late.sum())] == 0
    return gone


seeds = st.integers(0, 10_000)
sizes = st.one_of(st.integers(0, 12), st.integers(20, 60))
few_widths = st.lists(st.integers(1, 4), min_size=2, max_size=3).map(tuple)
patterns = st.sampled_from(["none", "some", "never", "alone", "alike"])
harmless = st.lists(st.tuples(st.sampled_from(["copy", "sum"]), st.integers(0, 11)), max_size=2)
hostile = st.lists(
    st.tuples(
        st.sampled_from(["block", "constant", "copy", "sum", "offset", "nearly constant"]),
        st.integers(0, 11),
    ),
    max_size=2,
)


def recipes(most=150, n=sizes, widths=few_widths, edits=hostile, missing=patterns):
    """Recipes of rows at scales from ``10**-most`` to ``10**most``."""
    return st.builds(
        Recipe,
        n=n,
        widths=widths,
        kind=st.sampled_from(["gaussian", "whole", "shared", "exact"]),
        seed=seeds,
        edits=edits.map(tuple),
        repeated=st.booleans(),
        powers=st.lists(st.integers(-most, most), max_size=3).map(tuple),
        missing=missing,
        single=st.booleans(),
    )


def weighted(recipes):
    """Recipes with weights of their rows: none, counts with zeros, or real numbers."""

    def weights(n):
        counts = st.lists(st.integers(0, 3), min_size=n, max_size=n).map(np.array)
        reals = seeds.map(lambda seed: np.random.default_rng(seed).exponential(size=n))
        return st.one_of(st.none(), counts, reals)

    return recipes.flatmap(lambda recipe: st.tuples(st.just(recipe), weights(recipe.n)))


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
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", f"(?s).*({DONE})", UserWarning)
        # a classifier or mixture of scikit-learn may speak for itself
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"sklearn\.")
        try:
            return call()
        except ValueError as error:
            if CLEAR.search(str(error)):
                return None
            raise AssertionError(f"names no modality, row or parameter: {error}") from error


def assert_distributions(proba):
    """Rows of finite numbers, none below zero, that sum to one."""
    proba = np.atleast_2d(proba)
    assert np.isfinite(proba).all()
    assert (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
