"""Sentences and tables of a report: verdicts on numbers, what to do next, and a model card."""

from __future__ import annotations

from html import escape

import numpy as np

from .._version import __version__
from ._plot import listed, numbers_of

# Share of mixed-up pairs, beyond what is expected, that calls for a look; share that can be
# anything.
SOME, MANY = 0.1, 0.5
# Share of the components that count as shared which should be above what shuffled pairs show.
ABOVE = 0.75
# Pairs a dimension below which covariances are guesses.
FEW = 5
# Standard errors by which a lag must be ahead, agreement that is little, bounds that are wide, and
# classes whose shares differ.
AHEAD, LITTLE, WIDE, APART = 2.0, 0.5, 0.3, 0.1
# Standard errors by which the best of many lags must be ahead of lag 0, if it is not of the next.
FAR = 5.0
# Rows of a table.
LONGEST = 15


def percent(share: float) -> str:
    """A share in words, or a dash where there is none."""
    if not np.isfinite(share):
        return "–"
    return "under 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def advice(found) -> list[str]:
    """What to do next, the most pressing first.

    Parameters
    ----------
    found : Bunch
        ``pairs``, ``components``, ``lags`` and ``target``, as of :mod:`._findings`.
    """
    said = [
        *of_lags(found.lags),
        *of_chance(found.pairs),
        *([] if is_off(found.lags) else of_mixed_up(found.pairs)),
        *of_exact(found),
        *of_numbers(found.pairs),
    ]
    if found.target is not None:
        said += [*of_agreement(found.target), *of_bounds(found.target), *of_shares(found.target)]
    if not said:
        said.append("Nothing here speaks against the pairs. Judge on rows that were not seen.")
    return said


def of_chance(pairs):
    """Pairs that share nothing, or less than they seem to."""
    if pairs.is_chance:
        yield (
            "The pairs share nothing beyond chance. Check first that row i of one modality "
            "belongs to row i of the other: sort both tables by one key, and look at the lag, "
            "with ordered=True, if rows come in time. If they do belong together, give more "
            "pairs, or features that tell more of what both sensors see."
        )
    elif pairs.n_above < ABOVE * pairs.n_shared:
        yield (
            f"Of {pairs.n_shared} components with small p-values {pairs.n_above} are above what "
            "shuffled pairs show. P-values suppose Gaussian rows: look for columns that are zero "
            "nearly always or have a few huge values, take logarithms of these or drop them."
        )


def of_lags(lags):
    """Clocks that are off."""
    for lag in lags:
        first, second = lag.modality_names
        if lag.margin_ < AHEAD:
            if is_far_from_zero(lag):
                yield (
                    f"{second} shares far more with {first} about {abs(lag.best_lag_)} rows "
                    f"{'later' if lag.best_lag_ > 0 else 'earlier'} than at lag 0, but no single "
                    "lag is clearly ahead: a clock may be off, and rows not come at equal "
                    "intervals. Shift one clock by some seconds before the tables are joined, and "
                    "keep the shift at which pairs share most."
                )
                continue
            yield (
                f"No lag between {first} and {second} is clearly ahead of the next: rows do not "
                "tell moments apart well enough to check clocks by them. Try features of shorter "
                "windows."
            )
        elif lag.best_lag_ == lag.lags.min() or lag.best_lag_ == lag.lags.max():
            yield (
                f"{second} shares most with {first} at a lag of {lag.best_lag_}, at the end of "
                "those that were tried: try more, by lags."
            )
        elif lag.best_lag_ != 0:
            rows = numbers_of(abs(lag.best_lag_), "row")
            way = "late" if lag.best_lag_ > 0 else "early"
            yield (
                f"{second} comes {rows} {way}: shift it by {-lag.best_lag_:+d} within each "
                "sequence, and fit again. Until then every pair is a wrong one."
            )


def is_far_from_zero(lag) -> bool:
    """Whether a lag shares far more than lag 0 does, whichever of some lags it is."""
    best, zero = (np.flatnonzero(lag.lags == at) for at in (lag.best_lag_, 0))
    if not len(zero) or lag.best_lag_ == 0:
        return False
    gain = lag.means_[best[0]] - lag.means_[zero[0]]
    return bool(gain > FAR * np.hypot(lag.errors_[best[0]], lag.errors_[zero[0]]))


def is_off(lags) -> bool:
    """Whether a clock is, so that all pairs are wrong."""
    return any(lag.best_lag_ and lag.margin_ >= AHEAD for lag in lags)


def of_mixed_up(pairs):
    """Pairs that may be none."""
    if pairs.is_chance or not np.isfinite(pairs.mixed):
        return
    rows = listed([str(row) for row in pairs.least_likely])
    if pairs.mixed > MANY:
        yield (
            f"Too little is shared to tell true pairs from mixed-up ones: up to "
            f"{percent(pairs.mixed)} look like rows drawn at random. The least likely are rows "
            f"{rows}."
        )
    elif is_mixed_up(pairs):
        yield (
            f"Up to {percent(pairs.mixed)} of the pairs look mixed up. Look at rows {rows}, the "
            "least likely ones, and at what they have in common: a session, a file, a time. "
            "aligner.score_samples ranks all pairs."
        )


def is_mixed_up(pairs) -> bool:
    """Whether more pairs look mixed up than of faultless ones would, by more than some."""
    return pairs.mixed - pairs.mixed_expected > SOME + 2 * pairs.mixed_error


def of_exact(found):
    """Columns that are in both modalities."""
    n = found.pairs.n_exact
    if n:
        first = found.components[0].strongest
        names = listed([repr(own[0][0]) for own in first])
        yield (
            f"{numbers_of(n, 'component')} {'is' if n == 1 else 'are'} exactly the same in all "
            f"modalities, carried by {names} first. Fine where the sensors see one noiseless "
            "thing; otherwise look for a column that was copied, or is nearly always zero."
        )


def of_numbers(pairs):
    """Few pairs for many columns."""
    widest = max(pairs.n_features)
    if pairs.n_pairs < FEW * widest:
        yield (
            f"There are {numbers_of(pairs.n_pairs, 'pair')} for up to {widest} columns a "
            "modality. More pairs will help most; rows with one modality alone help, too, and "
            "need no partner."
        )


def of_agreement(target):
    """A target that does not decide as the source does."""
    if target.refused:
        yield (
            f"The class prior is predicted for every row: {target.target} could not be taught. "
            "Mend the pairs first; labelled rows of the target, a few a class, teach it directly."
        )
    elif target.agreement < LITTLE:
        yield (
            f"{target.target} decides as {target.source} does little more often than chance "
            f"(agreement {target.agreement:.2f}). It may not see what tells the classes apart: "
            "give features that do, or a few labelled rows of it."
        )


def of_bounds(target):
    """What is known of the accuracy."""
    if target.refused or target.why_not:
        return
    most = float(np.nanmax(target.prior))
    if target.lower <= most:
        yield (
            f"It cannot be ruled out that {target.target} does no better than its most frequent "
            f"class, {percent(most)}. Label some rows of it and score on them before relying on "
            "it."
        )
    elif target.upper - target.lower > WIDE:
        yield (
            "The bounds of the accuracy are wide. More labelled rows of the source and more pairs "
            "narrow them; a hundred labelled rows of the target, to score on, do it faster."
        )


def of_shares(target):
    """Classes that are elsewhere more frequent."""
    gap = np.abs(target.labelled - target.predicted)
    if target.refused or not np.any(gap > APART):
        return
    name = target.classes[int(np.nanargmax(gap))]
    yield (
        f"Shares of the classes differ between labelled rows and what is predicted, most for "
        f"{name}. If you know the shares where predictions are made, pass them as class_prior."
    )


# -- what was found -------------------------------------------------------------------------------


def said_of_pairs(pairs):
    """Whether they are good."""
    band = float(pairs.display.band_[0])
    yield (
        f"Largest correlation {pairs.display.correlations[0]:.2f}; shuffled pairs reach "
        f"{band:.2f}. P-value of nothing shared: {pvalue(pairs.pvalue)}."
    )
    if np.isfinite(pairs.mixed):
        rows = ", ".join(map(str, pairs.least_likely))
        yield (
            f"Of pairs held out, {percent(pairs.mixed)} (± {100 * pairs.mixed_error:.1f}) look "
            f"mixed up, at most; of faultless pairs that share as much "
            f"{percent(pairs.mixed_expected)} would. The least likely are rows {rows}."
        )
    else:
        yield "There are too few pairs to hold some out, and tell mixed-up ones."


def said_of_target(target):
    """How good it will be."""
    if target.refused:
        yield "The class prior is predicted: the pairs do not teach the target."
    elif np.isfinite(target.agreement):
        yield (
            f"On the pairs {target.target} decides as {target.source} does, by "
            f"{target.agreement:.2f} of the way from chance (0) to the most that the source's "
            "doubt allows (1)."
        )
    if target.why_not:
        yield f"No bounds of the accuracy: {target.why_not}."
    else:
        yield (
            f"Accuracy on {target.target}: between {percent(target.lower)} and "
            f"{percent(target.upper)} with 95 % confidence, whatever the dependence of errors; "
            f"{percent(target.estimate)} at a guess. No label of the target was used."
        )


def pvalue(value: float) -> str:
    """A p-value; those of exact components are zero."""
    return f"{value:.1g}" if value >= 1e-99 else "< 1e-99"


# Tables are a caption, a head, rows of words, the first column of numbers, and how many columns
# behind these have words again.


def pattern_table(pairs):
    """Which modalities rows have."""
    head = [*pairs.names, "rows", "share"]
    rows = [
        [*("yes" if has else "no" for has in pattern), f"{n:,}", percent(n / pairs.n_rows)]
        for pattern, n in pairs.patterns[:LONGEST]
    ]
    caption = f"Which modalities rows have: {pairs.n_complete:,} of {pairs.n_rows:,} have all"
    return caption, head, rows, len(pairs.names), 0


def component_table(display):
    """What is shared, beside shuffled pairs."""
    numbers = display.correlations, display.band_, display.pvalues, display.kinds()
    kind = ("exactly", "yes", "not told")
    rows = [
        [str(j + 1), f"{r:.2f}", f"{b:.2f}", pvalue(p), kind[c]]
        for j, (r, b, p, c) in enumerate(zip(*numbers, strict=True))
    ]
    head = ["no.", "correlation", "shuffled", "p-value", "shared"]
    caption = "Components of the aligned space, and the same of shuffled pairs"
    return caption, head, rows[:LONGEST], 0, 1


def class_table(target):
    """Shares of the classes."""
    shares = target.labelled, target.prior, target.predicted
    order = np.argsort(-target.prior, kind="stable")[:LONGEST]
    rows = [[str(target.classes[c]), *(percent(own[c]) for own in shares)] for c in order]
    head = ["class", "of labelled rows", "assumed", "predicted"]
    return f"Shares of the classes, {len(target.classes)} in all", head, rows, 1, 0


# -- model card -----------------------------------------------------------------------------------


def model_card(name, model, found, said) -> str:
    """What a report says, as Markdown.

    Parameters
    ----------
    name : str
        Of the model.
    model : estimator
    found : Bunch
        As :func:`advice` takes it.
    said : list of str
        What that gives.
    """
    pairs, kind = found.pairs, type(model).__name__
    blocks = [
        f"{own} ({numbers_of(n, 'column')})"
        for own, n in zip(pairs.names, pairs.n_features, strict=True)
    ]
    parts = [
        f"# {_plain(name)}",
        "## Model description",
        f"A `{kind}` of skalign {__version__}: {_plain(listed(blocks))}, learned from "
        f"{numbers_of(pairs.n_rows, 'row')}, {numbers_of(pairs.n_pairs, 'pair')} among them.",
        f"```python\n{model!r}\n```",
        "## How to load",
        "```python\nimport skops.io\n\n"
        'types = skops.io.get_untrusted_types(file="model.skops")  # read this list\n'
        'model = skops.io.load("model.skops", trusted=types)\n```',
        "## What to mind",
        "\n".join(f"- {_plain(sentence)}" for sentence in said),
        "## Pairs",
        *map(_plain, said_of_pairs(pairs)),
        _markdown(*pattern_table(pairs)),
        _markdown(*component_table(pairs.display)),
    ]
    if found.target is not None:
        parts += ["## Evaluation", *map(_plain, said_of_target(found.target))]
        parts += [_markdown(*class_table(found.target))]
    return "\n\n".join(parts) + "\n"


def _plain(text: str) -> str:
    """Words that Markdown takes for no tags."""
    return escape(text, quote=False)


def _markdown(caption, head, rows, first_number, last) -> str:
    """A table whose columns hold numbers from one on, but for the last so many."""
    stop = len(head) - last
    rule = ["---:" if first_number <= i < stop else "---" for i in range(len(head))]
    lines = [
        "| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in row) + " |"
        for row in (head, rule, *rows)
    ]
    return f"{_plain(caption)}:\n\n" + "\n".join(lines)
