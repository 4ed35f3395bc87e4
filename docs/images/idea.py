"""The idea in one picture: ``python docs/images/idea.py`` draws it, wide and narrow.

Everything in it is fitted: two sensors of two columns each, labels on one of them only.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from skalign import CrossModalTransferClassifier, NullSpaceAligner  # noqa: E402
from skalign.datasets import make_paired_gaussians  # noqa: E402

COLOURS = np.array(["#0072b2", "#e69f00", "#cc3d76"])
PALE = ListedColormap(["#d3e6f2", "#fbebcb", "#f6d8e3"])
GREY = "0.55"
MEANS = np.array([[0.0, 3.2], [2.8, -1.6], [-2.8, -1.6]])


def data():
    """60 rows of sensor 1 with a label, 120 pairs without one, 120 rows of sensor 2 alone."""
    made = make_paired_gaussians(
        300,
        n_features=(2, 2),
        n_latent=2,
        n_classes=3,
        class_means=MEANS,
        noise=0.6,
        random_state=8,
    )
    X, y = made.X.copy(), made.y.copy()
    X[:60, 2:], X[180:, :2], y[60:] = np.nan, np.nan, -1
    return X, y, made.y


def table(ax):
    """Which rows have which block, and a label."""
    ax.set(xlim=(-0.35, 3.05), ylim=(12.2, -1.4))
    ax.axis("off")
    groups = [
        (0, 3, "labelled", (1, 0)),
        (4, 4, "pairs,\nno label", (1, 1)),
        (9, 3, "new", (0, 1)),
    ]
    for top, n, name, has in groups:
        for row in range(top, top + n):
            for m, there in enumerate(has):
                face = ("#9ecae1", "#a1d99b")[m] if there else "white"
                style = {"ec": "white" if there else "0.8", "ls": "-" if there else ":"}
                ax.add_patch(plt.Rectangle((m * 0.95, row), 0.9, 0.85, fc=face, **style))
            if top == 0:
                ax.plot(2.1, row + 0.43, "o", color=COLOURS[row % 3], ms=9)
            else:
                ax.text(2.1, row + 0.43, "?", ha="center", va="center", color="0.4")
        ax.text(2.4, top + n / 2, name, va="center", fontsize=11)
    for x, name in ((0.45, "sensor 1"), (1.4, "sensor 2"), (2.1, "label")):
        ax.text(x, -0.35, name, ha="center", fontsize=11)


def space(ax, aligner, X, y):
    """Pairs twice each, joined; labels where the first sensor has them."""
    first, second = aligner.encoders_
    pairs = slice(60, 180)
    a, b = first.transform(X[pairs, :2]), second.transform(X[pairs, 2:])
    ax.plot([a[:, 0], b[:, 0]], [a[:, 1], b[:, 1]], color=GREY, lw=0.7)
    ax.scatter(*a.T, s=16, color=GREY)
    ax.scatter(*b.T, s=18, color=GREY, marker="^")
    ax.scatter(*first.transform(X[:60, :2]).T, s=34, color=COLOURS[y[:60]], ec="white", lw=0.6)
    ax.set(xticks=[], yticks=[])


def decisions(ax, classifier, new):
    """What is decided everywhere in the second sensor's columns, and of new rows."""
    low, high = new.min(axis=0) - 1, new.max(axis=0) + 1
    grid = np.stack(np.meshgrid(*np.linspace(low, high, 300).T), axis=-1)
    regions = classifier.predict(grid.reshape(-1, 2)).reshape(300, 300)
    ax.pcolormesh(grid[..., 0], grid[..., 1], regions, cmap=PALE, rasterized=True)
    ax.scatter(
        *new.T, s=30, marker="^", color=COLOURS[classifier.predict(new)], ec="white", lw=0.6
    )
    ax.set(xticks=[], yticks=[], xlim=(low[0], high[0]), ylim=(low[1], high[1]))


def draw(model, X, y, truth, narrow):
    """Three panels side by side, or one below the other for narrow screens."""
    classifier, new = model.target_classifier_, X[180:, 2:]
    shape, size = ((3, 1), (4.4, 11.6)) if narrow else ((1, 3), (11.4, 4.0))
    fig, axes = plt.subplots(*shape, figsize=size, layout="constrained")
    table(axes[0])
    space(axes[1], model.aligner_, X, y)
    decisions(axes[2], classifier, new)
    titles = "1  What you have", "2  Where both sensors agree", "3  A classifier of sensor 2"
    notes = (
        "labels on sensor 1 only",
        "● sensor 1   ▲ sensor 2   joined: a pair",
        f"no label was seen here: {classifier.score(new, truth[180:]):.0%} right",
    )
    for ax, title, note in zip(axes, titles, notes, strict=True):
        ax.set_title(title, fontsize=14, loc="left", pad=10)
        ax.text(0.5, -0.06, note, transform=ax.transAxes, ha="center", va="top", fontsize=12)
    return fig


def main():
    """Fit, draw and save."""
    X, y, truth = data()
    aligner = NullSpaceAligner(2, modalities=[2, 2])
    model = CrossModalTransferClassifier(aligner=aligner).fit(X[:180], y[:180])
    draw(model, X, y, truth, narrow=False).savefig(HERE / "idea.png", dpi=130)
    draw(model, X, y, truth, narrow=True).savefig(HERE / "idea_narrow.png", dpi=110)


if __name__ == "__main__":
    main()
