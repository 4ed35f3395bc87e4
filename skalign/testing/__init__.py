"""Paired data for tests of estimators and pipelines, drawn by hypothesis."""

try:
    import hypothesis  # noqa: F401
except ImportError as error:
    raise ImportError(
        "skalign.testing needs the package hypothesis: pip install 'skalign[test]'."
    ) from error

from ._data import PairedData
from ._strategies import paired_data, random_paired_data

__all__ = ["PairedData", "paired_data", "random_paired_data"]
