"""Equations as MathML, which browsers draw by themselves: no script, no network."""

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.errors import ExtensionError


def mathml(tex, block):
    """MathML of an equation in TeX."""
    try:
        return latex2mathml.tex2mathml(tex.strip().replace(r"\dots", r"\ldots"), as_block=block)
    except MathError as error:
        raise ExtensionError(f"equation that cannot be drawn: {error}\n{tex}") from error


def visit_math(self, node):
    """An equation inside a line."""
    self.body.append(mathml(node.astext(), block=False))
    raise nodes.SkipNode


def visit_displaymath(self, node):
    """An equation on lines of its own."""
    tex = node.astext()
    if "\\\\" in tex and "\\begin" not in tex:
        tex = f"\\begin{{aligned}}{tex}\\end{{aligned}}"
    self.body.append(f'<div class="equation">{mathml(tex, block=True)}</div>')
    raise nodes.SkipNode


def setup(app):
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
