"""Small hostile data end in a right answer, a warning that says what was done, or a clear refusal.

A refusal is a ValueError that names the modality, the row or the parameter. Nothing else leaves a
public method, and never NaN or infinity.
"""

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from strategies import (
    aligner_options,
    cases,
    harmless,
    outcome,
    plain,
)

from skalign import NullSpaceAligner, stack_modalities
from skalign.testing import PairedData


def aligner_of(data, options):
    return NullSpaceAligner(modalities=list(data.widths), random_state=0, **options)


def unit_of(aligner, X):
    """What singular values are measured in."""
    pairs = X[np.isfinite(X).all(axis=1)].astype(np.float64)
    return 1.0 if aligner.whiten else 2 * np.abs(pairs - aligner.center * pairs[0]).max()


def assert_sound(aligner, X):
    """Whatever a fitted aligner says of its rows is finite, in range and in order."""
    for name in ("singular_values_", "correlations_", "pvalues_", "loadings_"):
        assert np.isfinite(getattr(aligner, name)).all(), name
    values, pvalues = aligner.singular_values_, aligner.pvalues_
    assert (values >= 0).all() and (np.diff(values) >= -1e-6 * unit_of(aligner, X)).all()
    assert (np.diff(pvalues) >= 0).all() and ((pvalues >= 0) & (pvalues <= 1)).all()
    assert (np.abs(aligner.correlations_) <= 1).all()
    assert (aligner.ranks_ >= aligner.n_components_).all()
    for encoder in aligner.encoders_:
        for name in ("coef_", "intercept_", "mean_", "decoder_coef_"):
            assert np.isfinite(getattr(encoder, name)).all(), name
    assert_maps(aligner, X)


def assert_maps(aligner, X):
    """Latents, and the ways back, are finite; blocks that are present stay as they are."""
    some = X[np.isfinite(X).any(axis=1)]
    if len(some):
        Z, (filled, std) = aligner.transform(some), aligner.impute(some, return_std=True)
        assert np.isfinite(Z).all()
        assert np.isfinite(aligner.inverse_transform(Z)).all()
        assert np.isfinite(filled).all()
        assert (np.isfinite(std) & (std >= 0)).all()
        given = np.isfinite(some)
        np.testing.assert_array_equal(filled[given], some[given])
    if np.isfinite(X).all(axis=1).any():
        pairs = X[np.isfinite(X).all(axis=1)]
        assert np.isfinite(aligner.score(X))
        assert np.isfinite(aligner.score_samples(pairs)).all()
    return True


def assert_alike(a, b):
    """Two aligners found the same."""
    np.testing.assert_array_equal(a.ranks_, b.ranks_)
    assert a.n_components_ == b.n_components_
    assert a.n_exact_components_ == b.n_exact_components_
    np.testing.assert_allclose(a.correlations_, b.correlations_, atol=1e-6)
    np.testing.assert_allclose(a.pvalues_, b.pvalues_, atol=1e-6)


@cases(300)
@given(plain(), aligner_options)
def test_any_small_fit(data, options):
    X, aligner = data.X, aligner_of(data, options)
    if outcome(lambda: aligner.fit(X, sample_weight=data.sample_weight)):
        assert_sound(aligner, X)


def learned_in_parts(data, options, cuts, merged):
    """An aligner that has seen the rows in parts, by partial_fit or merge; and if all of them."""
    X, weights, whole, every = data.X, data.sample_weight, None, True
    for rows in np.split(np.arange(len(X)), [cut for cut in cuts if cut < len(X)]):
        part = aligner_of(data, options) if merged or whole is None else whole
        w = None if weights is None else weights[rows]
        learned = outcome(lambda p=part, r=rows, w=w: p.partial_fit(X[r], sample_weight=w))
        if learned and whole is not None and merged:
            learned = outcome(lambda a=whole, p=part: a.merge(p))
        if learned:
            whole = learned
        every = every and learned is not None
    return whole, every


cuttings = st.lists(st.integers(1, 59), max_size=3, unique=True).map(sorted)


@cases(150)
@given(plain(), aligner_options, cuttings, st.booleans())
def test_rows_in_any_parts(data, options, cuts, merged):
    aligner, _ = learned_in_parts(data, options, cuts, merged)
    if hasattr(aligner, "encoders_"):
        assert_sound(aligner, data.X)


@cases(80)
@given(plain(0, edits=harmless.map(tuple)), aligner_options, cuttings, st.booleans())
def test_parts_do_not_show(data, options, cuts, merged):
    assume(options.get("solver") != "covariance")  # which keeps half of the digits
    a, every = learned_in_parts(data, options, cuts, merged)
    b, _ = learned_in_parts(data, options, [], False)
    assume(every and hasattr(b, "encoders_"))
    assert_alike(a, b)


@cases(80)
@given(plain(0, edits=harmless.map(tuple)), aligner_options, st.integers(-480, 480))
def test_scale_does_not_show(data, options, power):
    """White latents know no units: a power of two changes no digit, unless it is refused."""
    options, X = {**options, "whiten": True}, data.X.astype(np.float64)
    a, b = aligner_of(data, options), aligner_of(data, options)
    if outcome(lambda: a.fit(X)) and outcome(lambda: b.fit(X * 2.0**power)):
        assert_alike(a, b)


@cases(80)
@given(plain(0, edits=harmless.map(tuple), weights="counts"), aligner_options)
def test_a_weight_is_a_number_of_rows(data, options):
    """Rows of weight zero are as good as not there."""
    weights = data.sample_weight
    a, b = aligner_of(data, options), aligner_of(data, options)
    fitted = outcome(lambda: a.fit(data.X, sample_weight=weights))
    if fitted and outcome(lambda: b.fit(np.repeat(data.X, weights, axis=0))):
        assert_alike(a, b)


@cases(80)
@given(plain(n=st.integers(1, 30), widths=(2, 3)), st.booleans())
def test_any_rows_after_the_fit(data, whiten):
    fitted = PairedData(40, (2, 3), rank=3)
    aligner = aligner_of(fitted, {"whiten": whiten}).fit(fitted.X)
    outcome(lambda: assert_maps(aligner, data.X))


NONSENSE = ["many", 5, -1, 1.5, np.nan, np.inf, None, (), [], {}, b"x", np.array([1, 2])]


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("value", NONSENSE, ids=repr)
@pytest.mark.parametrize(
    "parameter", ["n_components", "modalities", "whiten", "center", "shrinkage", "tol", "solver"]
)
def test_nonsense_is_named(parameter, value, method):
    """No parameter takes any of these but what its documentation says."""
    if value is None and parameter in ("n_components", "modalities", "shrinkage", "tol"):
        pytest.skip("allowed")
    aligner = NullSpaceAligner(**{parameter: value})
    with pytest.raises(ValueError, match=rf"{parameter}\b"):
        getattr(aligner, method)(PairedData(30, (2, 2)).X)


a_block = st.one_of(
    st.none(),
    st.builds(
        np.ones,
        st.one_of(st.just((2, 2)), st.lists(st.integers(0, 3), max_size=3).map(tuple)),
        st.sampled_from([float, np.float32, int, bool, complex, object, "U1"]),
    ),
    st.sampled_from([3, "ab", [], [[1.0, 2.0], [3.0]], [[1, "a"]], [[None, 1.0]]]),
)
some_widths = st.one_of(
    st.none(),
    st.lists(st.integers(0, 3), max_size=4),
    st.sampled_from([3, 1.5, "ab", [1.5, 2.0], [[1], [1, 2]], {1: 2}, [np.nan], np.array([2, 2])]),
)


@cases(300)
@given(st.lists(a_block, max_size=3), some_widths)
@example([[[1.0, 2.0], [3.0]]], None)
@example([None, np.ones((2, 2))], [[1], [1, 2]])
def test_any_blocks_stacked(blocks, widths):
    """Every block is where its width says, and NaN where it is None."""
    X = outcome(lambda: stack_modalities(*blocks, widths=widths))
    if X is None:
        return
    widths = [b.shape[1] for b in blocks] if widths is None else widths
    for part, block in zip(np.split(X, np.cumsum(widths)[:-1], axis=1), blocks, strict=True):
        np.testing.assert_array_equal(part, np.nan if block is None else block)
