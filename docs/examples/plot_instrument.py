"""
Replacing an instrument
=======================

An old spectrometer is calibrated: for many samples its spectrum and the reference value, from a
laboratory, are known. A new instrument arrives. It sees other wavelengths, and a reference
analysis is expensive. It is enough to measure a few dozen samples by both instruments, without
an analysis.

The spectra are simulated: sums of bands of a few substances over a baseline of their own.
"""

# %%
# Spectra of the same samples by two instruments
# ----------------------------------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import RidgeCV

from skalign import CrossModalTransferRegressor, NullSpaceAligner, stack_modalities

rng = np.random.default_rng(1)
n = 500
content = rng.gamma(4, 0.25, size=(n, 4))  # of four substances; the first one is wanted
value = 10 * content[:, 0]


def measure(wavelengths, centres, width, noise):
    """Spectra: bands at some centres, a baseline that drifts, and noise."""
    bands = np.exp(-(((wavelengths - np.asarray(centres)[:, None]) / width) ** 2))
    grid = np.linspace(-1, 1, len(wavelengths))
    drift = rng.normal(size=(n, 2)) * [0.15, 0.1]
    baseline = drift[:, :1] + drift[:, 1:] * grid
    return content @ bands + baseline + noise * rng.normal(size=(n, len(wavelengths)))


old_nm, new_nm = np.linspace(1100, 1700, 60), np.linspace(900, 1400, 80)
old = measure(old_nm, [1210, 1350, 1450, 1590], 50, 0.02)
new = measure(new_nm, [980, 1080, 1190, 1300], 35, 0.1)

# %%
# Forty samples by both
# ---------------------
# 300 samples were measured by the old instrument and analysed; 40 by both, and not analysed.

X = np.vstack(
    [
        stack_modalities(old[:300], None, widths=(60, 80)),
        stack_modalities(old[300:340], new[300:340]),
    ]
)
y = np.append(value[:300], np.full(40, np.nan))
model = CrossModalTransferRegressor(
    RidgeCV(np.logspace(-4, 2, 13)),
    aligner=NullSpaceAligner(modalities={"old": slice(0, 60), "new": slice(60, 140)}),
    source="old",
    target="new",
).fit(X, y)

# %%
# What the new instrument says
# ----------------------------
# ``target_regressor_`` takes spectra of the new instrument alone, and gives a standard deviation
# beside each value.

mean, deviation = model.target_regressor_.predict(new[340:], return_std=True)
truth = value[340:]
inside = np.abs(mean - truth) < 1.645 * deviation
error = np.sqrt(np.mean((mean - truth) ** 2))
print(f"typical error: {error:.2f}, where values spread by {value.std():.2f}")
print(f"inside the interval of 90 %: {inside.mean():.0%} of {len(truth)} samples")

n_both = [5, 10, 20, 40]
errors = []
for k in n_both:
    fewer = model.fit(X[: 300 + k], y[: 300 + k]).target_regressor_
    errors.append(np.sqrt(np.mean((fewer.predict(new[340:]) - truth) ** 2)))
of_old = RidgeCV(np.logspace(-4, 2, 13)).fit(old[:300], value[:300]).predict(old[340:])
error_of_old = np.sqrt(np.mean((of_old - truth) ** 2))

fig, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.8))
for i in range(300, 304):
    left.plot(old_nm, old[i] + 3.2, color=f"C{i - 300}", lw=1)
    left.plot(new_nm, new[i], color=f"C{i - 300}", lw=1)
left.text(1690, 3.2, "old", ha="right", va="bottom")
left.text(1420, 0.1, "new")
left.set(xlabel="wavelength (nm)", yticks=[], title="four samples by both")
middle.errorbar(truth, mean, 1.645 * deviation, fmt="o", ms=3, lw=0.6, alpha=0.7)
middle.axline((10, 10), slope=1, color="k", lw=0.8)
middle.set(xlabel="laboratory", ylabel="new instrument", title="40 samples by both")
right.plot(n_both, errors, "o-")
right.axhline(error_of_old, color="k", ls=":", lw=1)
right.text(40, error_of_old, "the old one's own", ha="right", va="bottom")
right.set(xlabel="samples measured by both", ylabel="error of the new instrument", ylim=(0, None))
plt.show()
