"""The tables of docs/bad_inputs.md, by trying: ``python docs/_ext/bad_inputs.py`` writes them.

A case is a call; what is written is the error that it raises, or the warning that it gives.
"""

import re
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from sklearn.cluster import KMeans  # noqa: E402
from sklearn.frozen import FrozenEstimator  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.neighbors import KNeighborsClassifier  # noqa: E402

import skalign as sa  # noqa: E402
from skalign.datasets import make_paired_gaussians  # noqa: E402
from skalign.model_selection import TransferSplit, estimate_accuracy  # noqa: E402

PAGE = ROOT / "docs" / "bad_inputs.md"
DATA = make_paired_gaussians(60, n_features=(4, 5), noise=0.5, random_state=0)
NAMES = {"video": range(4), "imu": range(4, 9)}
THREE = make_paired_gaussians(60, n_features=(3, 3, 3), noise=0.5, random_state=0)
OTHERS = {"video": range(3), "imu": range(3, 6), "radar": range(6, 9)}
EVERY = slice(None)


def changed(rows, columns, value, data=DATA):
    """Rows some of whose values are others."""
    X = data.X.copy()
    X[rows, columns] = value
    return X


def aligner(**options):
    """Of two modalities."""
    return sa.NullSpaceAligner(**{"modalities": NAMES} | options)


def fit(X=DATA.X, sample_weight=None, **options):
    """An aligner."""
    return aligner(**options).fit(X, sample_weight=sample_weight)


def transfer(X=DATA.X, y=DATA.y, sample_weight=None, **options):
    """A classifier moved from video to imu."""
    options = {"source": "video", "target": "imu"} | options
    return sa.CrossModalTransferClassifier(aligner=aligner(), **options).fit(X, y, sample_weight)


def three(kind, X, y, **options):
    """An estimator of three modalities."""
    options = {"source": "video", "target": "radar"} | options
    return kind(aligner=sa.NullSpaceAligner(modalities=OTHERS), **options).fit(X, y)


def regression(y, X=DATA.X, **options):
    """A regressor moved from video to imu."""
    options = {"source": "video", "target": "imu"} | options
    return sa.CrossModalTransferRegressor(aligner=aligner(), **options).fit(X, y)


def retriever(X=DATA.X, **options):
    """A retriever of imu by video."""
    return sa.CrossModalRetriever(aligner(), query="video", gallery="imu", **options).fit(X)


def prototypes(X=DATA.X, y=DATA.y):
    """A zero-shot classifier."""
    return sa.ZeroShotClassifier(aligner(), source="video", target="imu").fit(X, y)


def gauge(y):
    """A gauge of two latents."""
    Z = aligner(n_components=2).fit(DATA.X).transform(DATA.X)
    return sa.LatentGauge().fit(Z, y)


def cut_off():
    """Rows of which none joins radar to the others."""
    X = THREE.X.copy()
    X[:30, 6:], X[30:, :6] = np.nan, np.nan
    return X


def anchors(n):
    """So many known latents."""
    known = np.full((60, 2), np.nan)
    known[:n] = DATA.latent[:n]
    return known


def twins():
    """One row as the prototype of two classes."""
    X = DATA.X[[*range(60), 0, 0]]
    X[60:, 4:] = np.nan
    return X, np.append(np.full(60, -1), [7, 8])


CASES = {
    "Rows and columns": {
        "NaN in some columns of a block": lambda: fit(changed(7, 5, np.nan)),
        "infinity": lambda: fit(changed(3, 1, np.inf)),
        "numbers whose squares overflow": lambda: fit(changed(3, 1, 1e200)),
        "a block that never varies": lambda: fit(changed(EVERY, slice(0, 4), 3.0)),
        "no pair": lambda: fit(changed(EVERY, slice(4, 9), np.nan)),
        "one pair": lambda: fit(changed(slice(1, None), slice(4, 9), np.nan)),
        "a modality that no pair joins to the others": lambda: sa.NullSpaceAligner(
            modalities=OTHERS
        ).fit(cut_off()),
        "a row without any modality": lambda: fit().transform(changed(2, EVERY, np.nan)),
        "a pair asked for, one modality given": lambda: fit().score_samples(
            changed(2, slice(4, 9), np.nan)
        ),
    },
    "Modalities and parameters": {
        "widths that do not add up": lambda: fit(modalities=[4, 4]),
        "one modality": lambda: fit(modalities=[9]),
        "names without columns": lambda: fit(modalities=["acc", "gyr"]),
        "modalities that overlap": lambda: fit(modalities={"a": range(5), "b": range(4, 9)}),
        "a modality without columns": lambda: fit(modalities={"a": range(9), "b": []}),
        "more components than a modality has": lambda: fit(n_components=5),
        "a fraction of a component": lambda: fit(n_components=1.5),
        "shrinkage beyond one": lambda: fit(shrinkage=1.5),
        "a word that is no option": lambda: fit(solver="svd"),
    },
    "Weights": {
        "negative": lambda: fit(sample_weight=np.r_[-1.0, np.ones(59)]),
        "all zero": lambda: fit(sample_weight=np.zeros(60)),
        "NaN": lambda: fit(sample_weight=np.full(60, np.nan)),
        "for a classifier that takes none": lambda: transfer(
            estimator=KNeighborsClassifier(), sample_weight=np.ones(60)
        ),
    },
    "Transfer of classes": {
        "an unknown modality": lambda: transfer(target="lidar"),
        "source and target alike": lambda: transfer(target="video"),
        "no chain from source to target": lambda: three(
            sa.CrossModalTransferClassifier, cut_off(), THREE.y
        ),
        "no label": lambda: transfer(y=np.full(60, -1)),
        "a single class": lambda: transfer(y=np.full(60, 3)),
        "labels that lack the source": lambda: transfer(
            changed(slice(30), slice(0, 4), np.nan), np.r_[DATA.y[:30], np.full(30, -1)]
        ),
        "no classifier": lambda: transfer(estimator=KMeans()),
        "shares that do not sum to one": lambda: transfer(class_prior=[0.5, 0.9]),
        "one frozen classifier for two sources": lambda: three(
            sa.CrossModalTransferClassifier, THREE.X, THREE.y, source=["video", "imu"],
            estimator=FrozenEstimator(LogisticRegression().fit(THREE.X[:, :3], THREE.y)),
        ),
        "rows without a label are scored": lambda: transfer().score(
            DATA.X, np.r_[-1, DATA.y[1:]]
        ),
        "rows without the target": lambda: transfer().predict(
            changed(slice(5), slice(4, 9), np.nan)
        ),
        "pairs mixed up, or too few": lambda: transfer(
            np.hstack([DATA.X[:, :4], DATA.X[::-1, 4:]])[:12],
            np.r_[DATA.y[:12]],
        ),
    },
    "Judging": {
        "no row to test": lambda: list(
            TransferSplit(2, modalities=NAMES, target="imu").split(DATA.X, np.full(60, -1))
        ),
        "nothing to hold out": lambda: estimate_accuracy(
            sa.CrossModalTransferClassifier(aligner=aligner()), DATA.X, DATA.y
        ),
    },
    "Numbers": {
        "NaN in some outputs of a row": lambda: regression(
            np.where(np.arange(120).reshape(60, 2) == 5, np.nan, 1.0)
        ),
        "no labelled row has the source": lambda: regression(np.full(60, np.nan)),
    },
    "Partners": {
        "more neighbours than rows": lambda: retriever().kneighbors(DATA.X, n_neighbors=61),
        "a query without its modality": lambda: retriever().kneighbors(
            changed(4, slice(0, 4), np.nan)
        ),
    },
    "Prototypes": {
        "no labelled row of the source": lambda: prototypes(y=np.full(60, -1)),
        "two classes that look alike": lambda: prototypes(*twins()),
    },
    "The true latents": {
        "fewer anchors than dimensions": lambda: gauge(anchors(2)),
    },
}  # fmt: skip


def outcome(call) -> str:
    """What a call raises, or warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call()
        except (ValueError, TypeError) as error:
            return f"`{type(error).__name__}` | {error}"
    messages = [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
    return f"a warning | {messages[0]}"


def table() -> str:
    """All cases, a table a group."""
    parts = []
    for group, cases in CASES.items():
        lines = [f"## {group}", "", "| input | what happens | message |", "|---|---|---|"]
        for name, call in cases.items():
            said = re.sub(r"p-value [\d.e-]+", "p-value …", outcome(call).replace("\n", " "))
            said = said.replace("_", r"\_").replace("*", r"\*")
            lines.append(f"| {name} | {said} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    before, mark, after = PAGE.read_text(encoding="utf-8").partition("<!-- table -->\n")
    after = after[after.find("<!-- end -->") :]
    PAGE.write_text(f"{before}{mark}\n{table()}\n{after}", encoding="utf-8")
