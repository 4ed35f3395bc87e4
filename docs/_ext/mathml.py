"""Equations as MathML, which browsers draw by themselves: no script, no network."""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.errors import ExtensionError


def mathml(tex, block):
    """MathML of an equation in TeX."""
    spaced = re.sub(r"\\log(?= ?[a-z])", r"\\log\\,", tex.strip())
    found = convert(spaced, display="block" if block else "inline")
    if "\\" in found:  # a command that was not understood stands as it is
        raise ExtensionError(f"equation that cannot be drawn: {tex}")
    return found


def visit_math(self, node):
    """An equation inside a line."""
    self.body.append(mathml(node.astext(), block=False))
    raise nodes.SkipNode


def visit_displaymath(self, node):
    """An equation on a line of its own."""
    self.body.append(f'<div class="equation">{mathml(node.astext(), block=True)}</div>')
    raise nodes.SkipNode


def setup(app):
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
