"""The two experiments of the tour, and their tables: numbers in, text out."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils import Bunch

from .. import CrossModalTransferClassifier, NullSpaceAligner, stack_modalities
from ..datasets import make_paired_gaussians
from ..metrics import alignment_error, latent_r2, reconstruction_error

Floats = NDArray[np.float64]
Integers = NDArray[np.int_]
SEED = 0

# -- 1: the paper's experiment -----------------------------------------------------------------

N_DRAWS = 200
PRINTED = {  # Fig. 4 of the paper, in its order
    "reconstruction error, S1": 10.9271,
    "reconstruction error, S2": 10.9271,
    "alignment error": 3.66e-15,
    "reconstruction by pinv(S1)": 2.98e-16,
    "reconstruction by pinv(S2)": 6.47e-16,
}

PAPER_TEXT = """\
1. The paper's experiment (its Fig. 4)
--------------------------------------
{result.n_samples} points z in the plane, of two classes, are seen through two random maps:
x1 = S1 z and x2 = S2 z. From the pairs (x1, x2) alone, NullSpaceAligner finds
maps A1 and A2 for which z1 = A1 x1 and z2 = A2 x2 are the same point.

  mean distance, 0 is best          paper        here
{rows}

Alignment (z1 to z2) is perfect up to rounding. Reconstruction (z1 or z2 to the
true z) is not: pairs alone tell z only up to a linear map. The last two rows
invert S1 and S2, which nobody knows outside of an experiment.

- Sign: Eq. 2 as printed stacks [X1; X2], and a plain SVD of that leaves an
  alignment error of {result.as_printed:.1f}; with [X1; -X2] it is {result.with_sign:.1e}.
- Luck: the reconstruction error is that of a random S. Over {n_draws} draws its
  median is {quantiles[1]:.2f}, its range {quantiles[0]:.2f} to {quantiles[2]:.2f}.
- Up to a linear map the latent is found: latent_r2 (1 is best) is {result.r2[0]:.6f} from
  x1 and {result.r2[1]:.6f} from x2.
Seed {seed} for the table; seeds 0 to {last_draw} for the draws."""


def paper_experiment(seed: int = SEED, n_draws: int = N_DRAWS) -> Bunch:
    """Repeat the experiment of the paper's Section 3.1, on one draw and over many."""
    data = make_paired_gaussians(random_state=seed)
    z, (S1, S2), (x1, x2) = data.latent, data.maps, np.hsplit(data.X, 2)
    z1, z2 = paper_latents(data.X)
    errors = (
        reconstruction_error(z, z1),
        reconstruction_error(z, z2),
        alignment_error(z1, z2),
        reconstruction_error(z, x1 @ np.linalg.pinv(S1).T),
        reconstruction_error(z, x2 @ np.linalg.pinv(S2).T),
    )
    draws = (make_paired_gaussians(random_state=draw) for draw in range(n_draws))
    over_draws = [reconstruction_error(draw.latent, paper_latents(draw.X)[0]) for draw in draws]
    return Bunch(
        n_samples=len(z),
        errors=dict(zip(PRINTED, errors, strict=True)),
        as_printed=_svd_error(x1, x2, sign=1),
        with_sign=_svd_error(x1, x2, sign=-1),
        r2=(latent_r2(z, z1), latent_r2(z, z2)),
        over_draws=np.array(over_draws),
    )


def paper_latents(X: Floats) -> list[Floats]:
    """Latents that the paper's method finds from each half of the columns."""
    encoders = paper_aligner(2).fit(X).encoders_
    return [e.transform(x) for e, x in zip(encoders, np.hsplit(X, 2), strict=True)]


def paper_aligner(n_components: int | None) -> NullSpaceAligner:
    """The paper's method, with the sign of its Eq. 2 corrected."""
    return NullSpaceAligner(n_components, whiten=False, center=False, shrinkage=None)


def _svd_error(x1: Floats, x2: Floats, sign: int) -> float:
    """Eq. 4 for the maps that Eq. 3 takes from the SVD of [X1; sign X2]."""
    A1, A2 = svd_maps(x1, x2, 2, sign)
    return alignment_error(x1 @ A1, x2 @ A2)


def svd_maps(x1: Floats, x2: Floats, k: int, sign: int) -> tuple[Floats, Floats]:
    """The paper's maps, letter by letter: the last k left singular vectors of [X1; sign X2]."""
    stack = np.hstack([x1, sign * x2])
    wide = len(stack) < stack.shape[1]  # then the last ones take a full decomposition
    A = np.linalg.svd(stack, full_matrices=wide)[2][-k:].T
    return A[: x1.shape[1]], A[x1.shape[1] :]


def paper_table(result: Bunch) -> str:
    """The paper's experiment as text."""
    rows = [
        f"  {name:<28}{_number(PRINTED[name]):>11}{_number(error):>12}"
        for name, error in result.errors.items()
    ]
    return PAPER_TEXT.format(
        result=result,
        rows="\n".join(rows),
        n_draws=len(result.over_draws),
        last_draw=len(result.over_draws) - 1,
        quantiles=np.quantile(result.over_draws, [0, 0.5, 1]),
        seed=SEED,
    )


def _number(value: float) -> str:
    """A number as the paper writes it."""
    return f"{value:.4f}" if value >= 1e-3 else f"{value:.2e}"


# -- 2: halves of digits -----------------------------------------------------------------------

WIDTHS = (32, 32)
PAPER_K = 9
MAJORITY = "majority class"
PAPER = f"paper's null space, k = {PAPER_K}"
PAPER_WIDEST = "paper's null space, largest k"
PSEUDO_LINEAR = "pseudo-labels, linear student"
PSEUDO_SVC = "pseudo-labels, SVC student"
SKALIGN = "skalign"
CEILING_LINEAR = "supervised ceiling, linear"
CEILING_SVC = "supervised ceiling, SVC"
TRANSFERS = (PAPER, PAPER_WIDEST, PSEUDO_LINEAR, PSEUDO_SVC, SKALIGN)

DIGITS_TEXT = """\
2. Handwritten digits: labels for left halves, predictions for right halves
---------------------------------------------------------------------------
Left and right half of an image are its modalities. Of the {n_samples} digits that come
with scikit-learn, one third has labels and left halves only, one third is pairs
without labels, one third is the test: right halves only. The ceiling is what
the true labels of the pairs would give.

  method                           accuracy      sd   recovered
{rows}

{splits}
"Recovered" is (accuracy - majority) / (ceiling - majority): the part of what
the labels of the pairs would give that is had without them; skalign gets {skalign:.0%}.

- Null space: a boundary learned on z1 and used on z2; k is the number of
  classes less one, or as many dimensions as the data have.
- Pseudo-labels: a classifier of left halves labels the pairs, and a student
  learns these labels on the right halves.
- skalign: CrossModalTransferClassifier, with a NullSpaceAligner.
Pixels are standardised; classifiers are LogisticRegression(C=0.3) or the SVC."""

SPLITS_TEXT = """\
Means and standard deviations over {n_splits} random splits of the images.
{verdict}
Differences are taken split by split; their standard error allows for the
images that splits have in common (Nadeau & Bengio 2003).
"""


def digits_halves() -> tuple[Floats, Floats, Integers]:
    """Left halves and right halves of the digits, a row each, and their classes."""
    digits = load_digits()
    left, right = (half.reshape(len(half), -1) for half in np.split(digits.images, 2, axis=2))
    return left, right, digits.target


def linear() -> LogisticRegression:
    """The classifier of this experiment, the same for all methods."""
    return LogisticRegression(C=0.3, max_iter=1000)


def digits_split(y: Integers, seed: int) -> tuple[Integers, Integers, Integers]:
    """Rows that are labelled, rows that are pairs, and rows of the test: a third each."""
    labelled, rest = train_test_split(
        np.arange(len(y)), test_size=2 / 3, stratify=y, random_state=seed
    )
    pairs, test = train_test_split(rest, test_size=1 / 2, stratify=y[rest], random_state=seed)
    return labelled, pairs, test


def transfer_data(
    source: Floats, target: Floats, y: Integers, labelled: Integers, pairs: Integers
) -> tuple[Floats, Integers]:
    """Stack what a transfer learns from: labelled sources, then pairs without labels."""
    widths = source.shape[1], target.shape[1]
    labelled_rows = stack_modalities(source[labelled], None, widths=widths)
    X = np.vstack([labelled_rows, stack_modalities(source[pairs], target[pairs])])
    return X, np.concatenate([y[labelled], np.full(len(pairs), -1)])


def digits_run(seed: int) -> dict[str, float]:
    """Accuracy of all methods on one random split."""
    left, right, y = digits_halves()
    labelled, pairs, test = digits_split(y, seed)
    model = make_pipeline(
        StandardScaler(),
        CrossModalTransferClassifier(linear(), aligner=NullSpaceAligner(modalities=WIDTHS)),
    ).fit(*transfer_data(left, right, y, labelled, pairs))
    predicted = {SKALIGN: model.predict(stack_modalities(None, right[test], widths=WIDTHS))}

    # All others work on the very same standardised pixels.
    left, right = np.hsplit(model[0].transform(np.hstack([left, right])), 2)
    pseudo = linear().fit(left[labelled], y[labelled]).predict(left[pairs])
    for name, labels, student in (
        (PSEUDO_LINEAR, pseudo, linear()),
        (PSEUDO_SVC, pseudo, SVC()),
        (CEILING_LINEAR, y[pairs], linear()),
        (CEILING_SVC, y[pairs], SVC()),
    ):
        predicted[name] = student.fit(right[pairs], labels).predict(right[test])
    for name, k in ((PAPER, PAPER_K), (PAPER_WIDEST, None)):
        first, second = paper_aligner(k).fit(np.hstack([left[pairs], right[pairs]])).encoders_
        boundary = linear().fit(first.transform(left[labelled]), y[labelled])
        predicted[name] = boundary.predict(second.transform(right[test]))
    predicted[MAJORITY] = np.full(len(test), np.bincount(y[labelled]).argmax())
    return {name: float(np.mean(labels == y[test])) for name, labels in predicted.items()}


def digits_table(runs: Sequence[dict[str, float]]) -> str:
    """The digits' experiment as text; one run per split."""
    scores = {name: np.array([run[name] for run in runs]) for name in runs[0]}
    ceiling = max((CEILING_LINEAR, CEILING_SVC), key=lambda name: scores[name].mean())
    low, high = scores[MAJORITY].mean(), scores[ceiling].mean()
    rows = []
    for name in (MAJORITY, *TRANSFERS, ceiling):
        mean = scores[name].mean()
        spread = f"{scores[name].std(ddof=1):.3f}" if len(runs) > 1 else "-"
        rows.append(f"  {name:<32}{mean:>9.3f}{spread:>8}{(mean - low) / (high - low):>12.0%}")
    splits = "One random split of the images."
    if len(runs) > 1:
        splits = SPLITS_TEXT.format(n_splits=len(runs), verdict=verdict(scores))
    return DIGITS_TEXT.format(
        rows="\n".join(rows),
        n_samples=len(load_digits().target),
        splits=splits,
        skalign=(scores[SKALIGN].mean() - low) / (high - low),
    )


def verdict(scores: dict[str, Floats]) -> str:
    """Which transfer is best, as far as the accuracies on two or more splits can tell.

    Splits share rows, so the variance of a mean over n splits is not 1/n of that of one, but
    1/n + (rows of the test) / (rows learned from), here 1/n + 1/2 (Nadeau & Bengio 2003).
    """
    best, *others = sorted(TRANSFERS, key=lambda name: -scores[name].mean())
    beaten = {}
    for name in others:
        lead = scores[best] - scores[name]
        error = lead.std(ddof=1) * np.sqrt(1 / len(lead) + 1 / 2)
        text = f'"{name}" by {lead.mean():.3f} (standard error {error:.3f})'
        beaten[text] = bool(lead.mean() > error)
    if all(beaten.values()):
        text = (
            f'The best method without them is "{best}": it leads {next(iter(beaten))}, the next.'
        )
    else:
        level = " and ".join(text for text in beaten if not beaten[text])
        text = f'No method is best: "{best}" leads {level}, which is within error.'
    return textwrap.fill(text, width=79)
