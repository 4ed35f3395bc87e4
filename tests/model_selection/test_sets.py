"""Sets of classes that hold the true one, calibrated without a label of the target."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.datasets import make_paired_gaussians
from skalign.model_selection import ConformalTransfer
from skalign.model_selection._sets import lowest, threshold_of_any, threshold_of_independent

CLASSES = 4


def said(rng, truth, accuracy):
    """Class probabilities of a modality that is right so often, more or less sure."""
    wrong = rng.integers(1, CLASSES, size=len(truth))
    top = (truth + np.where(rng.random(len(truth)) < accuracy, 0, wrong)) % CLASSES
    proba = rng.dirichlet(np.ones(CLASSES), size=len(truth))
    sure = rng.uniform(0.3, 0.9, size=(len(truth), 1))
    return sure * np.eye(CLASSES)[top] + (1 - sure) * proba


def drawn(rng, n, together, accuracy=0.9):
    """Classes, and what both modalities say; together, the target says what the source says."""
    y = rng.integers(CLASSES, size=n)
    source = said(rng, y, accuracy)
    return y, source, source if together else said(rng, y, 0.8)


def covered(find, seed, n, together, coverage, accuracy=0.9):
    """Share of new rows whose set holds their class, and the mean size of sets."""
    rng = np.random.default_rng(seed)
    each = np.arange(n)
    codes, of_labelled, _ = drawn(rng, n, together, accuracy)
    _, source, target = drawn(rng, n, together, accuracy)
    least = find((of_labelled, codes, each), (source, target, each), coverage)
    y, _, target = drawn(rng, 1000, together, accuracy)
    held = target >= least
    return held[np.arange(1000), y].mean(), held.sum(axis=1).mean()


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("n", [20, 60, 300])
def test_whatever_the_errors(n, together):
    """On average over calibrations sets hold the class, however few rows there are."""
    for coverage in (0.6, 0.9):
        found = [covered(threshold_of_any, s, n, together, coverage)[0] for s in range(80)]
        assert np.mean(found) >= coverage - 3 * np.std(found) / np.sqrt(80)


def test_the_bound_is_reached():
    """There are errors with which sets hold the class hardly more often than they have to.

    The target never errs where the source does not, and leaves the class out of every row whose
    source leaves it out, and of as many others.
    """
    rng, n = np.random.default_rng(0), 20_000
    each = np.arange(n)

    def population():
        y, u = rng.integers(2, size=n), rng.random(n)
        source = np.where(u < 0.05, 0.01, 0.9)  # of the class: too rarely in what is calibrated
        target = np.where((u > 0.05) & (u < 0.1), 0.1 * u, np.where(u < 0.05, u / 10, 0.9))
        both = [np.where(np.eye(2)[y] > 0, p[:, None], 1 - p[:, None]) for p in (source, target)]
        return y, *both

    codes, of_labelled, _ = population()
    _, source, target = population()
    least = threshold_of_any((of_labelled, codes, each), (source, target, each), 0.9)
    y, _, target = population()
    assert 0.9 - 0.01 < np.mean(target[np.arange(n), y] >= least) < 0.92


def test_independent_errors():
    """Sets are small and hold the class in 19 of 20 calibrations; errors together break that."""
    found = np.array([covered(threshold_of_independent, s, 400, False, 0.9) for s in range(60)])
    assert np.mean(found[:, 0] >= 0.9 - 0.02) >= 0.9  # a thousand rows tell it to one in a hundred
    other = np.array([covered(threshold_of_any, s, 400, False, 0.9) for s in range(60)])
    assert found[:, 1].mean() < other[:, 1].mean() - 0.5
    spread = [covered(threshold_of_independent, s, 400, True, 0.98, 0.7)[0] for s in range(20)]
    assert np.mean(spread) < 0.9


def test_rows_of_a_group_are_no_news():
    """Repeated as a group, rows say as much as once, whatever errors are taken for."""
    rng = np.random.default_rng(0)
    codes, of_labelled, _ = drawn(rng, 150, False)
    _, source, target = drawn(rng, 150, False)
    each, times = np.arange(150), np.repeat(np.arange(150), 3)
    for find in (threshold_of_any, threshold_of_independent):
        once = find((of_labelled, codes, each), (source, target, each), 0.9)
        labelled = of_labelled[times], codes[times], times
        pairs = source[times], target[times], times
        assert find(labelled, pairs, 0.9) == pytest.approx(once, abs=0.002)
        apart = find((*labelled[:2], np.arange(450)), (*pairs[:2], np.arange(450)), 0.9)
        assert apart > once  # which overrates them


def test_the_lowest_value():
    """By counting; the weight of a row to come stands below all."""
    rng = np.random.default_rng(0)
    for n in (1, 5, 19, 40):
        values = rng.permutation(n).astype(float)
        for missed in (0.0, 0.05, 0.1, 0.5, 1.0):
            k = int(np.floor(missed * (n + 1) + 1e-9))
            expected = k - 1 if k else -np.inf
            assert lowest(values, np.full(n, 1 / (n + 1)), missed) == min(expected, n - 1)


def test_where_nothing_can_be_said():
    """All classes: too few rows, a class without labels, a source that never decides for one."""
    rng = np.random.default_rng(0)
    for find in (threshold_of_any, threshold_of_independent):
        assert covered(find, 0, 5, False, 0.95)[1] == CLASSES
    y, proba, target = drawn(rng, 200, False)
    each = np.arange(200)
    pairs = proba, target, each
    lacking = y != 2
    few = proba[lacking], y[lacking], np.arange(lacking.sum())
    assert threshold_of_independent(few, pairs, 0.9) == -np.inf
    never = proba.copy()
    never[:, 2] = 0
    assert threshold_of_independent((never, y, each), (never, target, each), 0.9) == -np.inf


@pytest.fixture(scope="module")
def data():
    """400 labelled rows of the source, 400 pairs, 400 of the target alone; names for classes."""
    drawn = make_paired_gaussians(
        1200, n_features=(6, 9), n_latent=4, n_classes=3, noise=0.7, random_state=5
    )
    X, truth = drawn.X.copy(), np.array(["one", "two", "three"], dtype=object)[drawn.y]
    y = truth.copy()
    X[:400, 6:], X[800:, :6] = np.nan, np.nan
    y[400:] = None
    return X, y, truth


def transfer():
    return CrossModalTransferClassifier(
        LogisticRegression(max_iter=1000), aligner=NullSpaceAligner(modalities=[6, 9])
    )


def test_of_a_pipeline(data):
    """Folds, sets of the target alone, and the seed that deals rows out."""
    X, y, truth = data
    model = make_pipeline(StandardScaler(), transfer())
    sets = ConformalTransfer(model, cv=2, random_state=0).fit(X, y)
    places = np.searchsorted(sets.classes_, truth[800:])
    sizes = []
    for errors in ("any", "independent"):
        held = sets.set_params(errors=errors).predict_set(X[800:])
        assert held.shape == (400, 3) and held.dtype == bool
        assert held[np.arange(400), places].mean() >= 0.87
        sizes.append(held.sum())
        more = sets.predict_set(X[800:], coverage=0.98)
        assert (more >= held).all() and sets.predict_set(X[800:], coverage=1).all()
    assert sizes[1] < sizes[0] < 1200
    both = data[0][400:800]
    alone = both.copy()
    alone[:, :6] = np.nan
    np.testing.assert_array_equal(sets.predict_set(both), sets.predict_set(alone))
    assert sets.predict_set(X[:5]).all()  # of rows without the target
    assert sets.labelled_proba_.shape == sets.target_proba_.shape == (400, 3)
    said = sets.classes_[sets.labelled_proba_.argmax(axis=1)]
    assert np.mean(said == sets.classes_[sets.labelled_codes_]) > 0.7


def test_prefit_and_groups(data):
    """A fitted model is used as it is; few groups say nothing, many as much as rows."""
    X, y, _ = data
    rows = np.r_[:200, 400:600]
    model = transfer().fit(X[rows], y[rows])
    new = np.r_[200:400, 600:800]
    sets = ConformalTransfer(model, cv="prefit").fit(X[new], y[new])
    assert sets.estimator_ is model
    own = clone(sets).set_params(estimator=model).fit(X[new], y[new], groups=np.arange(400))
    np.testing.assert_array_equal(own.predict_set(X[800:]), sets.predict_set(X[800:]))
    few = ConformalTransfer(model, cv="prefit").fit(X[new], y[new], groups=np.arange(400) % 8)
    np.testing.assert_array_equal(np.bincount(few.pair_groups_), np.full(8, 25))
    assert few.predict_set(X[800:], coverage=0.9).all()
    assert not few.predict_set(X[800:], coverage=0.5).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"errors": "none"}, ValueError, "errors"),
        ({"estimator": LogisticRegression()}, TypeError, "ConformalTransfer got"),
        ({"cv": 1}, ValueError, "cv"),
        ({"cv": 300}, ValueError, "ConformalTransfer has"),
    ],
)
def test_bad_parameters(data, options, error, message):
    """What misfits is said."""
    X, y, _ = data
    with pytest.raises(error, match=message):
        ConformalTransfer(**({"estimator": transfer()} | options)).fit(X[300:600], y[300:600])


def test_bad_coverage(data):
    """As of any other parameter."""
    X, y, _ = data
    model = transfer().fit(X[:800], y[:800])
    sets = ConformalTransfer(model, cv="prefit").fit(X, y)
    with pytest.raises(ValueError, match="coverage"):
        sets.predict_set(X, coverage=1.5)


def test_labelled_pairs_calibrate_by_halves():
    """Where no pair lacks a label no row shows both what a label and what a pair shows."""
    data = make_paired_gaussians(300, n_features=(5, 6), n_classes=3, noise=0.5, random_state=0)
    model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=[5, 6]))
    sets = ConformalTransfer(model, cv=3, random_state=0).fit(data.X, data.y)
    assert len(sets.labelled_proba_) + len(sets.target_proba_) == 300
    assert len(sets.target_proba_) == 150
    assert sets.n_features_in_ == 11


def test_a_fit_that_refuses_leaves_no_trace(data):
    """A new one stays new; one that was fitted gives the sets that it gave."""
    X, y, _ = data
    rows = np.r_[:60, 400:460, 800:820]
    sets = ConformalTransfer(transfer(), cv=2, random_state=0)
    with pytest.raises(ValueError, match="ConformalTransfer has"):
        sets.fit(X[rows], y[rows], groups=np.zeros(140))
    assert vars(sets).keys() == vars(ConformalTransfer(transfer())).keys()
    before = sets.fit(X[rows], y[rows]).predict_set(X[800:])
    with pytest.raises(ValueError, match="ConformalTransfer has"):
        sets.fit(X[rows], y[rows], groups=np.zeros(140))
    np.testing.assert_array_equal(sets.predict_set(X[800:]), before)


def test_a_source_without_probabilities(data):
    """What it decides counts as certain."""
    X, y, truth = data
    model = CrossModalTransferClassifier(
        LinearSVC(), aligner=NullSpaceAligner(modalities=[6, 9]), target_space="aligned"
    )
    sets = ConformalTransfer(model, cv=3, random_state=0).fit(X, y)
    assert set(np.unique(sets.labelled_proba_)) == {0.0, 1.0}
    held = sets.predict_set(X[800:], coverage=0.9)
    assert held[np.arange(400), np.searchsorted(sets.classes_, truth[800:])].mean() >= 0.9
    assert not held.all()
