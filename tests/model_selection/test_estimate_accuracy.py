"""Bounds of a transfer's accuracy by rows that it has not seen."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.datasets import make_paired_gaussians
from skalign.metrics import accuracy_bounds
from skalign.model_selection import agreement_scorer, estimate_accuracy


@pytest.fixture(scope="module")
def data():
    """400 labelled rows of the source, 400 pairs, 400 of the target alone; groups of 10."""
    drawn = make_paired_gaussians(
        1200, n_features=(6, 9), n_latent=4, n_classes=3, noise=1.0, random_state=5
    )
    X, y = drawn.X.copy(), drawn.y.copy()
    X[:400, 6:] = np.nan
    y[400:] = -1
    X[800:, :6] = np.nan
    return X, y, drawn.y, np.arange(1200) // 10


def transfer(estimator=None, **options):
    estimator = LogisticRegression(max_iter=1000) if estimator is None else estimator
    return CrossModalTransferClassifier(
        estimator, aligner=NullSpaceAligner(modalities=[6, 9]), **options
    )


class Spy(LogisticRegression):
    """Keeps what it has been fitted to, for all to see."""

    seen: list = []

    def fit(self, X, y, sample_weight=None):
        Spy.seen.append(np.asarray(X)[:, 0])
        return super().fit(X, y, sample_weight)


def test_bounds_hold_in_a_pipeline(data):
    """Rows of the target alone, which were never seen, are classified as well as was said."""
    X, y, truth, groups = data
    model = make_pipeline(StandardScaler(), transfer(predict_from="available"))
    accuracy = clone(model).fit(X[:800], y[:800]).score(X[800:], truth[800:])
    assert accuracy > 0.6
    for some in (None, groups):
        found = estimate_accuracy(model, X, y, groups=some, cv=3, random_state=0)
        assert found.lower <= accuracy <= found.upper
        assert found.estimate == pytest.approx(accuracy, abs=0.1)
        assert 0.02 < found.upper - found.lower < 0.6
        two = estimate_accuracy(model, X, y, groups=some, cv=3, random_state=0, n_jobs=2)
        assert two == found


def test_prefit_is_the_decisions_of_the_fitted_parts(data):
    """By hand; a search and a pipeline are asked as what is in them."""
    X, y, _, _ = data
    held = np.r_[200:400, 600:800]
    model = transfer().fit(X[::2], y[::2])
    options = {"confidence": 0.8, "random_state": 3}
    found = estimate_accuracy(model, X[held], y[held], cv="prefit", **options)
    pairs = X[600:800]
    expected = accuracy_bounds(
        y[200:400],
        model.estimator_.predict(X[200:400, :6]),
        model.estimator_.predict(pairs[:, :6]),
        model.target_classifier_.predict(pairs[:, 6:]),
        **options,
    )
    assert found == expected
    folds = KFold(2, shuffle=True, random_state=0)
    search = GridSearchCV(transfer(), {"source": [0]}, scoring=agreement_scorer, cv=folds)
    last = make_pipeline("passthrough", search).fit(X[::2], y[::2])
    assert estimate_accuracy(last, X[held], y[held], cv="prefit", **options) == expected
    with pytest.raises(Exception, match="not fitted yet"):
        estimate_accuracy(transfer(), X[held], y[held], cv="prefit")


def test_what_is_held_out_has_not_been_learned(data):
    """Labelled rows train in all folds but one; a group stays together, whatever its rows are."""
    X, y, _, _ = data
    rng = np.random.default_rng(0)
    groups = rng.integers(12, size=1200)
    for some, rest in ((None, 300), (groups, None)):
        Spy.seen = []
        estimate_accuracy(transfer(Spy(max_iter=1000)), X, y, groups=some, cv=4, random_state=0)
        assert len(Spy.seen) == 4
        left_out = [~np.isin(X[:400, 0], seen) for seen in Spy.seen]
        np.testing.assert_array_equal(np.sum(left_out, axis=0), 1)
        if rest:
            assert [len(seen) for seen in Spy.seen] == [rest] * 4
        else:
            for left in left_out:
                assert not set(groups[:400][left]) & set(groups[:400][~left])
                assert len(set(groups[:400][left])) == 3


def test_words_frames_and_frozen_sources(data):
    """The same bounds; a frozen source has to be asked about rows that are new to it."""
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    X, y, _, _ = data
    expected = estimate_accuracy(transfer(), X, y, cv=2, random_state=0)
    order = np.array(["a", "b", "c", None], dtype=object)[y]
    frame = pandas.DataFrame(X, columns=[f"c{j}" for j in range(15)])
    for table in (frame, polars.DataFrame(frame)):
        assert estimate_accuracy(transfer(), table, order, cv=2, random_state=0) == expected
    named = transfer(source="video", target="imu")
    named.aligner.set_params(modalities={"imu": list(frame)[6:], "video": list(frame)[:6]})
    found = estimate_accuracy(named, frame, y, cv=2, random_state=0)
    assert found.estimate == pytest.approx(expected.estimate, abs=0.02)
    source = FrozenEstimator(LogisticRegression(max_iter=1000).fit(X[:200, :6], y[:200]))
    aligner = FrozenEstimator(NullSpaceAligner(modalities=[6, 9]).fit(X))
    frozen = CrossModalTransferClassifier(source, aligner=aligner)
    found = estimate_accuracy(frozen, X[200:], y[200:], cv=2, random_state=0)
    assert found.lower < expected.estimate < found.upper


def test_a_refusal_is_bounded_like_any_other(data):
    """Pairs that share nothing: the prior decides always alike."""
    X, y, truth, _ = data
    shuffled = X.copy()
    order = np.random.default_rng(0).permutation(400)
    shuffled[400:800, 6:] = X[400:800, 6:][order]
    with pytest.warns(UserWarning, match="share nothing beyond chance"):
        found = estimate_accuracy(transfer(), shuffled, y, cv=3, random_state=0)
    shares = np.bincount(truth[800:]) / 400
    assert found.lower <= shares.max() <= found.upper
    assert found.upper < 0.6


def test_labels_of_pairs_are_for_learning_and_rows_of_the_target_are_aside(data):
    """A labelled pair is a labelled row; nothing is asked of rows without the source."""
    X, y, truth, _ = data
    some = y.copy()
    some[400:500], some[800:] = truth[400:500], truth[800:]
    found = estimate_accuracy(transfer(), X, some, cv=2, random_state=0)
    assert found.lower < found.estimate < found.upper
    with pytest.raises(ValueError, match="0 pairs without a label, and needs 5"):
        estimate_accuracy(transfer(), X, truth)


def test_messages(data):
    X, y, _, groups = data
    for wrong in (LogisticRegression(), make_pipeline(StandardScaler()), None):
        with pytest.raises(TypeError, match=f"got {type(wrong).__name__}, in which there is no"):
            estimate_accuracy(wrong, X, y)
    with pytest.raises(ValueError, match="0 labelled rows of the source, and needs 3"):
        estimate_accuracy(transfer(), X[400:], y[400:], cv=3)
    with pytest.raises(ValueError, match="1 groups with labelled rows of the source"):
        estimate_accuracy(transfer(), X, y, groups=np.maximum(groups, 39))
    for bad in (1, "fit", True, [(0, 1)], 2.0):
        with pytest.raises(ValueError, match="cv="):
            estimate_accuracy(transfer(), X, y, cv=bad)
    with pytest.raises(ValueError, match=r"groups must be 1-D, .* none for row 3"):
        estimate_accuracy(transfer(), X, y, groups=[0, 1, 2, None] * 300)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        estimate_accuracy(transfer(), X, y, groups=groups[:5])
    with pytest.raises(ValueError, match="confidence=2"):
        estimate_accuracy(transfer(), X, y, cv=2, confidence=2)


def test_one_source_and_one_target():
    """Of several it is said which parameter names them."""
    data = make_paired_gaussians(200, n_features=(3, 4, 5), random_state=0)
    aligner = NullSpaceAligner(modalities=[3, 4, 5])
    model = CrossModalTransferClassifier(aligner=aligner, source=[0, 1], target=2)
    with pytest.raises(ValueError, match=r"source=\[0, 1\] names 2 modalities"):
        estimate_accuracy(model, data.X, data.y)
