"""Figures are drawn without a screen, and closed."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def without_screen():
    """Skip where there is no matplotlib."""
    pytest.importorskip("matplotlib").use("agg")


@pytest.fixture(autouse=True)
def closed(without_screen):
    """Leave no figure open."""
    yield
    from matplotlib import pyplot as plt

    plt.close("all")
