"""Drawings of `paper.py`: each takes numbers of `paper_study.py` and gives a figure."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from paper_study import MERITS, METHODS, NOISES

from skalign._tour._figures import BLUE, COLORS, INK, MARKERS, VERMILION

AXES = {
    "n": "samples n",
    "d": "features of each modality\n$d_1 = d_2$",
    "k": "dimensions k of the latent",
}
LOOKS = {
    "paper": {"color": BLUE, "marker": "s", "label": "paper to the letter"},
    "skalign": {"color": VERMILION, "marker": "o", "label": "skalign's defaults"},
}
DOTTED = {"color": INK, "linestyle": ":", "linewidth": 1.4}


def panels(title, *grid, size, **options):
    """A figure with a title, and its axes."""
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title)
    return figure, figure.subplots(*grid, **options)


# -- Fig. 1 ---------------------------------------------------------------------------------------


def figure_1(result):
    """Three steps from labels of modality 1 to a boundary in modality 2, and what is aligned."""
    figure, axes = panels(
        "Fig. 1: labels cross by clusters of pairs; nothing is aligned", 1, 4, size=(17, 5)
    )
    labelled_histogram(axes[0], result)
    for ax, title in ((axes[1], "2: pairs, no label; joint mixture"), (axes[2], None)):
        plane(ax, result, title is None)
        accuracy = f"3: x2 above {result.inferred:.2f}: accuracy {result.target_accuracy:.3f}"
        ax.set(title=title or accuracy, xlabel="x1, first axis of the latent (no unit)")
        ax.set_ylabel("x2, second axis of the latent (no unit)")
    axes[1].legend(loc="lower right")
    axes[2].legend(loc="lower right")
    premise(axes[3], result)
    return figure


def labelled_histogram(ax, result):
    """Step 1: what is seen of modality 1, and the boundary."""
    x1 = result.latent[: len(result.pairs), 0]
    y, bins = result.y[: len(x1)], np.linspace(-4, 8, 41)
    for c, color in enumerate(COLORS[:2]):
        ax.hist(x1[y == c], bins, color=color, alpha=0.55, label=f"class {c}")
    ax.axvline(result.boundary, color=INK, label="boundary")
    ax.set(title=f"1: x1 above {result.boundary:.2f}: accuracy {result.source_accuracy:.3f}")
    ax.set(xlabel="x1, first axis of the latent (no unit)", ylabel="labelled samples in a bin")
    ax.set_xlim(-4, 8)
    ax.set_ylim(0, 1.3 * ax.get_ylim()[1])
    ax.legend(loc="upper left")


def plane(ax, result, labelled):
    """Steps 2 and 3: pairs, the ellipses of their mixture, and boundaries."""
    shown = result.latent[result.pairs][:600]
    above = shown[:, 1] > result.inferred
    if labelled:
        for c, (color, marker) in enumerate(zip(COLORS[:2], MARKERS, strict=False)):
            rows = above == c
            ax.scatter(*shown[rows].T, s=9, c=color, marker=marker, linewidths=0)
        ax.axhline(result.inferred, color=INK, linewidth=2, label="inferred boundary")
        ax.axvline(result.boundary, color=INK, linestyle="--", label="boundary of step 1")
    else:
        ax.scatter(*shown.T, s=9, c="0.55", linewidths=0, label="pair (x1, x2)")
    for j, (mean, covariance) in enumerate(
        zip(result.joint.means_, result.joint.covariances_, strict=True)
    ):
        color = COLORS[result.classes[j]] if labelled else INK
        values, vectors = np.linalg.eigh(covariance)
        angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
        width, height = 4 * np.sqrt(values[::-1])
        label = None if labelled or j else "component, 2 sd"
        ax.add_patch(
            Ellipse(mean, width, height, angle=angle, fill=False, ec=color, lw=2, label=label)
        )
    ax.set(xlim=(-4, 8), ylim=(-4, 9.5), aspect="equal")


def premise(ax, result):
    """What Corollary 2.2 makes of two axes that share no dimension."""
    z1, z2 = (z[:600, 0] for z in result.latents)
    for c, (color, marker) in enumerate(zip(COLORS[:2], MARKERS, strict=False)):
        rows = result.y[result.pairs][:600] == c
        ax.scatter(z1[rows], z2[rows], s=9, c=color, marker=marker, linewidths=0)
    low, high = np.min([z1, z2]) - 0.5, np.max([z1, z2]) + 1.5
    ax.plot([low, high], [low, high], label="Theorem 2.1: equal", **DOTTED)
    ax.set(title=f"Its premise: {result.null_dimensions} dimensions are aligned")
    ax.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    ax.set(xlabel="$A_1 x_1$, k = 1 (no unit)", ylabel="$A_2 x_2$, k = 1 (no unit)")
    ax.legend(loc="upper left", title=f"error {result.error:.2f}, length {result.scale:.2f}")


# -- Fig. 2 ---------------------------------------------------------------------------------------


def figure_2():
    """From the latent to two modalities, and back."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    figure.suptitle("Fig. 2: one latent, two modalities, one estimate")
    ax = figure.subplots()
    ax.set(xlim=(0, 9), ylim=(0, 3.2))
    ax.set_axis_off()
    estimate = "$A^{(1)} x^{(1)} = A^{(2)} x^{(2)} = Gz$\npairs do not tell $G$"
    for x, y, text, color in (
        (0.8, 1.6, "latent\n$z \\in R^k$", "#EEEEEE"),
        (3.6, 2.6, "modality 1\n$x^{(1)} \\in R^{d_1}$", "#BBDDF0"),
        (3.6, 0.6, "modality 2\n$x^{(2)} \\in R^{d_2}$", "#F6D2BD"),
        (7.4, 1.6, estimate, "#EEEEEE"),
    ):
        box = {"boxstyle": "round,pad=0.5", "fc": color, "ec": INK}
        ax.text(x, y, text, ha="center", va="center", bbox=box)
    for start, end, text in (
        ((1.4, 1.9), (2.9, 2.6), "$S^{(1)}$"),
        ((1.4, 1.3), (2.9, 0.6), "$S^{(2)}$"),
        ((4.3, 2.6), (5.95, 1.9), "$A^{(1)}$"),
        ((4.3, 0.6), (5.95, 1.3), "$A^{(2)}$"),
    ):
        ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1.6})
        x, y = np.mean([start, end], axis=0)
        ax.text(x, y + (0.28 if y > 1.6 else -0.28), text, ha="center", va="center")
    ax.text(3.6, 1.6, "seen in pairs", ha="center", va="center", style="italic")
    return figure


# -- Fig. 4 ---------------------------------------------------------------------------------------


def figure_4(errors, printed):
    """Reconstruction errors over draws: without a gauge, and by what may be known."""
    figure, (linear, log) = panels(
        f"Fig. 4: the reconstruction error over {len(next(iter(errors.values())))} random draws",
        1,
        2,
        size=(12, 4.6),
        width_ratios=(1, 1.25),
    )
    (name, found), *_ = errors.items()
    linear.hist(found, 30, color=BLUE, alpha=0.6, label=name)
    linear.axvline(np.median(found), color=BLUE, label=f"median, {np.median(found):.2f}")
    linear.set(title="Without a gauge: luck of the maps", ylabel="draws in a bin")
    linear.set_xlabel("mean distance to the true latent\n(its class sd = 1)")
    bins = np.geomspace(1e-16, 100, 73)
    for color, (name, found) in zip((BLUE, *COLORS[1:]), errors.items(), strict=True):
        label = f"{name}: median {np.median(found):.2g}"
        log.hist(found, bins, color=color, alpha=0.6, label=label)
    log.set(xscale="log", title="With a gauge (LatentGauge)", ylabel="draws in a bin")
    log.set_xlabel("mean distance to the true latent\n(its class sd = 1), logarithmic")
    for ax, place in ((linear, "upper right"), (log, "upper left")):
        ax.axvline(printed, color=INK, linestyle="--", label=f"paper prints {printed:.2f}")
        ax.set_ylim(0, 1.5 * ax.get_ylim()[1])
        ax.legend(loc=place)
    return figure


# -- Fig. 6 ---------------------------------------------------------------------------------------


def curve(ax, values, found, merit, **look):
    """Median over draws, and the band from 10 to 90 %."""
    m = MERITS.index(merit)
    for i, method in enumerate(METHODS):
        low, middle, high = np.quantile(found[:, :, i, m], [0.1, 0.5, 0.9], axis=1)
        style = {**LOOKS[method], **look}
        ax.plot(values, middle, markersize=4, **style)
        ax.fill_between(values, low, high, color=style["color"], alpha=0.2, linewidth=0)


def dotted_scale(ax, values, found, merit):
    """Mean length of the latents, one line a method."""
    for i, method in enumerate(METHODS):
        scale = np.median(found[:, :, i, MERITS.index(merit)], axis=1)
        ax.plot(values, scale, linestyle=":", linewidth=1.4, color=LOOKS[method]["color"])


def value_axis(ax, name, values):
    """Parameters on a logarithmic axis, each named where there is room."""
    ax.set(xscale="log", xlabel=AXES[name])
    few = sorted({*values[::2], values[-1]}) if len(values) > 7 else values
    ax.set_xticks(few, [str(value) for value in few])
    ax.minorticks_off()


def figure_6(found, sweeps):
    """Errors of Eq. 4 and 5 on the samples that were learned from, in the paper's order."""
    figure, axes = panels(
        "Fig. 6: errors on the samples learned from, median and band from 10 to 90 % of draws",
        2,
        6,
        size=(19, 7.4),
        sharex="col",
    )
    for row, noise in zip(axes, NOISES, strict=True):
        for column, (name, values) in enumerate(sweeps.items()):
            here, (left, right) = found[name, noise], row[2 * column : 2 * column + 2]
            curve(left, values, here, "alignment")
            dotted_scale(left, values, here, "scale")
            curve(right, values, here, "reconstruction")
            true = np.median(here[:, :, 0, MERITS.index("true scale")], axis=1)
            right.plot(values, true, **DOTTED)
            left.set(yscale="log", ylim=(1e-17, 1e3), title="alignment error (Eq. 4)")
            right.set(yscale="log", ylim=(0.5, 100), title="reconstruction error (Eq. 5)")
            right.set_yticks([1, 10, 100], ["1", "10", "100"])
            if not noise:
                left.axhline(1e-12, color=INK, linewidth=0.8, linestyle="--")
            for ax in (left, right):
                value_axis(ax, name, values)
                ax.label_outer()
                ax.tick_params(labelleft=True)
        kind = "standard Gaussian noise" if noise else "no noise"
        row[0].set_ylabel(f"{kind}\nmean distance (no unit)")
    legend(
        figure,
        axes[0, 0],
        ("mean length of the latents compared", DOTTED),
        ("$10^{-12}$", {"color": INK, "linewidth": 0.8, "linestyle": "--"}),
    )
    return figure


def figure_6_new(found, sweeps):
    """With noise: what the errors of Fig. 6 leave out."""
    figure, axes = panels(
        "Fig. 6 with noise, on new samples: median and band from 10 to 90 % of draws",
        2,
        len(sweeps),
        size=(13, 7.4),
        sharex="col",
        sharey="row",
    )
    for column, (name, values) in enumerate(sweeps.items()):
        for ax, merit in zip(axes[:, column], ("relative", "r2"), strict=True):
            curve(ax, values, found[name, NOISES[1]], merit)
            value_axis(ax, name, values)
            ax.label_outer()
        axes[0, column].set(title=f"over {AXES[name].split(chr(10))[0]}", ylim=(0, 1.05))
        axes[0, column].axhline(1, **DOTTED)
        axes[1, column].set(ylim=(0, 1.05))
    axes[0, 0].set_ylabel("relative alignment error\n(1: unrelated)")
    axes[1, 0].set_ylabel("share of the true latent found\nup to a linear map ($R^2$)")
    legend(figure, axes[0, 0], ("unrelated modalities", DOTTED))
    return figure


def legend(figure, ax, *more):
    """One for all panels, below them."""
    handles, labels = ax.get_legend_handles_labels()
    for label, style in more:
        handles += ax.plot([], [], **style)
        labels.append(label)
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
