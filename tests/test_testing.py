"""Data of skalign.testing are what their fields say, and are all reachable."""

import builtins
import importlib
import sys

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from strategies import cases

from skalign.testing import PairedData, paired_data, random_paired_data


def as_floats(X):
    return np.asarray(X).astype(np.float64)


@cases(150)
@given(paired_data())
def test_fields_decide_the_data(data):
    """The printed form gives the same data; arrays are finite but for whole blocks of NaN."""
    again = eval(repr(data))
    assert again == data
    for name in ("y", "response", "sample_weight", "groups", "known"):
        ours, theirs = getattr(data, name), getattr(again, name)
        assert (ours is None and theirs is None) or len(ours) == data.n
        np.testing.assert_array_equal(ours, theirs)
    X = as_floats(data.X)
    np.testing.assert_array_equal(X, as_floats(again.X))
    assert X.shape == (data.n, sum(data.widths))
    assert not np.isinf(X).any()
    for block in data.blocks:
        gone = np.isnan(X[:, block])
        np.testing.assert_array_equal(gone.any(axis=1), gone.all(axis=1))


@cases(50)
@given(paired_data(dtype="float64"), st.sampled_from(["F", "strided", "reversed", "read-only"]))
def test_a_layout_changes_no_number(data, layout):
    fields = {**vars(data), "layout": layout}
    np.testing.assert_array_equal(np.asarray(PairedData(**fields).X), data.rows)
    plain = PairedData(**{**fields, "layout": "C"}).X
    laid = PairedData(**fields).X
    assert laid.flags.writeable != (layout == "read-only")
    if min(laid.shape) > 1:
        assert (laid.strides == plain.strides) == (layout == "read-only")


@cases(50)
@given(paired_data(rank=st.integers(1, 3), noise=0.0, columns=("gaussian",), edits=()))
def test_without_noise_the_rank_is_that_of_what_is_shared(data):
    """Of rows that have every block, whatever the scales."""
    X = PairedData(**{**vars(data), "powers": (), "missing": "none"}).rows
    assert np.linalg.matrix_rank(X) <= data.rank if len(X) else True


@pytest.mark.parametrize(
    "wanted",
    [
        lambda d: d.layout == "frame" and d.n > 20,
        lambda d: d.dtype == "object" and np.isnan(d.rows).any(),
        lambda d: len(d.widths) == 5 and d.rank == 0,
        lambda d: d.coding == "bool" and not d.known.all() and d.known.any(),
        lambda d: max(d.powers, default=0) == 150,
        lambda d: d.sample_weight is not None and d.n > 2 and not d.sample_weight.any(),
    ],
)
def test_every_corner_is_found(wanted):
    find(paired_data(), wanted, settings=settings(max_examples=20_000, database=None))


def test_a_seed_decides_the_draw():
    """Fields that are given are kept, others depend on the seed alone."""
    some = [random_paired_data(seed, n=30, missing="none") for seed in range(20)]
    assert some == [random_paired_data(seed, n=30, missing="none") for seed in range(20)]
    assert len(set(some)) == 20
    assert {(data.n, data.missing) for data in some} == {(30, "none")}


@pytest.mark.parametrize("draw", [paired_data, random_paired_data])
def test_an_unknown_field_is_named(draw):
    with pytest.raises(TypeError, match="no field 'rows'"):
        draw(rows=3)


def test_without_hypothesis_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def no_hypothesis(name, *args, **kwargs):
        if name.partition(".")[0] == "hypothesis":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_hypothesis)
    for name in [n for n in sys.modules if n.startswith("skalign.testing")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError, match=r"pip install 'skalign\[test\]'"):
        importlib.import_module("skalign.testing")
