"""The table of docs/files.md, by looking: ``python docs/_ext/files.py`` writes it.

Names and types are those of the models that ``tests/files/write.py`` fits; shapes are those of the
docstrings, where a number of dimensions that is not the real one is an error.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "files")]

import numpy as np  # noqa: E402
from write import models  # noqa: E402

PAGE = ROOT / "docs" / "files.md"
# In files, but no part of the interface: what they are is said here.
PRIVATE = {"_sums": "sums of rows, of `partial_fit` only"}
# Documented, but not in every file, or not in any: names of columns, and what is made when asked.
ELSEWHERE = {"feature_names_in_", "named_encoders_"}


def documented(kind):
    """Types of attributes as the docstring has them: {name: text}."""
    part = re.search(
        r"\n    Attributes\n    -+\n(.*?)\n\n    \S", kind.__doc__ + "\n\n    .", re.S
    )
    found = {}
    for names, text in re.findall(r"^    ([\w, ]+) : (.+)$", part[1], re.M):
        found |= dict.fromkeys(names.split(", "), text)
    return found


def kind_of(value):
    """Type of a value in a file, in words."""
    if isinstance(value, np.ndarray):
        return str(value.dtype)
    if isinstance(value, list | tuple):
        inner = ", ".join(sorted({kind_of(item) for item in value}))
        return f"{type(value).__name__} of {inner}"
    if isinstance(value, dict):
        keys = {type(key).__name__ for key in value}
        return f"dict by {', '.join(sorted(keys))}"
    if isinstance(value, np.generic):
        return str(value.dtype)
    name = type(value).__name__
    return "estimator, not ours" if type(value).__module__.startswith("sklearn") else name


def shape_of(name, value, text):
    """Shape of an array as the docstring has it."""
    if not isinstance(value, np.ndarray):
        return "–"
    shape = re.search(r"shape (\(([^)]*)\)(?: \* (\d))?)", text)
    if shape is None:
        return "see reference"
    n = len([side for side in shape[2].split(",") if side.strip()]) * int(shape[3] or 1)
    if n != value.ndim:
        raise ValueError(f"{name}: documented as {shape[1]}, but of {value.ndim} dimensions")
    return f"`{shape[1]}`"


def attributes():
    """All attributes of every estimator that is in a file: {class: {name: value}}."""
    found = {}
    for model in models().values():
        for part in (model, getattr(model, "target_classifier_", model)):
            learned = {k: v for k, v in vars(part).items() if k not in part.get_params(False)}
            found.setdefault(type(part), {}).update(learned)
    for kind, learned in found.items():
        absent = documented(kind).keys() - learned.keys() - ELSEWHERE
        if absent:
            raise ValueError(f"{kind.__name__}: no model has {sorted(absent)}")
    return found


def table():
    """Markdown of all attributes of all estimators."""
    found = attributes()
    lines = ["| estimator | attribute | shape | type |", "|---|---|---|---|"]
    for kind in sorted(found, key=lambda kind: kind.__name__):
        told, link = documented(kind), f"generated/{kind.__module__}.{kind.__name__}.rst"
        for i, (name, value) in enumerate(sorted(found[kind].items())):
            owner = f"[`{kind.__name__}`]({link})" if i == 0 else ""
            shape = PRIVATE[name] if name in PRIVATE else shape_of(name, value, told[name])
            lines.append(f"| {owner} | `{name}` | {shape} | {kind_of(value)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    before, mark, after = PAGE.read_text(encoding="utf-8").partition("<!-- table -->\n")
    after = after[after.find("<!-- end -->") :]
    PAGE.write_text(f"{before}{mark}\n{table()}\n{after}", encoding="utf-8")
