"""The paper's Fig. 4 with the gauge: reconstruction error once something of the latent is known.

Draws are those of the tour: 2000 points of two classes in the plane, seen through two random maps.
Latents of the paper's method, and of canonical correlation, are mapped to the true ones by

- two anchors of a linear map (three of an affine one): the first rows, and rows far apart;
- known class means and 20 labels a class;
- the known mixture, and nothing of any row.

What no gauge can do without is drawn from the same rows: the sampling error of the mixture's
maximum likelihood, started from the truth. More components and dimensions follow, centred.

    python benchmarks/gauge.py [--seeds 200]
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.pipeline import make_pipeline

from skalign import LatentGauge, NullSpaceAligner
from skalign.datasets import make_paired_gaussians
from skalign.metrics import reconstruction_error

PAPER = NullSpaceAligner(2, whiten=False, center=False, shrinkage=None)
SHAPES = ((2, 3), (2, 5), (2, 12), (2, 20), (5, 12), (5, 20))  # dimensions, components


def known_at(rows, values, shape):
    """What is known at some rows, NaN elsewhere."""
    Y = np.full(shape, np.nan)
    Y[rows] = values
    return Y


def far_apart(Z, n):
    """Rows that span the space well: each the farthest from the span of those before."""
    rows, rest = [], Z.copy()
    for _ in range(n):
        rows.append(int(np.argmax(np.sum(rest**2, axis=1))))
        direction = rest[rows[-1]] / np.linalg.norm(rest[rows[-1]])
        rest = rest - np.outer(rest @ direction, direction)
    return rows


def labels_of(y, n):
    """The first so many labels of each class, -1 elsewhere."""
    known = np.full(len(y), -1)
    for c in np.unique(y):
        rows = np.flatnonzero(y == c)[:n]
        known[rows] = c
    return known


def figure_4(seed):
    """Reconstruction error of each gauge on one draw of the paper's experiment."""
    data = make_paired_gaussians(random_state=seed)
    z, k = data.latent, 2
    mixture = {"means": data.class_means, "covariances": np.eye(k)}
    linear = {"fit_intercept": False}
    gauges = {
        "2 anchors, first rows": (linear, known_at(range(2), z[:2], z.shape)),
        "2 anchors, far apart": (linear, known_at(r := far_apart(z, 2), z[r], z.shape)),
        "class means, 20 labels each": (
            {**linear, "class_means": data.class_means},
            labels_of(data.y, 20),
        ),
        "class means, all labels": ({**linear, "class_means": data.class_means}, data.y),
        "known mixture, no anchor": ({**linear, "mixture": mixture, "random_state": 0}, None),
    }
    found = {"none (the paper)": reconstruction_error(z, PAPER.fit_transform(data.X))}
    for name, (options, y) in gauges.items():
        model = make_pipeline(PAPER, LatentGauge(**options)).fit(data.X, y)
        found[name] = reconstruction_error(z, model.transform(data.X))
    centred = NullSpaceAligner(2)
    model = make_pipeline(centred, LatentGauge()).fit(data.X, known_at(range(3), z[:3], z.shape))
    found["3 anchors, centred, first rows"] = reconstruction_error(z, model.transform(data.X))
    truth = LatentGauge(**linear, mixture=mixture, random_state=0).fit(z)
    found["  the same, given the true latents"] = reconstruction_error(z, truth.transform(z))
    return found


def larger(k, n_components, seed):
    """Error of an affine gauge from the mixture, of one from all labels, and seconds to fit."""
    data = make_paired_gaussians(
        5000, n_features=(k, k), n_latent=k, n_classes=n_components, random_state=seed
    )
    Z = NullSpaceAligner(k).fit_transform(data.X)
    start = time.perf_counter()
    mixture = {"means": data.class_means, "covariances": np.eye(k)}
    gauge = LatentGauge(mixture=mixture, random_state=0).fit(Z)
    seconds = time.perf_counter() - start
    errors = [reconstruction_error(data.latent, gauge.transform(Z))]
    if n_components > k:
        labelled = LatentGauge(class_means=data.class_means).fit(Z, data.y)
        errors.append(reconstruction_error(data.latent, labelled.transform(Z)))
    return [*errors, np.nan][:2], seconds


def main():
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=200, help="draws (default: %(default)s)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    runs = [figure_4(seed) for seed in range(options.seeds)]
    print(f"Fig. 4, {len(runs)} draws. Reconstruction error (the paper prints 10.93)")
    print(f"{'gauge from':<36}{'median':>11}{'95 %':>11}{'worst':>11}  draw")
    for name in runs[0]:
        errors = np.array([run[name] for run in runs])
        shown = np.median(errors), np.quantile(errors, 0.95), errors.max()
        print(f"{name:<36}", *(f"{value:10.3g}" for value in shown), f"{errors.argmax():5d}")
    print("\nAffine gauge of 5000 rows, 3 draws each: worst error, and median seconds")
    print(f"{'dimensions':>10}{'components':>12}{'mixture':>10}{'all labels':>12}{'seconds':>9}")
    for k, n_components in SHAPES:
        found = [larger(k, n_components, seed) for seed in range(3)]
        errors = np.max([e for e, _ in found], axis=0)
        seconds = np.median([s for _, s in found])
        print(f"{k:10d}{n_components:12d}{errors[0]:10.3f}{errors[1]:12.3f}{seconds:9.1f}")


if __name__ == "__main__":
    main()
