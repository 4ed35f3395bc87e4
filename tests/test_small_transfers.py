"""The rule of test_small_cases for the classifier, whatever the source classifier says."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.naive_bayes import GaussianNB
from sklearn.semi_supervised import LabelSpreading
from sklearn.tree import DecisionTreeClassifier
from strategies import (
    aligner_options,
    assert_distributions,
    cases,
    outcome,
    plain,
    seeds,
)

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.testing import PairedData


class Teacher(ClassifierMixin, BaseEstimator):
    """Sure of the sign of the first column; where that is 100, says what it is told to."""

    def __init__(self, says=(0.5, 0.5)):
        self.says = says

    def fit(self, X, y, sample_weight=None):
        """Learn nothing but the classes."""
        self.classes_ = np.unique(y)
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict_proba(self, X):
        """Class probabilities, or not."""
        classes = np.eye(len(self.classes_))
        proba = classes[np.minimum(X[:, 0] > 0, len(classes) - 1).astype(int)]
        odd = X[:, 0] == 100
        if odd.any():
            proba = proba[:, : len(self.says)]
            proba[odd, : len(self.says)] = self.says
        return proba

    def predict(self, X):
        """Most probable classes."""
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]


# -- any small data -------------------------------------------------------------------------------


teachers = st.sampled_from(
    [
        GaussianNB(),
        LogisticRegression(max_iter=200),
        DecisionTreeClassifier(random_state=0),
        Teacher(),
    ]
)
some_mixtures = st.one_of(
    st.none(),
    st.builds(
        lambda kind, n, covariance: kind(
            n_components=n, covariance_type=covariance, random_state=0
        ),
        st.sampled_from([GaussianMixture, BayesianGaussianMixture]),
        st.integers(1, 6),
        st.sampled_from(["full", "tied", "diag", "spherical"]),
    ),
)
transfers = st.fixed_dictionaries(
    {"estimator": teachers},
    optional={
        "mixture": some_mixtures,
        "predict_from": st.just("available"),
        "source": st.integers(0, 1),
        "target": st.integers(0, 1),
    },
)


def assert_answers(model, X):
    """Rows that have what is asked for, and others, get probabilities and a class."""
    assert_distributions(model.predict_proba(X))
    assert np.isin(model.predict(X), model.classes_).all()
    return True


@cases(100)
@given(plain(8), aligner_options, transfers)
def test_any_small_transfer(data, options, transfer):
    X, y, weights = data.X, data.y, data.sample_weight
    aligner = NullSpaceAligner(modalities=list(data.widths), random_state=0, **options)
    model = CrossModalTransferClassifier(aligner=aligner, random_state=0, **transfer)
    if not outcome(lambda: model.fit(X, y, sample_weight=weights)):
        return
    outcome(lambda: assert_answers(model, X))  # a teacher may fail on rows it has not seen
    assert_distributions(model.class_prior_)
    assert hasattr(model, "mixture_") == hasattr(model, "component_class_proba_")
    if hasattr(model, "mixture_"):
        assert_distributions(model.component_class_proba_)
        assert np.isfinite(model.mixture_.means_).all()
    if model.mixture is None:
        assert np.isfinite(model.agreement_)


# -- teachers -------------------------------------------------------------------------------------

ROWS = PairedData(40, (2, 3), rank=3).X
LABELS = (ROWS[:, 0] > 0).astype(int)
ROWS[:5, :2] = np.nan  # so that rows of X are no rows of the source
MIXTURES = [None, GaussianMixture(2, random_state=0)]


def odd(row):
    """Rows one of which has a first column that no teacher below can stand."""
    X = ROWS.copy()
    X[row, 0] = 100
    return X


def transfer_of(estimator, **parameters):
    aligner = NullSpaceAligner(modalities=[2, 3])
    return CrossModalTransferClassifier(estimator, aligner=aligner, **parameters)


ROGUES = [(-0.5, 1.5), (-1.0, 0.0), (np.nan, np.nan), (np.nan, 1.0), (np.inf, 0.0), (0.0, 0.0)]
ROGUES += [(1.0, 1.0), (0.3, 0.3)]


@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize("says", ROGUES)
def test_a_teacher_of_no_probabilities_is_named_at_fit(says, mixture):
    """With the row of X of which it says so."""
    model = transfer_of(Teacher(says), mixture=mixture)
    with pytest.raises(ValueError, match=r"(?s)^(?=.*Teacher)(?=.*\brow 17\b)"):
        model.fit(odd(17), LABELS)


@pytest.mark.parametrize("says", ROGUES)
@pytest.mark.parametrize("frozen", [False, True])
def test_a_teacher_of_no_probabilities_is_named_at_predict(says, frozen):
    """Beside the target, where it has a word."""
    teacher = Teacher(says)
    if frozen:
        teacher = FrozenEstimator(teacher.fit(ROWS[5:, :2], LABELS[5:]))
    model = transfer_of(teacher, predict_from="available").fit(ROWS, LABELS)
    with pytest.raises(ValueError, match=r"(?s)^(?=.*Teacher)(?=.*\brow 9\b)"):
        model.predict_proba(odd(9))


@pytest.mark.parametrize("says", [(1.0,), (0.5, 0.5, 0.0)])
def test_a_teacher_of_other_classes_is_named(says):
    """Columns are classes."""

    class Wide(Teacher):
        def predict_proba(self, X):
            return np.tile(says, (len(X), 1))

    with pytest.raises(ValueError, match="Wide"):
        transfer_of(Wide()).fit(ROWS, LABELS)


def test_a_teacher_that_leaves_rows_out_is_named():
    """One row of probabilities a row."""

    class Short(Teacher):
        def predict_proba(self, X):
            return super().predict_proba(X)[1:]

    with pytest.raises(ValueError, match="Short"):
        transfer_of(Short()).fit(ROWS, LABELS)


def test_a_teacher_of_single_precision_is_believed():
    """Sums that are off by rounding are none of the above."""
    model = transfer_of(Teacher(np.float32([1 / 3, 2 / 3]) + np.float32(1e-7)))
    model.fit(odd(17), LABELS)
    assert_distributions(model.predict_proba(ROWS))


def test_label_spreading_far_from_its_rows():
    """Its kernel is zero there, and so is what it divides by."""
    X, y = ROWS.copy(), LABELS.copy()
    X[17, :2] = 1e3
    y[17] = -1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # its own
        with pytest.raises(ValueError, match=r"(?s)^(?=.*LabelSpreading)(?=.*\brow 17\b)"):
            transfer_of(LabelSpreading(gamma=20)).fit(X, y)


# -- what else has been seen ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [GaussianMixture, BayesianGaussianMixture])
def test_fewer_pairs_than_components_of_a_mixture(kind):
    """The message is of the mixture that was given, not of one somewhere."""
    model = transfer_of(GaussianNB(), mixture=kind(n_components=36, random_state=0))
    with pytest.raises(ValueError, match=r"mixture\b.*36"):
        model.fit(ROWS, LABELS)


@pytest.mark.parametrize("predict_from", ["target", "available"])
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("n_components", ["auto", 1])
def test_a_target_that_is_constant(n_components, center, predict_from):
    """Is told by name, also where the aligner has no mean to take out."""
    X = ROWS.copy()
    X[:, 2:] = 2.5
    aligner = NullSpaceAligner(n_components, modalities=[2, 3], center=center)
    model = CrossModalTransferClassifier(aligner=aligner, predict_from=predict_from)
    with pytest.raises(ValueError, match="modality1"):
        model.fit(X, LABELS)


@cases(12)
@given(
    seeds,
    st.integers(20, 60),
    st.tuples(st.integers(2, 5), st.integers(2, 5)),
    st.sampled_from([GaussianNB(), LogisticRegression(max_iter=1000, tol=1e-10)]),
    st.sampled_from(["target", "available"]),
)
def test_neither_order_of_columns_nor_of_rows_decides(seed, n, widths, teacher, predict_from):
    """Folds, and anchors in them, are of different pairs, not of places in an array."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    X = 2 * rng.normal(size=(3, sum(widths)))[y] + rng.normal(size=(n, sum(widths)))
    y[rng.random(n) < 0.4] = -1
    y[:3] = range(3)
    columns = np.concatenate([rng.permutation(widths[0]), widths[0] + rng.permutation(widths[1])])

    def proba(rows, columns):
        aligner = NullSpaceAligner(modalities=list(widths))
        model = CrossModalTransferClassifier(teacher, aligner=aligner, predict_from=predict_from)
        return model.fit(X[rows][:, columns], y[rows]).predict_proba(X[:, columns])

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*share nothing beyond chance")
        usual = proba(np.arange(n), np.arange(sum(widths)))
        other = proba(rng.permutation(n), columns)
    np.testing.assert_allclose(other, usual, atol=1e-6)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # its own
def test_values_that_the_source_cannot_hold():
    """Trees read single precision."""
    X = ROWS.copy()
    X[:, :2] *= 1e60
    with pytest.raises(ValueError, match=r"DecisionTreeClassifier cannot hold .* 'modality0'"):
        transfer_of(DecisionTreeClassifier()).fit(X, LABELS)


def test_rows_of_single_precision_far_from_what_was_learned():
    """Latents that these cannot hold are refused in words."""
    X = np.hstack([ROWS[:, :2], 1e-60 * ROWS[:, 2:]])
    mixture = GaussianMixture(2, random_state=0)
    options = {"mixture": mixture, "target_space": "aligned", "class_prior": "uniform"}
    model = transfer_of(GaussianNB(), **options).fit(X, LABELS)
    assert hasattr(model.target_classifier_, "encoder_")
    with pytest.raises(ValueError, match="scale the features"):
        model.predict_proba(ROWS.astype(np.float32))
