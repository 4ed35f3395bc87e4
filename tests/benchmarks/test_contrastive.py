"""`benchmarks/contrastive.py`: its measures, its verdicts, and that its rival learns."""

import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn.preprocessing import StandardScaler

from skalign.datasets import make_paired_gaussians


@pytest.fixture(scope="module")
def contrastive(script):
    """The script."""
    return script("contrastive")


def test_correlation(contrastive):
    """Without scale, place or common rotation; of one dimension, the usual one."""
    rng = np.random.default_rng(0)
    z1 = rng.normal(size=(400, 5))
    z2 = z1 + rng.normal(size=z1.shape)
    found = contrastive.correlation(z1, z2)
    turn = ortho_group.rvs(5, random_state=0)
    moved = contrastive.correlation(3 * z1 @ turn + 1, 0.5 * z2 @ turn - 2)
    np.testing.assert_allclose(found, moved)
    one = contrastive.correlation(z1[:, :1], z2[:, :1])
    np.testing.assert_allclose(one, np.corrcoef(z1[:, 0], z2[:, 0])[0, 1])
    np.testing.assert_allclose(contrastive.correlation(z1, z1), 1)
    assert abs(contrastive.correlation(z1, rng.permutation(z2))) < 0.1 < found


def test_separation_is_not_won_by_fewer_dimensions(contrastive):
    """Of all of them: about the root of their number for equal encodings; none for others."""
    z = np.random.default_rng(0).normal(size=(500, 25))
    assert contrastive.separation(z, z) == pytest.approx(5, rel=0.05)
    assert contrastive.separation(z[:, :4], z[:, :4]) == pytest.approx(2, rel=0.05)
    assert abs(contrastive.separation(z, z[::-1])) < 0.2


@pytest.mark.parametrize(
    ("others", "word"),
    [
        ([[0.5, 0.6], [0.1, 0.1]], "ahead"),
        ([[0.1, 0.1], [0.9, 0.8]], "behind"),
        ([[0.75, 0.65], [0.1, 0.1]], "same"),
        ([[0.7, 0.7], [0.7, 0.7]], "same"),
    ],
)
def test_verdict_is_beside_the_better(script, others, word):
    """By more than the standard error of the difference, of the method with the higher mean."""
    report = script("contrastive_report")
    found = {"skalign": np.full((2, 1), 0.7)}
    found |= {
        name: np.array(values)[:, None]
        for name, values in zip(report.DESCENTS, others, strict=True)
    }
    said, gain = report.verdict(found, 0, "skalign", report.DESCENTS)
    assert said == word
    assert gain == pytest.approx(0.7 - max(np.mean(values) for values in others))


def exact_split(contrastive):
    """Data that share nine dimensions without noise."""
    s = contrastive.gaussians(0.0, 0)
    return s._replace(
        X1=StandardScaler().fit_transform(s.X1), X2=StandardScaler().fit_transform(s.X2)
    )


def test_closed_form_of_exact_data(contrastive):
    """All is found; and nothing of pairs that are none."""
    s = exact_split(contrastive)
    (alignment, apart, recall, rank, accuracy), times = contrastive.in_closed_form(s, None, 0)
    np.testing.assert_allclose([alignment, recall, rank], 1, atol=1e-9)
    assert accuracy > 0.8 and apart > 2 and 0 < times[0] < times[1]
    mixed = s.X2.copy()
    mixed[s.test] = np.random.default_rng(0).permutation(mixed[s.test])
    found, _ = contrastive.in_closed_form(s._replace(X2=mixed), None, 0)
    assert max(abs(found[:2])) < 0.1 and found[2] < 0.01


def test_loss_is_the_cross_entropy_of_partners(script):
    """By NumPy."""
    torch = pytest.importorskip("torch")
    encoders = script("contrastive_encoders")
    rng = np.random.default_rng(0)
    X1, X2 = rng.normal(size=(2, 7, 3))
    same = [torch.nn.Identity()] * 2
    found = float(encoders.info_nce(same, encoders.tensors(X1, X2), 0.2))
    cosines = [X / np.linalg.norm(X, axis=1, keepdims=True) for X in (X1, X2)]
    scores = np.exp(cosines[0] @ cosines[1].T / 0.2)
    rows, columns = (np.diag(scores) / scores.sum(axis=axis) for axis in (1, 0))
    assert found == pytest.approx(-(np.log(rows).mean() + np.log(columns).mean()) / 2, rel=1e-5)


@pytest.mark.parametrize("kind", ["linear", "MLP"])
def test_descent_learns(script, kind):
    """Of exact pairs: nearly every new row finds its partner."""
    pytest.importorskip("torch")
    encoders = script("contrastive_encoders")
    data = make_paired_gaussians(500, n_features=(8, 9), n_latent=5, random_state=0)
    X1, X2 = np.split(StandardScaler().fit_transform(data.X), [8], axis=1)
    setting = encoders.Setting(learning_rate=1e-2, temperature=0.1, weight_decay=1e-2)
    fold = (X1[:200], X2[:200]), (X1[200:300], X2[200:300])
    tuned = encoders.train(kind, *fold, setting, 0)
    assert tuned.losses[tuned.epochs - 1] < 0.5 * tuned.losses[0]
    assert tuned.epochs == len(tuned.losses) or min(tuned.losses) <= tuned.losses[-1]
    *_, learned = encoders.descend(kind, (X1[:300], X2[:300]), setting, tuned.epochs, 0)
    z1, z2 = (encoders.encoded(f, X[300:]) for f, X in zip(learned, (X1, X2), strict=True))
    assert np.mean(np.argmax(z1 @ z2.T, axis=1) == np.arange(200)) > 0.8
