"""Write the files of this release, once, for ``tests/test_files.py`` to read for ever.

    PYTHONPATH=. python tests/files/write.py

Run it on the oldest supported versions (``nox -s oldest`` makes such an environment): what
these write the newest read. Beside the models stand the rows that they are asked, and what they
say of them. A folder that is there is never written again.
"""

import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import skops.io
from sklearn.impute import KNNImputer
from sklearn.linear_model import Ridge
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB

import skalign as sa
from skalign.datasets import make_paired_gaussians
from skalign.model_selection import ConformalTransfer

HERE = Path(__file__).resolve().parent
VIDEO, IMU = slice(0, 3), slice(3, 7)
# Of pickles: arrays of protocol 5, which Python 3.14 takes by default, name a module of NumPy 2
# that NumPy 1.26 does not have.
PROTOCOL = 4
# What the models are asked; methods that one lacks are passed over.
METHODS = ("transform", "impute", "predict", "predict_proba", "predict_set", "similarity")


def rows():
    """Rows of two modalities, their labels, a number for each, and latents."""
    data = make_paired_gaussians(
        72, n_features=(3, 4), n_latent=3, n_classes=2, noise=1.5, random_state=0
    )
    X, y = data.X.copy(), data.y.copy()
    X[:24, IMU], X[24:28, VIDEO] = np.nan, np.nan
    y[24:] = -1
    return X, y, np.where(y < 0, np.nan, data.latent[:, 0]), data.latent


def models():
    """Fitted models, at least one of every public estimator."""
    X, y, numbers, Z = rows()
    aligner = sa.NullSpaceAligner(modalities={"video": VIDEO, "imu": IMU})

    def transfer(**options):
        return sa.CrossModalTransferClassifier(GaussianNB(), aligner=aligner, **options)

    mixture, holes = GaussianMixture(3, random_state=0), X.copy()
    holes[40, 1] = holes[50, 5] = np.nan
    whole, apart = transfer().fit(X, y), transfer(target_space="aligned")
    numeric = sa.CrossModalTransferRegressor(Ridge(), aligner=aligner).fit(X, numbers)
    batches = sa.NullSpaceAligner(modalities=[3, 4])
    return {
        "NullSpaceAligner": aligner.fit(X),
        "NullSpaceAligner_batches": batches.partial_fit(X[:40]).partial_fit(X[40:]),
        "ModalityEncoder": aligner.encoders_[1],
        "CrossModalTransferClassifier": whole,
        "CrossModalTransferClassifier_aligned": apart.fit(X, y),
        "CrossModalTransferClassifier_mixture": transfer(
            mixture=mixture, target_space="aligned"
        ).fit(X, y),
        "ModalityClassifier": whole.target_classifier_,
        "CrossModalTransferRegressor": numeric,
        "ModalityRegressor": numeric.target_regressor_,
        "CrossModalRetriever": sa.CrossModalRetriever(aligner).fit(X),
        "CrossModalImputer": sa.CrossModalImputer(aligner).fit(X),
        "BlockImputer": sa.BlockImputer(KNNImputer(), modalities=[3, 4]).fit(holes),
        "LatentGauge": sa.LatentGauge().fit(aligner.transform(X), Z),
        **gauges(),
        "ZeroShotClassifier": sa.ZeroShotClassifier(aligner).fit(X, y),
        "ConformalTransfer": ConformalTransfer(apart, cv=3, random_state=0).fit(X, y),
    }


def gauges():
    """A gauge by known class means, and one by a known mixture."""
    rng, means = np.random.default_rng(0), np.diag([0.0, 3.0, 5.0, 8.0])[:, 1:]
    code = rng.permutation(np.repeat([0, 1, 2, 3], [80, 60, 40, 20]))
    Z = means[code] + rng.normal(size=(len(code), 3))
    known = {"means": means, "covariances": np.eye(3), "weights": [0.4, 0.3, 0.2, 0.1]}
    return {
        "LatentGauge_classes": sa.LatentGauge(class_means=dict(enumerate(means))).fit(Z, code),
        "LatentGauge_mixture": sa.LatentGauge(mixture=known, random_state=0).fit(Z),
    }


def asked(model):
    """Rows that a model takes."""
    X, _, _, Z = rows()
    if isinstance(model, sa.LatentGauge):
        return Z[:12]
    of_target = model.n_features_in_ < X.shape[1]  # the part of a model that is deployed
    return X[28:40, IMU] if of_target else X[28:40]


def answers(model, X):
    """What a model says, by method."""
    return {name: np.asarray(getattr(model, name)(X)) for name in METHODS if hasattr(model, name)}


def write(folder):
    """All files of a release."""
    folder.mkdir()
    expected, smaller = {}, {"compression": zipfile.ZIP_DEFLATED, "compresslevel": 9}
    for name, model in models().items():
        X = asked(model)
        expected[f"{name}/X"] = X
        expected |= {f"{name}/{method}": said for method, said in answers(model, X).items()}
        skops.io.dump(model, folder / f"{name}.skops", **smaller)
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(model, protocol=PROTOCOL))
    np.savez_compressed(folder / "expected.npz", **expected)
    for file in sorted(folder.iterdir()):
        print(f"{file.relative_to(HERE)}  {file.stat().st_size / 1000:.1f} kB")


if __name__ == "__main__":
    sys.exit(write(HERE / sa.__version__))
