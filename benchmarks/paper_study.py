"""The numbers behind the paper's figures: arrays for `paper_figures.py`, claims for `paper.py`.

Fig. 6 varies the number of samples n, the features d of each modality and the dimensions k of the
latent about one point, without noise and with standard Gaussian noise. At every point, the maps
are learned on n samples of a draw, by the paper to the letter (last k left singular vectors of
[X1; -X2]) and by skalign's defaults, and the errors of the paper's Eq. 4 and 5 are taken on these
samples. Beside them stands what the two errors leave out: how large the latents are, the error
on new samples in units of the latents (1 where the modalities have nothing to do with each
other), and the share of the true latent that a linear map finds in the estimate.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.utils import Bunch

from skalign import NullSpaceAligner
from skalign._tour._experiments import paper_latents, svd_maps
from skalign.datasets import make_paired_gaussians
from skalign.metrics import (
    alignment_error,
    latent_r2,
    reconstruction_error,
    relative_alignment_error,
)

CENTRE = {"n": 2000, "d": 10, "k": 2}
SWEEPS = {
    "n": (10, 20, 50, 100, 200, 500, 2000, 10000),
    "d": (2, 4, 8, 16, 32, 64),
    "k": (1, 2, 3, 4, 6, 8, 10),
}
NOISES = (0.0, 1.0)
METHODS = ("paper", "skalign")
MERITS = ("alignment", "scale", "reconstruction", "true scale", "relative", "r2")
NEW = 1000


# -- Fig. 6 ---------------------------------------------------------------------------------------


def maps(method, X1, X2, k):
    """Functions from each modality to the latent."""
    if method == "paper":
        A1, A2 = svd_maps(X1, X2, k, sign=-1)
        return lambda X: X @ A1, lambda X: X @ A2
    aligner = NullSpaceAligner(k, modalities=[X1.shape[1], X2.shape[1]])
    return tuple(encoder.transform for encoder in aligner.fit(np.hstack([X1, X2])).encoders_)


def length(*latents):
    """Mean norm."""
    return np.mean([np.linalg.norm(z, axis=1).mean() for z in latents])


def measure(seed, noise, n, d, k):
    """Merits (methods, merits) on one draw."""
    data = make_paired_gaussians(
        n + NEW, n_features=(d, d), n_latent=k, noise=noise, random_state=seed
    )
    seen, new = slice(n), slice(n, None)
    X1, X2, z = data.X[:, :d], data.X[:, d:], data.latent
    rows = []
    for method in METHODS:
        encoders = maps(method, X1[seen], X2[seen], k)
        z1, z2 = (encode(X[seen]) for encode, X in zip(encoders, (X1, X2), strict=True))
        new1, new2 = (encode(X[new]) for encode, X in zip(encoders, (X1, X2), strict=True))
        rows.append(
            [
                alignment_error(z1, z2),
                length(z1, z2),
                np.mean([reconstruction_error(z[seen], estimate) for estimate in (z1, z2)]),
                length(z[seen]),
                relative_alignment_error(new1, new2),
                np.mean([latent_r2(z[new], estimate) for estimate in (new1, new2)]),
            ]
        )
    return np.array(rows)


def figure_6(n_seeds, sweeps=SWEEPS, progress=lambda what: None):
    """Merits {(parameter, noise): (values, seeds, methods, merits)}."""
    found = {}
    for name, values in sweeps.items():
        for noise in NOISES:
            progress(f"Fig. 6, {name}, noise {noise:g}")
            found[name, noise] = np.array(
                [
                    [measure(seed, noise, **{**CENTRE, name: value}) for seed in range(n_seeds)]
                    for value in values
                ]
            )
    return found


# -- Fig. 1 ---------------------------------------------------------------------------------------


def figure_1(seed=0, n=2000):
    """Steps 1 to 3 where the modalities are the two axes of the latent, as the paper draws them.

    Labels are seen of modality 1 alone, pairs have none, and accuracy is that on other rows.
    """
    data = make_paired_gaussians(3 * n, random_state=seed)
    labelled, pairs, test = np.split(np.arange(3 * n), 3)
    (x1, x2), y = np.hsplit(data.latent, 2), data.y
    source = LogisticRegression().fit(x1[labelled], y[labelled])
    joint = GaussianMixture(2, random_state=seed).fit(data.latent[pairs])
    classes = source.predict(joint.means_[:, :1])
    target = class_by_marginal(joint, classes, axis=1)
    line = np.linspace(*np.sort(joint.means_[:, 1]), 100_001)[:, None]
    stack = np.hstack([x1, -x2])[pairs]
    z1, z2 = (x[pairs] @ A for x, A in zip((x1, x2), svd_maps(x1, x2, 1, -1), strict=True))
    return Bunch(
        latent=data.latent,
        y=y,
        pairs=pairs,
        boundary=float(-source.intercept_[0] / source.coef_[0, 0]),
        joint=joint,
        classes=classes,
        inferred=float(line[np.argmax(target(line) != target(line)[0]), 0]),
        source_accuracy=source.score(x1[test], y[test]),
        target_accuracy=np.mean(target(x2[test]) == y[test]),
        null_dimensions=sum(np.linalg.matrix_rank(x[pairs]) for x in (x1, x2))
        - np.linalg.matrix_rank(stack),
        latents=(z1, z2),
        error=alignment_error(z1, z2),
        scale=length(z1, z2),
    )


def class_by_marginal(joint, classes, axis):
    """Decide by one axis of a mixture of the plane whose components have classes."""
    means, variances = joint.means_[:, axis], joint.covariances_[:, axis, axis]

    def decide(x):
        density = joint.weights_ * np.exp(-0.5 * (x - means) ** 2 / variances)
        return classes[np.argmax(density / np.sqrt(variances), axis=1)]

    return decide


# -- Fig. 5 ---------------------------------------------------------------------------------------


def figure_5(seed=0):
    """How closely the estimates of both modalities agree, and whether classes are left in them."""
    data = make_paired_gaussians(random_state=seed)
    z1, z2 = paper_latents(data.X)
    return Bunch(
        means=[data.latent[data.y == c].mean(axis=0) for c in (0, 1)],
        largest_gap=np.linalg.norm(z1 - z2, axis=1).max(),
        scale=length(z1, z2),
        clustered=[clustering_accuracy(z, data.y, seed) for z in (data.latent, z1, z2)],
    )


def clustering_accuracy(z, y, seed):
    """Share of rows in the component of their class, by the better way to name two components."""
    same = np.mean(GaussianMixture(2, n_init=5, random_state=seed).fit_predict(z) == y)
    return max(same, 1 - same)
