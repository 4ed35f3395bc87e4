"""Every figure and table of the paper from one command, beside what the paper prints.

A table of claims, one a line with its verdict; the points of Fig. 6; six pictures; and `paper.md`
with both tables, as printed. The paper is A. Kamboj and M. N. Do, "Leveraging Perfect Multimodal
Alignment and Gaussian Assumptions for Cross-modal Transfer".

    python benchmarks/paper.py --output figures                       # about two minutes
    python benchmarks/paper.py --output figures --draws 20 --seeds 3  # half a minute
"""

import argparse
import sys
import warnings
from pathlib import Path

import gauge
import numpy as np
import paper_claims
import paper_study
from paper_claims import NAMES, PRINTED
from paper_study import CENTRE, MERITS, METHODS, SWEEPS
from threadpoolctl import threadpool_limits

from skalign._tour import _experiments as tour

GAUGES = {  # of `gauge.py`; how the figure calls them
    "none (the paper)": "no gauge",
    "2 anchors, first rows": "two known latents",
    "known mixture, no anchor": "known mixture, no known latent",
}
COLUMNS = {  # of the points of Fig. 6
    "alignment": "alignment error",
    "scale": "length",
    "reconstruction": "reconstruction error",
    "relative": "new, relative",
    "r2": "new, R²",
}
TEXT = """\
"Error" is that on the samples learned from, "length" the mean length of the estimates, "new,
relative" the alignment error of new samples in units of their spread (1: unrelated), "new, R²" the
share of their true latents that a linear map finds in the estimates.

What the curves of Fig. 6 can show: without noise, alignment is exact at every n, d and k, and for
every draw. That is linear algebra, and all that an alignment error at rounding says.

What they cannot show:

- *That many samples help* (Remark 2.4). With noise, the error on the samples learned from is
  lowest, at rounding, for the fewest samples, and grows with n: with n samples there are
  d1 + d2 - n directions without any error, for noise alone, too. New samples have one.
- *How well modalities agree.* Eq. 4 has the unit of the latents: halve the maps, and it halves.
  The paper's maps have rows of length 1, so that with noise of standard deviation 1 and many
  samples its error nears the mean length of k standard normal numbers (0.80 for k = 1, 1.25 for
  2, 3.08 for 10), whatever the latents are. Those of skalign have unit variance. Errors of the
  two are not comparable before they are divided by the spread of their latents.
- *How well the latent is found.* Eq. 5 depends on the random maps and on the basis that a routine
  happens to return, and is far from 0 without noise, too. R² depends on neither. With noise and
  d > k the paper's singular values tie, so that its R² stays behind at any n.
- *Which of the two is better for k = d.* There both keep all directions, and R² is the same.
  The relative error of skalign is the larger one there, since it counts weak components as much
  as strong ones.

The text of the paper prints no number of Fig. 6 and no range of n, d or k: those here are ours."""


# -- text -----------------------------------------------------------------------------------------


def claims_table(claims):
    """Markdown, a claim a line; what is not as it should be stands out."""
    lines = ["| where | paper | ours | verdict |", "|---|---|---|---|"]
    for where, paper, ours, good, verdict in claims:
        word = verdict if good else f"**NOT CONFIRMED** ({verdict})"
        lines.append(f"| {where} | {paper} | {ours} | {word} |")
    return "\n".join(lines)


def points_table(found, sweeps):
    """Markdown, a point of Fig. 6 a line."""
    heads = [f"{head}, {NAMES[name]}" for head in COLUMNS.values() for name in METHODS]
    lines = ["| " + " | ".join(["point", "noise", "true length", *heads]) + " |"]
    lines.append("|---" * (len(heads) + 3) + "|")
    true = MERITS.index("true scale")
    for (name, noise), values in found.items():
        for value, runs in zip(sweeps[name], values, strict=True):
            cells = [f"{name} = {value}", f"{noise:g}", f"{np.median(runs[:, 0, true]):.2f}"]
            cells += [
                banded(runs[:, i, MERITS.index(merit)])
                for merit in COLUMNS
                for i in range(len(METHODS))
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def banded(values):
    """Median, and the range from 10 to 90 %."""
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
    if high < 1e-6:
        return f"{middle:.0e}"
    return f"{middle:.3g} ({low:.2g}–{high:.2g})"


def page(claims, found, sweeps):
    """The whole text."""
    centre = ", ".join(f"{name} = {value}" for name, value in CENTRE.items())
    n_seeds = next(iter(found.values())).shape[1]
    return f"""{claims_table(claims)}

Points of Fig. 6 about {centre} (d features in each modality), {n_seeds} draws a point: median
(10 % to 90 %).

{points_table(found, sweeps)}

{TEXT}"""


# -- the command ----------------------------------------------------------------------------------


def draw(folder, one, gauges, found, sweeps):
    """Write all pictures."""
    import paper_figures
    from matplotlib import rc_context

    from skalign._tour._figures import STYLE, latent_figure

    with rc_context({**STYLE, "savefig.dpi": 90}):
        figures = {
            "fig1": paper_figures.figure_1(one),
            "fig2": paper_figures.figure_2(),
            "fig3_fig5": latent_figure(),
            "fig4": paper_figures.figure_4(
                {label: gauges[name] for name, label in GAUGES.items()}, PRINTED
            ),
            "fig6": paper_figures.figure_6(found, sweeps),
            "fig6_new_samples": paper_figures.figure_6_new(found, sweeps),
        }
        for name, figure in figures.items():
            figure.savefig(folder / f"{name}.png", facecolor="white")
            print("Figure:", folder / f"{name}.png", file=sys.stderr)


def progress(what):
    print(f"... {what}", file=sys.stderr, flush=True)


def study(n_draws, n_seeds, sweeps=SWEEPS):
    """Fig. 1, errors of Fig. 4, points of Fig. 6, and the claims."""
    one, five = paper_study.figure_1(), paper_study.figure_5()
    progress(f"Fig. 4, {n_draws} draws")
    four, runs = tour.paper_experiment(n_draws=1), [gauge.figure_4(s) for s in range(n_draws)]
    gauges = {name: np.array([run[name] for run in runs]) for name in runs[0]}
    found = paper_study.figure_6(n_seeds, sweeps, progress)
    claims = [
        *paper_claims.claims_of_figures_1_to_3(one, four, five),
        *paper_claims.claims_of_figures_4_and_5(four, gauges, five),
        *paper_claims.claims_of_figure_6(found, sweeps),
    ]
    return one, gauges, found, claims


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--draws", type=int, default=200, help="of Fig. 4 (default: %(default)s)")
    parser.add_argument(
        "--seeds", type=int, default=20, help="draws a point of Fig. 6 (default: %(default)s)"
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    options.output.mkdir(parents=True, exist_ok=True)
    with threadpool_limits(1):  # of small matrices, where cores are shared
        one, gauges, found, claims = study(options.draws, options.seeds)
    text = page(claims, found, SWEEPS)
    print(text, flush=True)
    (options.output / "paper.md").write_text(text + "\n", encoding="utf-8")
    draw(options.output, one, gauges, found, SWEEPS)
    return int(not all(good for *_, good, _ in claims))


if __name__ == "__main__":
    sys.exit(main())
