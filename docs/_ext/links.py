"""Links out of the pages: to scikit-learn's reference, to files of the repository, to its code."""

import importlib
import inspect
import re
import sys
from pathlib import Path

from docutils import nodes

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "https://github.com/skalign/skalign/blob/main"
SKLEARN = "https://scikit-learn.org/stable"
PYTHON = "https://docs.python.org/3/library"


def source_of(module, fullname):
    """Address of the lines that define a public name, None where there are none."""
    found = importlib.import_module(module)
    try:
        for part in fullname.split("."):
            found = getattr(found, part)
        found = inspect.unwrap(found)
        file = Path(inspect.getsourcefile(found)).resolve().relative_to(ROOT)
        lines, first = inspect.getsourcelines(found)
    except (AttributeError, TypeError, ValueError, OSError):
        return None
    return f"{REPOSITORY}/{file.as_posix()}#L{first}-L{first + len(lines) - 1}"


def elsewhere(app, env, node, contnode):
    """References that no page here answers, by the addresses that other references have.

    Nothing is asked there. A learned attribute of an estimator of ours leads to its class.
    """
    target, kind = node.get("reftarget", ""), node.get("reftype")
    if node.get("refdomain") != "py":
        return None
    if kind == "attr":
        owner, domain = target.rpartition(".")[0], env.get_domain("py")
        return domain.resolve_xref(
            env, node["refdoc"], app.builder, "class", owner, node, contnode
        )
    root = target.partition(".")[0]
    if root == "sklearn":
        place = "api" if kind == "mod" else "modules/generated"
        address = f"{SKLEARN}/{place}/{target}.html"
    elif root in sys.stdlib_module_names:
        address = f"{PYTHON}/{root}.html#{target}"
    else:
        return None
    return nodes.reference("", "", contnode, internal=False, refuri=address)


def plain_docstring(app, what, name, obj, options, lines):
    """Shapes such as ``(n_features_in_,)`` are no links, whatever a trailing underscore means."""
    lines[:] = [re.sub(r"\((\w+)_,", r"(\1\\_,", line) for line in lines]


def skip_requests(app, what, name, obj, skip, options):
    """Methods that scikit-learn makes for metadata routing are its own."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def to_repository(app, docname, source):
    """Links of pages to files outside docs/ lead to the repository, where these are."""
    if not str(app.env.doc2path(docname)).endswith(".md"):
        return

    def absolute(match):
        path = match[1].partition("#")[0]
        if not (ROOT / path).exists():
            raise ValueError(f"{docname}: link to ../{path}, which is not there")
        return f"]({REPOSITORY}/{match[1]})"

    text = re.sub(r"\]\(\.\./([^)\s]+)\)", absolute, source[0])
    # doctests end with an empty line, which readers need not see
    source[0] = re.sub(r"\n\n```(?=\n)", "\n```", text)


def setup(app):
    """Called by Sphinx."""
    app.connect("missing-reference", elsewhere)
    app.connect("autodoc-process-docstring", plain_docstring, priority=400)  # before numpydoc
    app.connect("autodoc-skip-member", skip_requests)
    app.connect("source-read", to_repository)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
