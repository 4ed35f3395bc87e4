"""What every tutorial starts with: one style of figures, and warnings that are errors."""

import warnings

STYLE = {
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 11,
}


def plain_style(gallery_conf, fname, when):
    """Before a tutorial: the style, and strictness. After it: neither."""
    import matplotlib

    warnings.resetwarnings()
    if when == "before":
        matplotlib.rcParams.update(STYLE)
        warnings.simplefilter("error")
    else:
        warnings.simplefilter("default")
