"""Fitted estimators as files: what is in them, and who can read them."""

import pickle
import pickletools

import numpy as np
import pytest
from test_house import fitted

import skalign
from skalign import NullSpaceAligner
from skalign.datasets import make_paired_gaussians

X = make_paired_gaussians(90, n_features=(5, 6), noise=0.5, random_state=1).X
METHODS = ("transform", "impute", "predict_proba", "predict")


def answers(model):
    """What every method says of some rows."""
    return {name: getattr(model, name)(X) for name in METHODS if hasattr(model, name)}


@pytest.mark.parametrize("number", range(7))
def test_skops_round_trip(number):
    """Files of skops trust public names of skalign, and of nobody else beyond its defaults."""
    io = pytest.importorskip("skops.io")
    model = fitted()[number]
    parts = [model, *getattr(model, "encoders_", [])]
    parts += getattr(model, "classifiers_", {}).values()
    for part in parts:
        data = io.dumps(part)
        untrusted = io.get_untrusted_types(data=data)
        ours = {f"skalign.{name}" for name in skalign.__all__}
        assert set(untrusted) <= ours
        again = io.loads(data, trusted=untrusted)
        for name in METHODS:
            if hasattr(part, name):
                rows = X[:, -part.n_features_in_ :]
                np.testing.assert_array_equal(
                    getattr(again, name)(rows), getattr(part, name)(rows)
                )


@pytest.mark.parametrize("number", range(7))
def test_pickles_name_public_classes_only(number):
    """So that rooms may be moved without breaking a file."""
    model = fitted()[number]
    data = pickle.dumps(model)
    strings = [arg for _, arg, _ in pickletools.genops(data) if isinstance(arg, str)]
    assert not [text for text in strings if text.startswith("skalign.")]
    assert "skalign" in strings
    for name, value in answers(pickle.loads(data)).items():
        np.testing.assert_array_equal(value, answers(model)[name])


def test_a_fit_in_one_go_keeps_no_sums():
    """A pickle holds maps, k numbers a column, and no matrix of columns by columns."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(600, 3))
    wide = shared @ rng.normal(size=(3, 400)) + rng.normal(size=(600, 400))
    aligner = NullSpaceAligner(3).fit(wide)
    assert len(pickle.dumps(aligner)) < 8 * 400 * 3 * 8
    streamed = NullSpaceAligner(3).partial_fit(wide)
    assert len(pickle.dumps(streamed)) > 8 * 400 * 400
    np.testing.assert_allclose(streamed.transform(wide), aligner.transform(wide), atol=1e-6)
