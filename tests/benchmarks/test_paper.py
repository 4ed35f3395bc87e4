"""`benchmarks/paper.py`: its claims hold on a small grid, and it says so where one does not."""

import sys

import numpy as np
import pytest
from scipy.linalg import null_space

from skalign._tour._experiments import svd_maps
from skalign.datasets import make_paired_gaussians

SMALL = {"n": (10, 60, 400), "d": (2, 10), "k": (1, 10)}


@pytest.fixture(scope="module")
def modules(script):
    """The parts of the script by name."""
    return {name: script(name) for name in ("paper", "paper_claims", "paper_study")}


@pytest.fixture(scope="module")
def results(modules):
    """All experiments, small."""
    return modules["paper"].study(8, 3, SMALL)


def merit(modules, values, method, name):
    """One merit of one method, over points and draws."""
    study = modules["paper_study"]
    return values[..., study.METHODS.index(method), study.MERITS.index(name)]


def test_all_claims_hold(modules, results):
    """Each figure has its rows, none of which is doubted."""
    *_, claims = results
    text = modules["paper"].claims_table(claims)
    assert all(good for *_, good, _ in claims)
    assert "NOT CONFIRMED" not in text
    assert {where[:6] for where, *_ in claims} == {f"Fig. {i}" for i in range(1, 7)}
    assert text.count("\n") == len(claims) + 1


def test_alignment_is_exact_without_noise_only(modules, results):
    """At every point and draw, by both methods; with noise by skalign at none."""
    _, _, found, _ = results
    for (name, noise), values in found.items():
        assert values.shape[:2] == (len(SMALL[name]), 3)
        errors = merit(modules, values, "skalign", "alignment")
        assert np.all(errors > 1e-3) if noise else np.all(errors <= 1e-12)
        if not noise:
            assert np.all(merit(modules, values, "paper", "alignment") <= 1e-12)
            assert np.all(merit(modules, values, "skalign", "r2") > 1 - 1e-12)


def test_a_wrong_sign_is_not_confirmed(modules, results, monkeypatch):
    """Eq. 2 as printed fails the very claim that the corrected one passes."""
    study = modules["paper_study"]
    monkeypatch.setattr(study, "svd_maps", lambda x1, x2, k, sign: svd_maps(x1, x2, k, 1))
    sweeps = {"n": (60, 400)}
    found = study.figure_6(2, sweeps)
    rows = list(modules["paper_claims"].claims_without_noise(found))
    assert [good for *_, good, _ in rows] == [False, True]
    assert modules["paper"].claims_table(rows).count("NOT CONFIRMED") == 1


def test_points_are_those_of_the_grid(modules):
    """One point, computed without the package's maps or metrics."""
    study = modules["paper_study"]
    found = study.figure_6(2, {"d": (2, 3)})["d", 1.0][1, 1]
    data = make_paired_gaussians(3000, n_features=(3, 3), noise=1.0, random_state=1)
    stack = np.hstack([data.X[:2000, :3], -data.X[:2000, 3:]])
    A = np.linalg.eigh(stack.T @ stack)[1][:, :2]
    gaps = np.linalg.norm(stack @ A, axis=1).mean()
    z1 = data.X[:2000, :3] @ A[:3]
    z2 = data.X[:2000, 3:] @ A[3:]
    lengths = [np.linalg.norm(z, axis=1).mean() for z in (z1, z2, data.latent[:2000])]
    row = dict(zip(study.MERITS, found[study.METHODS.index("paper")], strict=True))
    np.testing.assert_allclose(row["alignment"], gaps)
    np.testing.assert_allclose(row["scale"], np.mean(lengths[:2]))
    np.testing.assert_allclose(row["true scale"], lengths[2])


@pytest.mark.parametrize(("n", "widths"), [(50, (2, 2)), (50, (4, 3)), (4, (5, 6))])
def test_svd_maps_are_in_the_null_space(n, widths):
    """Orthonormal, and the last directions: with fewer samples than columns, too."""
    rng = np.random.default_rng(n)
    z = rng.normal(size=(n, 2))
    x1, x2 = (z @ rng.normal(size=(2, width)) for width in widths)
    A = np.vstack(svd_maps(x1, x2, 2, -1))
    space = null_space(np.hstack([x1, -x2]))
    np.testing.assert_allclose(A.T @ A, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(space @ (space.T @ A), A, atol=1e-12)


def test_the_command_writes_table_and_figures(modules, results, tmp_path, monkeypatch, capsys):
    """Six pictures, and on disk the very text that is printed."""
    pytest.importorskip("matplotlib")
    paper = modules["paper"]
    monkeypatch.setattr(paper, "SWEEPS", SMALL)
    monkeypatch.setattr(paper, "study", lambda *_: results)
    folder = tmp_path / "new" / "folder"
    monkeypatch.setattr(sys, "argv", ["paper.py", "--output", str(folder)])
    assert paper.main() == 0
    out, _ = capsys.readouterr()
    assert (folder / "paper.md").read_text(encoding="utf-8") == out
    assert out.count("| n = 60 | 1 |") == 1
    assert len(list(folder.glob("*.png"))) == 6
