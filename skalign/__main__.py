"""The tour: ``python -m skalign`` shows in a few seconds what the package does."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from ._tour import _experiments

DESCRIPTION = """\
A tour of skalign in two experiments:

  1. the experiment of the paper behind it, on synthetic data: the paper's
     numbers beside those found here;
  2. handwritten digits: labels for the left halves of the images, predictions
     for the right halves, by skalign and by six other methods.

The tables go to stdout, progress to stderr. It needs no network, and the same
options always give the same numbers."""

EPILOG = """\
examples:
  python -m skalign                    tables only
  python -m skalign --output figures   tables, and three figures in ./figures
  python -m skalign --seeds 2          fewer splits of the digits: faster"""

WHAT_NEXT = """\
What next
---------
Your data: the example in the README, with CrossModalTransferClassifier (labels
in one modality, predictions from another) and NullSpaceAligner (the space that
modalities share). help(skalign.NullSpaceAligner) tells all about a class."""

NO_OUTPUT = "Figures: none were asked for; python -m skalign --output DIR writes three."
NO_MATPLOTLIB = (
    'Figures: none, matplotlib is missing; pip install "skalign[plot]" gives the figures.'
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tour.

    Parameters
    ----------
    argv : sequence of str, default=None
        Command-line arguments; None takes those of the process.

    Returns
    -------
    int
        Exit code, 0. Arguments that make no sense end the process with 2.
    """
    parser = _parser()
    options = parser.parse_args(argv)
    drawing = options.output is not None and importlib.util.find_spec("matplotlib") is not None
    if drawing:
        try:  # before the work, not after it
            options.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            parser.error(f"argument --output: cannot create the folder: {error}")

    _progress(f"paper's experiment, {_experiments.N_DRAWS} draws")
    print(_experiments.paper_table(_experiments.paper_experiment()), end="\n\n", flush=True)

    runs = []
    for seed in range(options.seeds):
        _progress(f"digits, split {seed + 1} of {options.seeds}")
        runs.append(_experiments.digits_run(seed))
    print(_experiments.digits_table(runs), end="\n\n", flush=True)

    if drawing:
        from ._tour import _figures  # matplotlib is an optional extra

        _progress("figures")
        print("Figures:", *_figures.write_figures(options.output), sep="\n  ")
    else:
        print(NO_OUTPUT if options.output is None else NO_MATPLOTLIB)
    print(f"\n{WHAT_NEXT}")
    return 0


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m skalign",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="write three figures (PNG) into this folder, which is created if need be; "
        "takes matplotlib",
    )
    parser.add_argument(
        "--seeds",
        type=_positive,
        default=5,
        metavar="N",
        help="number of random splits of the digits (default: %(default)s)",
    )
    return parser


def _positive(text: str) -> int:
    """Read a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _progress(what: str) -> None:
    """Tell on stderr what is being worked on."""
    print(f"... {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
