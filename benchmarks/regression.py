"""Numbers known in one modality, predicted from another: R² and coverage beside two rivals.

Rows of the source are labelled, 150 or half of all rows if that is fewer, and 15, 30 or 60 other
rows are pairs without a label. The rest is predicted from the target alone. The rivals:

impute  RidgeCV of the labelled source, asked about the source that another RidgeCV imputes from
        the target, both on standardized columns;
pls     partial least squares of the source's predictions for the pairs on their target, the
        number of components by five folds.

Data: what scikit-learn ships, and a simulated replacement of a spectrometer. Constants were chosen
on other data. `covered` is the share of true values, noise included, within the 90 % interval
of `return_std`. Differences are to the rival that is better in the mean over splits, with their
standard error.

    python benchmarks/regression.py                                # ten minutes
    python benchmarks/regression.py --data wine --pairs 30 --splits 3
"""

import argparse
import warnings

import numpy as np
from sklearn import datasets
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import CrossModalTransferRegressor, NullSpaceAligner, stack_modalities

N_LABELLED = 150
Z = 1.6448536269514722  # 95 % quantile of the normal distribution

# -- data -----------------------------------------------------------------------------------------


def diabetes():
    """Person and pressure; serum; progression of the disease."""
    X, y = datasets.load_diabetes(return_X_y=True)
    return X[:, :4], X[:, 4:], y


def diabetes_mixed():
    """Every other column."""
    X, y = datasets.load_diabetes(return_X_y=True)
    return X[:, ::2], X[:, 1::2], y


def breast_cancer():
    """Mean of the cells; the worst of them; the mean fractal dimension, in neither."""
    X = datasets.load_breast_cancer().data
    return np.delete(X[:, :10], 9, axis=1), np.delete(X[:, 20:], 9, axis=1), X[:, 9]


def wine():
    """Two halves of a chemical analysis; the alcohol."""
    X = datasets.load_wine().data
    return X[:, 1::2], X[:, 2::2], X[:, 0]


def digits():
    """Left and right halves; the ink of the upper half less that of the lower."""
    images = datasets.load_digits().images
    y = images[:, :4].sum(axis=(1, 2)) - images[:, 4:].sum(axis=(1, 2))
    return images[:, :, :4].reshape(-1, 32), images[:, :, 4:].reshape(-1, 32), y


def spectrometers(n=600, widths=(256, 401), n_substances=5, seed=100):
    """Smooth spectra of mixtures by two instruments; one concentration.

    The new one has its own grid, resolution, gain and baseline; both have noise, a baseline that
    drifts, and a path length that varies a little from sample to sample.
    """
    rng = np.random.default_rng(seed)
    amounts = rng.gamma(2.0, size=(n, n_substances)) / 2
    centres = rng.uniform(0, 1, size=(n_substances, 4))
    heights, lengths = rng.uniform(0.2, 1, centres.shape), rng.uniform(0.02, 0.1, centres.shape)

    def measured(width, power, blur, gain, tilt, noise):
        grid = np.linspace(0, 1, width) ** power
        far = (grid - centres[:, :, None]) / np.hypot(lengths, blur)[:, :, None]
        pure = np.einsum("sc,scg->sg", heights, np.exp(-(far**2) / 2))
        path = 1 + 0.02 * rng.normal(size=(n, 1))
        drift = 0.1 * rng.normal(size=(n, 1)) + 0.1 * rng.normal(size=(n, 1)) * grid
        X = gain * path * (amounts @ pure) * (1 + tilt * grid) + drift
        return X + noise * rng.normal(size=X.shape)

    old = measured(widths[0], 1.0, 0.0, 1.0, 0.0, 0.02)
    new = measured(widths[1], 1.15, 0.03, 1.6, 0.3, 0.03)
    return old, new, amounts[:, 0] + 0.05 * rng.normal(size=n)


DATA = {
    "diabetes": diabetes,
    "diabetes-mixed": diabetes_mixed,
    "breast cancer": breast_cancer,
    "wine": wine,
    "digits": digits,
    "spectrometers": spectrometers,
}

# -- rivals ---------------------------------------------------------------------------------------


def ridge():
    return make_pipeline(StandardScaler(), RidgeCV(alphas=np.geomspace(1e-3, 1e5, 33)))


def by_imputation(source, old, new, later):
    return source.predict(ridge().fit(new, old).predict(later))


def by_pls(source, old, new, later):
    most = min(10, int(0.8 * len(new)) - 1, new.shape[1])
    grid = {"n_components": list(range(1, most + 1))}
    folds = KFold(5, shuffle=True, random_state=0)
    found = GridSearchCV(PLSRegression(), grid, cv=folds).fit(new, source.predict(old))
    return found.predict(later).ravel()


def one_split(old, new, y, n_pairs, seed):
    """R² of skalign and both rivals, and the share of true values that the interval holds."""
    order, n = np.random.default_rng(seed).permutation(len(y)), min(N_LABELLED, len(y) // 2)
    labelled, pairs, test = order[:n], order[n : n + n_pairs], order[n + n_pairs :]
    widths = old.shape[1], new.shape[1]
    X = np.vstack(
        [
            stack_modalities(old[labelled], None, widths=widths),
            stack_modalities(old[pairs], new[pairs]),
        ]
    )
    model = CrossModalTransferRegressor(aligner=NullSpaceAligner(1, modalities=widths))
    model.fit(X, np.append(y[labelled], np.full(n_pairs, np.nan)))
    later = stack_modalities(None, new[test], widths=widths)
    mean, std = model.predict(later, return_std=True)
    source = ridge().fit(old[labelled], y[labelled])
    rivals = (way(source, old[pairs], new[pairs], new[test]) for way in (by_imputation, by_pls))
    scores = [r2_score(y[test], said) for said in (mean, *rivals)]
    return *scores, np.mean(np.abs(y[test] - mean) <= Z * std)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA), metavar="DATA")
    parser.add_argument("--pairs", nargs="+", type=int, default=[15, 30, 60])
    parser.add_argument("--splits", type=int, default=10, help="(default: %(default)s)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'data':16s} pairs  skalign  impute     pls   difference (s.e.)  covered")
    covered = []
    for name in options.data:
        data = DATA[name]()
        for n_pairs in options.pairs:
            runs = np.array([one_split(*data, n_pairs, seed) for seed in range(options.splits)])
            means = runs.mean(axis=0)
            gain = runs[:, 0] - runs[:, 1 + int(means[2] > means[1])]
            error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.nan
            covered.append(means[3])
            print(
                f"{name:16s} {n_pairs:5d}  {means[0]:7.3f} {means[1]:7.3f} {means[2]:7.3f}   "
                f"{gain.mean():+.3f} ({error:.3f})     {means[3]:.3f}",
                flush=True,
            )
    print(f"covered in the mean: {np.mean(covered):.3f}")


if __name__ == "__main__":
    main()
