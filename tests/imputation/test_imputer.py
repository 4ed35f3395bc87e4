"""Scattered values are filled inside blocks; blocks that rows lack stay missing."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skalign import BlockImputer, CrossModalImputer, NullSpaceAligner
from skalign.datasets import make_paired_gaussians

few = settings(max_examples=30, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
WIDTHS = [3, 4]


def scattered(rng, n=60):
    """Rows of which some lack a modality, and some values."""
    X = make_paired_gaussians(n, n_features=WIDTHS, noise=0.5, random_state=0).X
    X[rng.random(X.shape) < 0.1] = np.nan
    lacks = rng.integers(3, size=n)
    X[lacks == 1, :3] = np.nan
    X[lacks == 2, 3:] = np.nan
    return X


@parametrize_with_checks([BlockImputer(), BlockImputer(KNNImputer(keep_empty_features=True))])
def test_checks(estimator, check):
    """scikit-learn's own."""
    check(estimator)


@few
@given(generators)
def test_each_block_is_filled_by_its_own_rows(rng):
    """As by an imputer that knows nothing but the rows that have the block."""
    X = scattered(rng)
    filled = BlockImputer(modalities=WIDTHS).fit_transform(X)
    for columns in (slice(0, 3), slice(3, 7)):
        has = ~np.isnan(X[:, columns]).all(axis=1)
        expected = SimpleImputer().fit_transform(X[has][:, columns])
        np.testing.assert_array_equal(filled[has][:, columns], expected)
        assert np.isnan(filled[~has][:, columns]).all()


@few
@given(generators)
def test_rows_without_gaps_stay_as_they_are(rng):
    """Whatever else is filled, and X itself is not written to."""
    X = scattered(rng)
    before = X.copy()
    filled = BlockImputer(modalities=WIDTHS).fit_transform(X)
    np.testing.assert_array_equal(X, before)
    given_ = ~np.isnan(X)
    np.testing.assert_array_equal(filled[given_], X[given_])


def test_pairs_stay_what_they_are():
    """In front of an aligner; an imputer that knows no blocks makes every row a pair."""
    X = scattered(np.random.default_rng(1), 300)
    has = [~np.isnan(X[:, c]).all(axis=1) for c in (slice(0, 3), slice(3, 7))]
    aligner = NullSpaceAligner(2, modalities=WIDTHS)
    model = make_pipeline(BlockImputer(modalities=WIDTHS), aligner).fit(X)
    assert model[-1].n_pairs_ == np.sum(has[0] & has[1])
    assert make_pipeline(SimpleImputer(), aligner).fit(X)[-1].n_pairs_ == len(X)


def test_frames_keep_their_names():
    """Columns are selected by name, and come out in the order of the table."""
    frame = pd.DataFrame(scattered(np.random.default_rng(2)), columns=list("abcdefg"))
    modalities = {"x": ["a", "g", "b"], "y": ["c", "f"]}
    imputer = BlockImputer(modalities=modalities).set_output(transform="pandas")
    filled = imputer.fit_transform(frame)
    assert list(filled.columns) == list("abcdefg")
    pd.testing.assert_frame_equal(filled[["d", "e"]], frame[["d", "e"]])
    assert imputer.modality_names_ == ("x", "y")


def test_what_cannot_be_filled_is_said():
    """A modality that nobody has, and a column without a value."""
    X = scattered(np.random.default_rng(3))
    with pytest.raises(ValueError, match="modality 'modality1' has no value in column 3 of X"):
        BlockImputer(modalities=WIDTHS).fit(np.where(np.arange(7) >= 3, np.nan, X))
    with pytest.raises(ValueError, match="imputer gives 6 columns for the 3 of modality 'mod"):
        BlockImputer(SimpleImputer(add_indicator=True), modalities=WIDTHS).fit_transform(X)


# -- whole modalities -----------------------------------------------------------------------------


def lacking(seed=0, n=300):
    """Pairs, and rows that lack one of two modalities."""
    X = make_paired_gaussians(n, n_features=(3, 4), noise=0.1, random_state=seed).X.copy()
    X[n // 2 :: 2, :3], X[n // 2 + 1 :: 2, 3:] = np.nan, np.nan
    return X


def test_a_step_of_a_pipeline_fills_modalities():
    """As the aligner does, for a next step that takes no NaN; chosen by a search."""
    X = lacking()
    imputer = CrossModalImputer(NullSpaceAligner(modalities=[3, 4]))
    expected = NullSpaceAligner(modalities=[3, 4]).fit(X).impute(X)
    np.testing.assert_array_equal(imputer.fit_transform(X), expected)
    pipeline = make_pipeline(imputer, PCA(2)).fit(X)
    assert np.isfinite(pipeline.transform(X)).all()
    search = GridSearchCV(
        make_pipeline(imputer, PCA(2)),
        {"crossmodalimputer__aligner__n_components": [1, 2]},
        cv=3,
    )
    assert np.isfinite(search.fit(X).best_score_)


def test_a_frozen_aligner_fills_rows_without_pairs():
    """It is taken as it is, and weights reach one that is not."""
    X = lacking()
    known = NullSpaceAligner(modalities=[3, 4]).fit(X)
    alone = X[np.isnan(X[:, 3])]
    imputer = CrossModalImputer(FrozenEstimator(known)).fit(alone)
    np.testing.assert_array_equal(imputer.transform(alone), known.impute(alone))
    weights = np.random.default_rng(0).integers(1, 3, size=len(X))
    weighted = CrossModalImputer(NullSpaceAligner(modalities=[3, 4]))
    weighted.fit(X, sample_weight=weights)
    again = NullSpaceAligner(modalities=[3, 4]).fit(np.repeat(X, weights, axis=0))
    np.testing.assert_allclose(weighted.transform(X), again.impute(X), rtol=1e-6)


def test_names_of_what_is_filled():
    """Columns of no modality are left out, and frames come back with names."""
    X = lacking()
    frame = pd.DataFrame(X, columns=[*"abcdefg"])
    frame.insert(3, "note", "text")
    aligner = NullSpaceAligner(modalities={"left": ["a", "b", "c"], "right": ["d", "e", "f", "g"]})
    imputer = CrossModalImputer(aligner).set_output(transform="pandas")
    filled = imputer.fit_transform(frame)
    assert list(filled.columns) == list("abcdefg")
    assert not filled.isna().any().any()


def test_another_aligner_is_refused():
    """It is named, with what to give."""
    with pytest.raises(ValueError, match="must be a NullSpaceAligner"):
        CrossModalImputer(PCA()).fit(lacking())


@pytest.mark.parametrize("other", ["kitchen", pd.Timestamp("2026-01-01")])
def test_columns_that_are_no_numbers_are_named_as_the_trouble(other):
    """What a frame holds beside its sensors."""
    X = pd.DataFrame(scattered(np.random.default_rng(0)), columns=list("abcdefg"))
    X["other"] = other
    modalities = {"first": list("abc"), "second": list("defg")}
    with pytest.raises((TypeError, ValueError), match="BlockImputer takes numbers only"):
        BlockImputer(modalities=modalities).fit(X)
    BlockImputer(modalities=modalities).fit(X[list("abcdefg")])


def test_a_fit_that_refuses_leaves_no_trace():
    """A new imputer stays new; one that was fitted fills as before."""
    X = scattered(np.random.default_rng(0))
    empty = X.copy()
    empty[:, 5] = np.nan
    new = BlockImputer(modalities=WIDTHS)
    with pytest.raises(ValueError, match="no value in column 5"):
        new.fit(empty)
    assert vars(new) == vars(BlockImputer(modalities=WIDTHS))
    fitted = BlockImputer(modalities=WIDTHS).fit(X)
    before = fitted.transform(X)
    with pytest.raises(ValueError, match="no value in column 5"):
        fitted.fit(empty)
    np.testing.assert_array_equal(fitted.transform(X), before)


def test_rows_of_single_precision_beside_features_beyond_it():
    """What they cannot hold is refused in words, not filled in as infinity."""
    X = np.random.default_rng(0).normal(size=(30, 4))
    X[:, 2:] = X[:, :2] * 1e60
    aligner = NullSpaceAligner(1, modalities=[2, 2]).fit(X)
    rows = np.full((2, 4), np.nan, dtype=np.float32)
    rows[:, :2] = 1
    with pytest.raises(ValueError, match="scale the features"):
        aligner.impute(rows)
    assert np.isfinite(aligner.impute(rows.astype(np.float64))).all()


def test_a_modality_that_no_row_has_stays_missing():
    """Nothing is asked of its imputer."""
    X = make_paired_gaussians(40, n_features=WIDTHS, noise=0.5, random_state=0).X
    imputer = BlockImputer(modalities=WIDTHS).fit(X)
    X[:, 3:] = np.nan
    np.testing.assert_array_equal(imputer.transform(X), X)


def test_weights_of_rows_are_routed_to_the_aligner():
    """Where metadata is routed, and the aligner asks for them."""
    with config_context(enable_metadata_routing=True):
        aligner = NullSpaceAligner(modalities=WIDTHS).set_fit_request(sample_weight=True)
        router = CrossModalImputer(aligner).get_metadata_routing()
        assert router.consumes("fit", {"sample_weight"}) == {"sample_weight"}
