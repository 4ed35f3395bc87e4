"""Figures are drawn without a screen, and closed."""

import pytest


@pytest.fixture(autouse=True)
def closed():
    """Skip where there is no matplotlib; leave no figure open."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    yield
    from matplotlib import pyplot as plt

    plt.close("all")
