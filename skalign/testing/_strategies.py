"""Paired data drawn by hypothesis, or by a seed: one space of what may be drawn."""

from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from hypothesis import strategies as st
from sklearn.utils import check_random_state

from ._data import PairedData

# Options, the plainest first: examples are shrunk to these.
COLUMNS = ("gaussian", "whole", "onehot", "heavy", "lognormal")
EDITS = (
    "constant", "nearly constant", "copy", "sum", "offset", "tiny", "rare", "outlier", "block",
)  # fmt: skip
MISSING = ("none",) * 3 + ("some",) * 3 + ("alone", "alone", "chain", "alike", "never", "apart")
DTYPES = ("float64",) * 6 + ("float32", "float32", "float16", "int64", "bool", "object", ">f8")
FRAMES = ("frame",) if find_spec("pandas") else ()
LAYOUTS = ("C",) * 4 + ("F", "strided", "reversed", "read-only", *FRAMES)
LABELLED = ("all", "all", "some", "some", "few", "rare", "shuffled", "none")
CODINGS = ("whole", "whole", "words", "floats", "bool")
WEIGHTS = ("none",) * 8 + ("counts",) * 2 + ("reals",) * 2 + ("wide", "single", "zeros")
NOISES = (0.5, 0.0, 0.0, 1e-9, 3.0)


class _Source(Protocol):
    """Where choices come from."""

    def whole(self, low: int, high: int) -> int: ...

    def one_of(self, options) -> Any: ...


def _several(pick: _Source, most: int, draw) -> tuple:
    return tuple(draw() for _ in range(pick.whole(0, most)))


def _power(pick: _Source) -> int:
    most = pick.one_of((0, 0, 3, 3, 8, 150))
    return pick.whole(-most, most)


# How each field is drawn.
SPACE = {
    "n": lambda pick: pick.whole(*pick.one_of(((2, 12), (20, 60), (20, 60), (0, 3)))),
    "widths": lambda pick: tuple(
        pick.whole(1, 4) for _ in range(pick.one_of((2, 2, 2, 3, 3, 4, 5)))
    ),
    "rank": lambda pick: pick.whole(0, 4),
    "noise": lambda pick: pick.one_of(NOISES),
    "columns": lambda pick: tuple(pick.one_of(COLUMNS) for _ in range(pick.one_of((1, 1, 2, 3)))),
    "edits": lambda pick: _several(pick, 2, lambda: (pick.one_of(EDITS), pick.whole(0, 11))),
    "repeated": lambda pick: pick.one_of((False, False, True)),
    "powers": lambda pick: _several(pick, 3, lambda: _power(pick)),
    "missing": lambda pick: pick.one_of(MISSING),
    "dtype": lambda pick: pick.one_of(DTYPES),
    "layout": lambda pick: pick.one_of(LAYOUTS),
    "n_classes": lambda pick: pick.whole(2, 4) if pick.whole(0, 9) else 1,
    "labelled": lambda pick: pick.one_of(LABELLED),
    "coding": lambda pick: pick.one_of(CODINGS),
    "weights": lambda pick: pick.one_of(WEIGHTS),
    "n_groups": lambda pick: pick.one_of((0, 0, 0, 1, 2, 5, 20)),
    "seed": lambda pick: pick.whole(0, 10_000),
}


def _drawn(pick: _Source, given: dict) -> PairedData:
    """Data whose fields are given, or drawn in turn."""
    return PairedData(**{
        name: given[name] if name in given else draw(pick) for name, draw in SPACE.items()
    })  # fmt: skip


def _check_fields(fields) -> None:
    unknown = sorted(set(fields) - set(SPACE))
    if unknown:
        raise TypeError(f"PairedData has no field {unknown[0]!r}: its fields are {list(SPACE)}.")


class _ByHypothesis:
    def __init__(self, draw):
        self.draw = draw

    def whole(self, low, high):
        return self.draw(st.integers(low, high))

    def one_of(self, options):
        return self.draw(st.sampled_from(options))


class _BySeed:
    def __init__(self, rng):
        self.rng = rng

    def whole(self, low, high):
        return int(self.rng.randint(low, high + 1))

    def one_of(self, options):
        return options[self.rng.randint(len(options))]


def paired_data(**fields: Any) -> st.SearchStrategy[PairedData]:
    """Strategy of hypothesis for paired data, small and hostile.

    Rows of two to five modalities that share up to four latents, or nothing, with scales from
    1e-150 to 1e150, constant and collinear columns, duplicates, missing modalities, rare classes,
    unusual types and layouts: what a library for paired data will meet, or a clear refusal of it.

    Parameters
    ----------
    **fields : dict
        Fields of `PairedData` that are not to be drawn at large: each a value, or a strategy.

    Returns
    -------
    hypothesis.strategies.SearchStrategy
        Its examples are `PairedData`.

    Raises
    ------
    TypeError
        If `PairedData` has no such field.

    See Also
    --------
    random_paired_data : The same without hypothesis's search, by a seed.

    Examples
    --------
    >>> import numpy as np
    >>> from hypothesis import given, settings, strategies as st
    >>> from skalign import NullSpaceAligner
    >>> from skalign.testing import paired_data
    >>> usual = paired_data(
    ...     n=st.integers(20, 60), widths=st.sampled_from([(2, 2), (3, 1, 2)]), rank=2,
    ...     edits=(), repeated=False, powers=(), missing="none", dtype="float64", layout="C",
    ...     columns=("gaussian",), weights="none",
    ... )
    >>> @settings(max_examples=10, database=None, derandomize=True)
    ... @given(usual)
    ... def test_latents_are_finite(data):
    ...     aligner = NullSpaceAligner(1, modalities=data.widths).fit(data.X)
    ...     assert np.isfinite(aligner.transform(data.X)).all()
    >>> test_latents_are_finite()
    """
    _check_fields(fields)
    strategies = {name: v for name, v in fields.items() if isinstance(v, st.SearchStrategy)}
    fixed = {name: v for name, v in fields.items() if name not in strategies}

    @st.composite
    def data(draw):
        given = {name: draw(strategy) for name, strategy in strategies.items()}
        return _drawn(_ByHypothesis(draw), {**fixed, **given})

    return data()


def random_paired_data(
    random_state: int | np.random.RandomState | None = None, **fields: Any
) -> PairedData:
    """Paired data out of the same space as `paired_data`, by a seed.

    For long runs, where hypothesis is slow, and for benchmarks.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Where choices come from.
    **fields : dict
        Fields of `PairedData` that are not to be drawn.

    Returns
    -------
    PairedData

    Raises
    ------
    TypeError
        If `PairedData` has no such field.

    Examples
    --------
    >>> from skalign.testing import random_paired_data
    >>> random_paired_data(1, n=30, widths=(2, 2)).X.shape
    (30, 4)
    """
    _check_fields(fields)
    return _drawn(_BySeed(check_random_state(random_state)), fields)
