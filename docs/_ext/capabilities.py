"""The table of docs/capabilities.md, by trying: ``python docs/_ext/capabilities.py`` writes it.

An estimator takes a kind of table if it fits it, and answers as it does for NumPy's.
"""

import inspect
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # before SciPy is imported
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import array_api_strict  # noqa: E402
import dask.array  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import polars as pl  # noqa: E402
from scipy import sparse  # noqa: E402
from sklearn import config_context  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.utils.validation import has_fit_parameter  # noqa: E402

import skalign as sa  # noqa: E402
from skalign.datasets import make_paired_gaussians  # noqa: E402

PAGE = ROOT / "docs" / "capabilities.md"
DATA = make_paired_gaussians(160, n_features=(4, 5), n_classes=2, noise=0.3, random_state=0)
NAMES = [f"a{j}" for j in range(4)] + [f"b{j}" for j in range(5)]
ALIGNER = sa.NullSpaceAligner(2, modalities=[4, 5])
VALUE = DATA.latent @ [1.0, 0.5]
SEVERAL = DATA.latent @ [[1.0, 0.0], [0.5, 1.0]]

# estimator, y, what it answers
ESTIMATORS = {
    "NullSpaceAligner": (ALIGNER, None, "transform"),
    "CrossModalTransferClassifier": (
        sa.CrossModalTransferClassifier(aligner=ALIGNER), DATA.y, "predict_proba",
    ),
    "CrossModalTransferRegressor": (
        sa.CrossModalTransferRegressor(aligner=ALIGNER), VALUE, "predict",
    ),
    "ZeroShotClassifier": (sa.ZeroShotClassifier(ALIGNER), DATA.y, "predict_proba"),
    "CrossModalRetriever": (sa.CrossModalRetriever(ALIGNER), None, "kneighbors"),
    "CrossModalImputer": (sa.CrossModalImputer(ALIGNER), None, "transform"),
    "BlockImputer": (sa.BlockImputer(modalities=[4, 5]), None, "transform"),
    "LatentGauge": (sa.LatentGauge(), DATA.latent, "transform"),
}  # fmt: skip


def with_missing(X):
    """Some rows lack the first modality, others the second."""
    X = X.copy()
    X[:40, 4:], X[40:80, :4] = np.nan, np.nan
    return X


def numbers(answer):
    """One array of whatever an estimator answers."""
    answer = answer[0] if isinstance(answer, tuple) else answer
    return np.asarray(answer.compute() if hasattr(answer, "compute") else answer, dtype=float)


def answer(estimator, y, method, X, asked):
    """Numbers for the rows ``asked`` after a fit to ``X``, or None where either is refused."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return numbers(getattr(clone(estimator).fit(X, y), method)(asked))
    except (TypeError, ValueError):
        return None


def same(first, second):
    """Whether there are two answers, and they are one."""
    if first is None or second is None or first.shape != second.shape:
        return False
    return bool(np.allclose(first, second, atol=1e-6))


def abilities(estimator, y, method):
    """What one estimator can do."""
    X = DATA.latent if isinstance(estimator, sa.LatentGauge) else DATA.X
    names = NAMES[: X.shape[1]]

    expected = answer(estimator, y, method, X, X)

    def takes(table):
        return same(answer(estimator, y, method, table, table), expected)

    fitted_to_some = answer(estimator, y, method, with_missing(X), X) if X is DATA.X else None
    several = None if y is None else answer(estimator, SEVERAL, method, X, X)
    questions = [getattr(estimator, name, None) for name in ("predict", "impute")]
    with config_context(array_api_dispatch=True):
        array_api = takes(array_api_strict.asarray(X))
    return {
        "missing blocks": fitted_to_some is not None,
        "frames": takes(pd.DataFrame(X, columns=names)) and takes(pl.DataFrame(X, schema=names)),
        "Dask": takes(dask.array.from_array(X, chunks=(50, X.shape[1]))),
        "array API": array_api,
        "sparse": takes(sparse.csr_array(X)),
        "weights": has_fit_parameter(estimator, "sample_weight"),
        "batches": hasattr(estimator, "partial_fit"),
        "several outputs": several is not None,
        "deviations": any(
            "return_std" in inspect.signature(question).parameters
            for question in questions
            if question
        ),
    }


def table():
    """Markdown of all estimators."""
    lines = []
    for name, (estimator, y, method) in ESTIMATORS.items():
        found = abilities(estimator, y, method)
        if not lines:
            lines += [f"| | {' | '.join(found)} |", "|---" * (len(found) + 1) + "|"]
        marks = " | ".join("yes" if can else "–" for can in found.values())
        lines.append(f"| [`{name}`](generated/skalign.{name}.rst) | {marks} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    before, mark, after = PAGE.read_text(encoding="utf-8").partition("<!-- table -->\n")
    after = after[after.find("<!-- end -->") :]
    PAGE.write_text(f"{before}{mark}\n{table()}\n{after}", encoding="utf-8")
