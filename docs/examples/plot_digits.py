"""
Half a digit tells the other half
=================================

Two halves of an image are two modalities that anyone can look at. Left halves have labels, some
images are seen whole but without a label, and in the end only right halves come in. Two
questions: which digit is it, and what did the missing half look like?
"""

# %%
# One table
# ---------
# 600 labelled left halves, 600 pairs without a label, and the rest to try it on: right halves
# only. A half that a row lacks is NaN.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import CrossModalTransferClassifier, NullSpaceAligner, stack_modalities

images, digit = load_digits().images, load_digits().target
left, right = images[:, :, :4].reshape(-1, 32), images[:, :, 4:].reshape(-1, 32)
X = np.vstack(
    [
        stack_modalities(left[:600], None, widths=(32, 32)),
        stack_modalities(left[600:1200], right[600:1200]),
    ]
)
y = np.concatenate([digit[:600], np.full(600, -1)])
new = stack_modalities(None, right[1200:], widths=(32, 32))

# %%
# Which digit?
# ------------
# The classifier of left halves teaches one of right halves. Beside it stands what the labels of
# the pairs themselves would have given, which nobody has here.

model = CrossModalTransferClassifier(
    make_pipeline(StandardScaler(), LogisticRegression()),
    aligner=NullSpaceAligner(modalities={"left": slice(0, 32), "right": slice(32, 64)}),
    source="left",
    target="right",
).fit(X, y)
labelled = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
labelled.fit(right[600:1200], digit[600:1200])
print(f"skalign, without a label of a right half: {model.score(new, digit[1200:]):.3f}")
ceiling = labelled.score(right[1200:], digit[1200:])
print(f"logistic regression on 600 labels of right halves: {ceiling:.3f}")

# %%
# What did the other half look like?
# ----------------------------------
# The aligner fills in what is absent, and tells how sure it is of every pixel.

imagined, deviation = model.aligner_.impute(new, return_std=True)
shown = [np.flatnonzero(digit[1200:] == d)[1] for d in range(10)]


def whole(left, right):
    """Two halves side by side."""
    return np.hstack([left.reshape(8, 4), right.reshape(8, 4)])


rows = {
    "seen": lambda i: whole(np.full(32, np.nan), right[1200 + i]),
    "left half\nimagined": lambda i: whole(imagined[i, :32], right[1200 + i]),
    "truth": lambda i: whole(left[1200 + i], right[1200 + i]),
    "how unsure": lambda i: whole(deviation[i, :32], np.full(32, np.nan)),
}
fig, axes = plt.subplots(4, 10, figsize=(9, 4))
for line, (name, picture) in zip(axes, rows.items(), strict=True):
    for ax, i in zip(line, shown, strict=True):
        ax.set_facecolor("0.93")
        unsure = name == "how unsure"
        colours, most = ("Oranges", 8) if unsure else ("gray_r", 16)
        ax.imshow(picture(i), cmap=colours, vmin=0, vmax=most)
        ax.set(xticks=[], yticks=[])
        ax.axvline(3.5, color="tab:blue", lw=0.8)
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
fig.suptitle("Left halves, from right halves alone")
plt.show()

# %%
# What to deploy is ``model.target_classifier_``: it takes the 32 pixels of a right half and
# nothing else.

deployed = model.target_classifier_
print((deployed.predict(right[1200:]) == model.predict(new)).all())
