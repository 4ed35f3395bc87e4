"""What all displays draw with. The one module that imports matplotlib, an optional extra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

# Okabe and Ito: told apart with any colour vision. Markers say the same once more.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5C00")
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
BLUE, VERMILION, GREEN = COLORS[:3]
INK, GREY = "#222222", "#BBBBBB"
# More classes than this do not fit a legend.
MOST_NAMED = 12


def check_matplotlib(owner: str) -> None:
    """Raise, and say what to install, where there is no matplotlib."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(f'{owner} needs matplotlib: pip install "skalign[plot]".') from error


def axes_of(ax: Any, owner: str, n: int | None = None, **options: Any) -> tuple[Any, Any]:
    """A figure and its axes: those given, or new ones by pyplot, as scikit-learn's displays do.

    Parameters
    ----------
    ax : Axes, sequence of Axes or None
    owner : str
        Who asks, for errors.
    n : int, optional
        How many axes; one alone is no sequence.
    **options : dict
        Of :func:`matplotlib.pyplot.subplots`, where axes are made.
    """
    check_matplotlib(owner)
    if ax is None:
        from matplotlib import pyplot as plt

        figure, made = plt.subplots(1, n or 1, layout="constrained", squeeze=False, **options)
        return figure, made[0, 0] if n is None else made[0]
    if n is None:
        return ax.figure, ax
    given = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    if len(given) != n:
        raise ValueError(f"{owner} draws {n} panels, and ax has {len(given)}: pass one each.")
    return given[0].figure, given


def merged(defaults: dict, given: dict | None) -> dict:
    """Keyword arguments of an artist: those given, and defaults for what they leave open.

    Matplotlib knows some by two names, of which only one may be passed.
    """
    aliases = {"c": "color", "lw": "linewidth", "ls": "linestyle"}
    given = {aliases.get(name, name): value for name, value in (given or {}).items()}
    return {**defaults, **given}


def classes_drawn(y: Any) -> list[tuple[str, np.ndarray, str, str]]:
    """Name, rows, colour and marker of each class; one nameless of all rows where there are none.

    ``y`` is an array of codes and the classes that these stand for, or None and a number of rows.
    Code -1 is no class; classes without a row are not drawn.
    """
    codes, classes = y
    if codes is None or not np.any(codes >= 0):
        classes = classes if codes is None else len(codes)
        return [("", np.ones(classes, dtype=bool), BLUE, MARKERS[0])]
    drawn = []
    if np.any(codes < 0):
        drawn.append(("no label", codes < 0, GREY, "."))
    colors = class_colors(len(classes))
    for c, name in enumerate(classes):
        if np.any(codes == c):
            drawn.append((str(name), codes == c, colors[c], MARKERS[c % len(MARKERS)]))
    return drawn


def class_colors(n: int) -> list:
    """Colours of so many classes: those above, or evenly along a map where they are too few."""
    if n <= len(COLORS):
        return list(COLORS[:n])
    import matplotlib

    if n <= 10:
        return [matplotlib.colormaps["tab10"](c) for c in range(n)]
    return [matplotlib.colormaps["turbo"](c) for c in np.linspace(0.03, 0.97, n)]


def legend_below(axes: Any, **options: Any) -> None:
    """A legend under the axes, where it hides nothing and leaves the title its width."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        labels = [shortened(label, 42) for label in labels]
        columns = max(1, min(5, 54 // (max(map(len, labels)) + 5)))
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.16), "frameon": False}
        axes.legend(handles, labels, ncols=columns, **place, **options)


def finish(axes: Any, title: str, x: str, y: str) -> None:
    """Title and labels, and no box around."""
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)


def shortened(name: str, most: int = 22) -> str:
    """A name that fits beside its bar: the middle of a long one is left out."""
    if len(name) <= most:
        return name
    half = (most - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def numbers_of(count: int, noun: str) -> str:
    """A count and its noun: 1 pair, 1,200 pairs."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: a, b and c."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
