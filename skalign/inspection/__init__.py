"""Pictures of what was learned, and one page that answers what is asked first."""

from ._alignment import AlignmentDisplay
from ._correlation import CorrelationDisplay
from ._lag import LagDisplay
from ._loadings import LoadingsDisplay
from ._report import Report, report
from ._transfer import TransferDisplay

__all__ = [
    "AlignmentDisplay",
    "CorrelationDisplay",
    "LagDisplay",
    "LoadingsDisplay",
    "Report",
    "TransferDisplay",
    "report",
]
