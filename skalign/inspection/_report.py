"""One page about a fitted model: whether the pairs are good, what they share, what to do."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch, check_random_state

from .._utils._validation import check_number, check_switch
from ..transfer import CrossModalTransferClassifier
from ._advice import (
    AHEAD,
    MANY,
    WIDE,
    advice,
    class_table,
    component_table,
    is_mixed_up,
    is_off,
    model_card,
    pattern_table,
    percent,
    said_of_pairs,
    said_of_target,
)
from ._alignment import AlignmentDisplay
from ._findings import about_components, about_pairs, about_target
from ._input import aligner_of, last_step, read_rows, unfrozen
from ._lag import LagDisplay, checked_groups
from ._loadings import LoadingsDisplay
from ._plot import check_matplotlib, numbers_of, shortened
from ._transfer import TransferDisplay

_OWNER = "report"
# Components whose features are shown, and how many of these.
COMPONENTS, FEATURES = 3, 6
SIZE = (4.9, 4.2)  # inches: what is written stays legible where a phone makes it smaller
CSS = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 16px; color: #222; background: #fff;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 8px 0 16px; }
h2 { font-size: 1.2rem; margin: 36px 0 8px; border-bottom: 1px solid #ccc; }
h1, h2, p, li, b, span, figcaption { overflow-wrap: anywhere; }
.tiles, .figures { display: grid; gap: 16px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 240px), 1fr)); }
.figures { grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); }
.tile { border: 1px solid #ccc; border-left: 6px solid #777; border-radius: 6px;
  padding: 10px 14px; }
.tile.good { border-left-color: #009E73; }
.tile.look { border-left-color: #D55E00; }
.tile b { display: block; font-size: 1.25rem; line-height: 1.3; }
.tile span { color: #444; font-size: .9rem; }
ol li { margin: 8px 0; }
figure { margin: 8px 0; min-width: 0; }
figure img { display: block; width: 100%; max-width: 620px; height: auto; }
figcaption { color: #444; font-size: .9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 8px 0; font-variant-numeric: tabular-nums; }
h3 { font-size: 1rem; margin: 16px 0 0; overflow-wrap: anywhere; }
th, td { padding: 4px 12px 4px 0; text-align: left; border-bottom: 1px solid #e4e4e4; }
td.number, th.number { text-align: right; white-space: nowrap; }
@media (max-width: 480px) { table { font-size: .88rem; } th, td { padding-right: 9px; } }
footer { color: #555; font-size: .85rem; margin-top: 40px; }
""".strip()


class Report:
    """A page about a fitted model; notebooks show it.

    Attributes
    ----------
    html : str
        The page, with all that it shows: nothing is loaded from elsewhere, nothing is run.
    advice : list of str
        What to do next, the most pressing first.
    findings : Bunch
        The numbers behind it: ``pairs``, ``components``, ``lags`` and ``target``.
    """

    def __init__(self, html: str, advice: list[str], findings: Bunch, card: str = "") -> None:
        self.html, self.advice, self.findings, self._card = html, advice, findings, card

    def model_card(self) -> str:
        """What the page says, as Markdown to lie beside the file of the model.

        Returns
        -------
        str
            What the model is, how to load it, what to mind, and the numbers: without figures.
        """
        return self._card

    def save(self, path: Any) -> Path:
        """Write the page to a file, or the model card, where its name ends with ``.md``.

        Parameters
        ----------
        path : str or Path
            Where to; its folder must exist.

        Returns
        -------
        Path
        """
        path = Path(path)
        text = self.model_card() if path.suffix == ".md" else self.html
        path.write_text(text, encoding="utf-8")
        return path

    def _repr_html_(self) -> str:
        style = "width:100%;height:900px;border:1px solid #ccc"
        return f'<iframe title="report" style="{style}" srcdoc="{escape(self.html)}"></iframe>'

    def __repr__(self) -> str:
        return f"Report of {numbers_of(len(self.advice), 'sentence')} of advice; see .html, .save"


def report(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    ordered: bool | None = None,
    groups: Any = None,
    lags: Any = 10,
    feature_names: Any = None,
    n_permutations: int = 20,
    n_folds: int = 5,
    random_state: int | np.random.RandomState | None = None,
    title: str | None = None,
) -> Report:
    """Answer what is asked first of a fitted model, on one page.

    Are the pairs good? What do they share, and which features carry it? How good will the target
    be? What is to be done next? The aligner is fitted anew to shuffled pairs, to folds, and for
    every lag; a transfer to folds. That takes some tens of fits.

    Parameters
    ----------
    model : NullSpaceAligner or CrossModalTransferClassifier
        Fitted; may be frozen, the last step of a pipeline, or the best of a search.
    X : array-like of shape (n_samples, n_features)
        The rows that it was fitted to, in memory.
    y : array-like of shape (n_samples,), default=None
        Their labels; -1, None or NaN where a row has none. Colours of an aligner's pairs; of a
        transfer also what bounds of its accuracy are found by.
    ordered : bool, default=None
        Whether rows come in time, so that lags can be tried. None: if `groups` are given.
    groups : array-like of shape (n_samples,), default=None
        Sequences in time, such as recordings, or subjects, if rows are not ordered. Nothing is
        shifted from one into another, and one is held out as a whole.
    lags : int or array-like of int, default=10
        Shifts to try, in rows.
    feature_names : array-like of shape (n_features_in_,), default=None
        Names of the columns, where `X` has none.
    n_permutations : int, default=20
        Shuffles of the pairs.
    n_folds : int, default=5
        Folds of everything that is judged on rows held out.
    random_state : int, RandomState instance or None, default=None
        Shuffles, folds, and what is drawn of many rows.
    title : str, default=None
        Of the page; None names the modalities.

    Returns
    -------
    Report

    Raises
    ------
    ImportError
        If matplotlib is missing.
    TypeError
        If the model is neither of the two.
    ValueError
        If `X` cannot be fitted to, or does not have the columns of the fit.

    See Also
    --------
    skalign.model_selection.estimate_accuracy : Where bounds of the accuracy come from.

    Notes
    -----
    The share of mixed-up pairs is an upper estimate: twice the share of pairs held out that are
    less likely than the median of shuffled ones. True pairs that share little look mixed up, too.
    All rows count alike, also where the model was fitted with weights.

    Examples
    --------
    >>> from skalign import NullSpaceAligner
    >>> from skalign.datasets import make_paired_gaussians
    >>> from skalign.inspection import report
    >>> data = make_paired_gaussians(300, n_features=(5, 8), noise=0.5, random_state=0)
    >>> aligner = NullSpaceAligner(modalities=[5, 8]).fit(data.X)
    >>> report(aligner, data.X, random_state=0).advice
    ['Nothing here speaks against the pairs. Judge on rows that were not seen.']
    """
    check_matplotlib(_OWNER)
    check_switch("ordered", False if ordered is None else ordered)
    check_number("n_permutations", n_permutations, low=1, integer=True)
    check_number("n_folds", n_folds, low=2, integer=True)
    model, X = last_step(model, X)
    model = unfrozen(model)
    aligner = aligner_of(model, _OWNER)
    rng, rows = check_random_state(random_state), read_rows(model, aligner, X, _OWNER)
    numbers = None if groups is None else checked_groups(groups, len(rows.X))
    transfer = model if isinstance(model, CrossModalTransferClassifier) else None
    timed = groups is not None if ordered is None else ordered
    found = Bunch(
        pairs=about_pairs(aligner, rows, n_permutations, n_folds, numbers, rng),
        components=about_components(aligner, feature_names, COMPONENTS, FEATURES),
        lags=_lags(model, X, transfer, len(rows.blocks), lags, groups, n_folds) if timed else [],
        target=None
        if transfer is None
        else about_target(transfer, X, y, rows, groups, n_folds, rng),
    )
    said = advice(found)
    figures = _figures(model, X, y, found, feature_names, rng)
    name = title or " and ".join(found.pairs.names)
    card = model_card(name, model, found, said)
    return Report(_page(name, found, said, figures), said, found, card)


def _lags(model, X, transfer, n_modalities, lags, groups, n_folds):
    """Curves of lags: of source and target, or of every modality against the first."""
    two = [(0, m) for m in range(1, n_modalities)]
    if transfer is not None:
        two = [(transfer.source_, transfer.target_)]
    options = {"lags": lags, "groups": groups, "n_folds": n_folds}
    return [
        LagDisplay.from_estimator(model, X, reference=m, shifted=l, ax=_axes(), **options)
        for m, l in two
    ]


# -- figures --------------------------------------------------------------------------------------


def _axes(n: int | None = None, size=SIZE) -> Any:
    """Axes of a figure of its own, several below each other: nothing global changes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    engine: Any = figure.get_layout_engine()
    engine.set(hspace=0.08)
    return figure.subplots() if n is None else figure.subplots(n, squeeze=False)[:, 0]


def _figures(model, X, y, found, feature_names, rng) -> dict[str, list[tuple[str, str]]]:
    """Pictures of each section, as addresses that hold them, and what they show."""
    from matplotlib.style import context

    style: dict[str, Any] = {"font.size": 11, "axes.titlesize": 11, "legend.fontsize": 10}
    with context(["default", {**style, "svg.hashsalt": "skalign"}]):  # on white, as the page is
        return {
            "pairs": [
                _correlations(found),
                *_lag_figures(found),
                *([_partners(model, X, y, rng)] if found.pairs.n_complete else []),
            ],
            "components": _carriers(model, found, feature_names),
            "target": [] if found.target is None else [_regions(model, X, y, rng)],
        }


def _correlations(found):
    return _picture(found.pairs.display.plot(_axes())), "Correlations beside shuffled pairs"


def _lag_figures(found):
    for lag in found.lags:
        yield _picture(lag.plot(_axes())), f"Lag of {lag.modality_names[1]}"


def _partners(model, X, y, rng):
    options = {"random_state": rng, "max_pairs": 100, "ax": _axes()}
    return _picture(AlignmentDisplay.from_estimator(model, X, y, **options)), "Partners"


def _carriers(model, found, feature_names):
    pictures = []
    for j, component in enumerate(found.components):
        n = len(component.strongest)
        axes = _axes(n, (SIZE[0], n * (0.8 + 0.26 * FEATURES)))
        options = {"top": FEATURES, "feature_names": feature_names, "ax": axes}
        display = LoadingsDisplay.from_estimator(model, j, **options)
        caption = f"Component {j + 1}, correlation {component.correlation:.2f}"
        pictures.append((_picture(display), caption))
    return pictures


def _regions(model, X, y, rng):
    options = {"random_state": rng, "ax": _axes()}
    return _picture(TransferDisplay.from_estimator(model, X, y, **options)), "The target"


def _picture(display) -> str:
    """A drawing as an address that holds it: the same bytes for the same numbers."""
    buffer = io.BytesIO()
    display.figure_.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


# -- page -----------------------------------------------------------------------------------------


def _page(name, found, said, figures) -> str:
    """The whole page."""
    heading = escape(f"{shortened(name, 80)}: what the pairs say")
    steps = "".join(f"<li>{escape(sentence)}</li>" for sentence in said)
    body = [
        f"<h1>{heading}</h1>",
        f'<div class="tiles">{"".join(_tiles(found))}</div>',
        f"<h2>What to do next</h2><ol>{steps}</ol>",
        "<h2>Are the pairs good?</h2>",
        _table(*pattern_table(found.pairs)),
        _paragraphs(said_of_pairs(found.pairs)),
        _gallery(figures["pairs"]),
        "<h2>What is shared, and by which features?</h2>",
        _table(*component_table(found.pairs.display)),
        _gallery(figures["components"]),
    ]
    if found.target is not None:
        body += [
            "<h2>How good will the target be?</h2>",
            _paragraphs(said_of_target(found.target)),
            _table(*class_table(found.target)),
            _gallery(figures["target"]),
        ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{heading}</title><style>{CSS}</style></head>\n<body>"
        + "\n".join(body)
        + "\n<footer>skalign.inspection.report</footer></body></html>\n"
    )


def _tiles(found):
    """Verdicts, in a word each."""
    pairs, target = found.pairs, found.target
    good = not pairs.is_chance
    text = f"{pairs.n_shared} shared" if good else "nothing shared"
    of = numbers_of(len(pairs.display.correlations), "component")
    yield _tile(good, text, f"of {of}, over {numbers_of(pairs.n_pairs, 'pair')}")
    if np.isfinite(pairs.mixed):
        bad = pairs.mixed > MANY or is_mixed_up(pairs) or is_off(found.lags)
        good = not (bad or pairs.is_chance)
        told = percent(pairs.mixed) if pairs.mixed <= MANY and not pairs.is_chance else "unknown"
        yield _tile(
            good,
            f"{told} mixed up, at most" if told != "unknown" else told,
            "share of the pairs that look like rows drawn at random",
        )
    for lag in found.lags:
        told = lag.margin_ >= AHEAD
        text = f"lag {lag.best_lag_:+d}" if lag.best_lag_ else "no lag"
        good = told and lag.best_lag_ == 0
        yield _tile(good, text if told else "lag not told", " and ".join(lag.modality_names))
    if target is not None and not target.why_not:
        good = target.lower > float(np.nanmax(target.prior)) and not target.refused
        good = good and target.upper - target.lower <= WIDE
        text = f"{percent(target.lower)} to {percent(target.upper)}"
        yield _tile(good, text, f"accuracy on {target.target}, with 95 % confidence")
    elif target is not None:
        yield _tile(not target.refused, f"agreement {target.agreement:.2f}", "1 is the most")


def _tile(good, text, note):
    kind, word = ("good", "Good") if good else ("look", "Look at this")
    return f'<div class="tile {kind}">{word}<b>{escape(text)}</b><span>{escape(note)}</span></div>'


def _paragraphs(sentences) -> str:
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)


def _table(caption, head, rows, first_number, last):
    """A table whose columns hold numbers from one on, but for the last so many."""

    def cells(tag, values):
        stop = len(values) - last
        for i, value in enumerate(values):
            kind = ' class="number"' if first_number <= i < stop else ""
            yield f"<{tag}{kind}>{escape(value)}</{tag}>"

    lines = [f"<tr>{''.join(cells('th', head))}</tr>"]
    lines += [f"<tr>{''.join(cells('td', row))}</tr>" for row in rows]
    return f'<h3>{escape(caption)}</h3><div class="scroll"><table>{"".join(lines)}</table></div>'


def _gallery(pictures):
    return '<div class="figures">{}</div>'.format(
        "".join(
            f'<figure><img src="{address}" alt="{escape(caption)}">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
            for address, caption in pictures
        )
    )
