"""What `contrastive.py` prints and draws, of measures (splits, measures) of every method."""

import sys
from collections import Counter

import numpy as np

DESCENTS = ("linear", "MLP")
METHODS = (*DESCENTS, "skalign", "skalign, tuned")
MEASURES = ("alignment", "separation", "R@1", "MRR", "transfer")
FEW = 4  # components
EXACT = 1e-9  # differences below this are rounding


def verdict(found, i, own, others):
    """Of a closed form beside the best of others, and by how much it leads."""
    gains = [found[own][:, i] - found[kind][:, i] for kind in others]
    gain = min(gains, key=np.mean)
    error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else 0.0
    if gain.mean() > max(error, EXACT):
        return "ahead", gain.mean()
    return ("same" if gain.mean() >= -max(error, EXACT) else "behind"), gain.mean()


def verdicts(found, i):
    """Of defaults beside linear encoders, and of the tuned beside both."""
    return (
        verdict(found, i, "skalign", DESCENTS[:1]),
        verdict(found, i, "skalign, tuned", DESCENTS),
    )


def lines(task, found, more):
    """Rows of the table, one a measure."""
    for i, name in enumerate(MEASURES):
        cells = [f"{task}, {more['pairs']} pairs" if i == 0 else "", name]
        for method in METHODS:
            values = found[method][:, i]
            spread = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
            cells.append(f"{values.mean():.3f}{spread}")
        cells.append(f"{np.mean(more['classifier']):.3f}" if name == "transfer" else "")
        cells += [f"{word} {gain:+.3f}" for word, gain in verdicts(found, i)]
        yield "| " + " | ".join(cells) + " |"


def time_lines(results):
    """Median seconds: of one fit that aligns, and of everything, tuning and retriever too."""
    heads = [f"{name}, {what}" for name in METHODS for what in ("one fit", "all")]
    heads += ["linear / skalign, one fit", "all", "epochs: linear, MLP", "kernels"]
    yield "| data | " + " | ".join(heads) + " |"
    yield "|---" * (len(heads) + 1) + "|"
    for task, (_, more) in results.items():
        times = {name: np.median(more[name, "seconds"], axis=0) for name in METHODS}
        cells = [task, *(f"{t:.2g} s" for name in METHODS for t in times[name])]
        cells += [f"{ratio:.0f}" for ratio in times["linear"] / times["skalign"]]
        epochs = [np.median([t.epochs for t in more[kind, "tuned"]]) for kind in DESCENTS]
        cells.append(", ".join(f"{n:.0f}" for n in epochs))
        cells.append(", ".join("columns" if w is None else f"{w:g}" for w in more["width"]))
        yield "| " + " | ".join(cells) + " |"


def chosen_lines(results):
    """How often each value of a grid was chosen, over splits of all data."""
    for kind in DESCENTS:
        settings = [t.setting for _, more in results.values() for t in more[kind, "tuned"]]
        for name, values in zip(settings[0]._fields, zip(*settings, strict=True), strict=True):
            counts = sorted(Counter(values).items())
            counts = ", ".join(f"{value:g} ({count})" for value, count in counts)
            yield f"Chosen, {kind}, {name.replace('_', ' ')}: {counts}"


def summary(results):
    """Counts of verdicts, and where it is behind; what few components would do for alignment."""
    few = ", ".join(f"{task} {np.mean(more['few']):.3f}" for task, (_, more) in results.items())
    yield f"Alignment of the first {FEW} components of skalign's defaults alone: {few}."
    yield ""
    titles = ("Defaults beside linear encoders", "Tuned beside both encoders")
    for j, title in enumerate(titles):
        words = {
            task: [verdicts(found, i)[j] for i in range(len(MEASURES))]
            for task, (found, _) in results.items()
        }
        yield f"{title}:"
        for i, name in enumerate(MEASURES):
            said = [row[i][0] for row in words.values()]
            counts = ", ".join(f"{w} {said.count(w)}" for w in ("ahead", "same", "behind"))
            yield f"- {name}: {counts}"
        good = [task for task, row in words.items() if all(w != "behind" for w, _ in row)]
        yield f"- same or ahead in all: {len(good)} of {len(words)} data sets"
        for task, row in words.items():
            for name, (word, gain) in zip(MEASURES, row, strict=True):
                if word == "behind":
                    yield f"- behind: {task}, {name}, by {-gain:.3f}"


def draw(results, folder):
    """Loss on pairs held out over epochs, in units of that of guessing."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 6), layout="constrained")
    figure.suptitle("Contrastive loss on pairs held out, with the settings chosen; a line a split")
    axes = figure.subplots(2, (len(results) + 1) // 2, sharex=True, sharey=True, squeeze=False)
    for ax in axes.flat[len(results) :]:
        ax.set_axis_off()
    for ax, (task, (_, more)) in zip(axes.flat, results.items(), strict=False):
        for kind, color, marker in (("linear", "#0072B2", "o"), ("MLP", "#D55E00", "s")):
            for j, tuned in enumerate(more[kind, "tuned"]):
                losses = np.array(tuned.losses) / np.log(more["held out"])
                ax.plot(np.arange(len(losses)) + 1, losses, color=color, linewidth=1.2)
                label = f"{kind}, lowest: training ends here" if j == 0 else None
                ax.plot(
                    tuned.epochs,
                    losses[tuned.epochs - 1],
                    marker,
                    color=color,
                    label=label,
                    linestyle="none",
                )
        ax.set_title(task.replace("-", " → "))
        ax.set(xscale="log", ylim=(0, 1.05))
        ax.spines[["top", "right"]].set_visible(False)
        ax.label_outer()
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
    for ax in axes[:, 0]:
        ax.set_ylabel("loss / loss of guessing (no unit)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "contrastive_loss.png", dpi=90)
    print("Figure:", folder / "contrastive_loss.png", file=sys.stderr)
