"""
Are my pairs good?
==================

Pairs decide how well everything else goes. Two sensors on one person, simulated: one clock is four
rows late, and nobody has noticed. What can be seen before any label is looked at?
"""

# %%
# Two sensors, and a clock that is off
# ------------------------------------
# Three slow movements drive seven columns of one sensor and nine of the other, in twelve
# recordings of eighty rows.

import matplotlib.pyplot as plt
import numpy as np

from skalign import NullSpaceAligner
from skalign.inspection import (
    AlignmentDisplay,
    CorrelationDisplay,
    LagDisplay,
    LoadingsDisplay,
)

rng = np.random.default_rng(0)
recordings, rows, late = 12, 80, 4
movement = rng.normal(size=(recordings, rows + late, 3))
for t in range(1, rows + late):
    movement[:, t] = 0.7 * movement[:, t - 1] + 0.7 * movement[:, t]
wrist = movement[:, late:] @ rng.normal(size=(3, 7))
hip = movement[:, :rows] @ rng.normal(size=(3, 9))  # shows what the wrist showed before
X = np.concatenate([wrist, hip], axis=2).reshape(-1, 16)
X += rng.normal(size=X.shape)
recording = np.repeat(np.arange(recordings), rows)

# %%
# Is a clock off?
# ---------------
# Each lag is learned on some recordings and judged on others. The peak is not at zero: the hip has
# to be moved by so many rows.

aligner = NullSpaceAligner(modalities={"wrist": range(7), "hip": range(7, 16)}).fit(X)
lags = LagDisplay.from_estimator(aligner, X, lags=10, groups=recording)
print(f"best lag {lags.best_lag_}, {lags.margin_:.0f} standard errors ahead of the next")

# %%
# Moved, and fitted again
# -----------------------
# Within each recording the hip is shifted back, and the rows that have no partner any more are
# left out. Before, what was shared hardly stood out from shuffled pairs.

shift = lags.best_lag_
blocks = X.reshape(recordings, rows, 16)
moved = np.concatenate([blocks[:, :-shift, :7], blocks[:, shift:, 7:]], axis=2).reshape(-1, 16)
again = NullSpaceAligner(modalities={"wrist": range(7), "hip": range(7, 16)}).fit(moved)
figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True)
for ax, model, data, name in ((axes[0], aligner, X, "before"), (axes[1], again, moved, "after")):
    CorrelationDisplay.from_estimator(model, data, ax=ax, random_state=0)
    ax.set_title(f"{name}: {model.n_components_} components")
print(f"information a row: {aligner.score(X):.2f} before, {again.score(moved):.2f} nats after")

# %%
# Do partners meet?
# -----------------

AlignmentDisplay.from_estimator(again, moved, max_pairs=80, random_state=0)

# %%
# By which columns?
# -----------------

LoadingsDisplay.from_estimator(again, component=0, top=5)
plt.show()

# %%
# :func:`skalign.inspection.report` puts all of this on one page, and says what to do next.
