"""What every tutorial starts with: one style of figures, and warnings that are errors."""

import re
import warnings

STYLE = {
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 11,
}
kept = []


def plain_style(gallery_conf, fname, when):
    """Before a tutorial: the style, and strictness. After it: filters as they were."""
    import matplotlib

    if when == "before":
        kept[:] = warnings.filters
        matplotlib.rcParams.update(STYLE)
        warnings.simplefilter("error")
    else:
        warnings.filters[:] = kept


def in_a_frame(app, pagename, templatename, context, doctree):
    """Figures of tutorials scroll by themselves where the screen is narrow."""
    if pagename.startswith("auto_examples/"):
        figure = r"(<img [^>]*sphx-glr-single-img[^>]*>)"
        context["body"] = re.sub(figure, r'<div class="wide-figure">\1</div>', context["body"])


def setup(app):
    """Called by Sphinx."""
    app.connect("html-page-context", in_a_frame)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
