"""
A new sensor, without labelling again
=====================================

A watch has been recognizing what people do, and its recordings are labelled. Now there is a
phone in the pocket. A few people wear both for a while, without writing down what they do. The
phone learns from the watch, and is judged on people whom it has never seen.

The recordings are simulated: each person moves in a way of their own, and each sensor is
strapped on a little differently.
"""

# %%
# Windows of movement
# -------------------
# A row is a window of a few seconds, summed up by mean energies in frequency bands. Twelve
# people, four activities.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.model_selection import TransferSplit

rng = np.random.default_rng(0)
activities = np.array(["sit", "walk", "run", "cycle"])
n_people, n_windows = 12, 80
person = np.repeat(np.arange(n_people), n_windows)
n = len(person)
activity = rng.integers(4, size=n)
movement = rng.normal(size=(4, 6))[activity] * 1.2  # what the activity looks like
movement += 0.5 * rng.normal(size=(n_people, 6))[person]  # a gait of one's own
movement += 0.5 * rng.normal(size=movement.shape)  # and never twice the same


def record(width, noise):
    """A sensor: bands that mix the movement, saturate, and are strapped on anew by each person."""
    mix, strap = rng.normal(size=(6, width)), 0.3 * rng.normal(size=(n_people, width))
    return np.tanh(movement @ mix / 3) + strap[person] + noise * rng.normal(size=(n, width))


watch, phone = record(12, 0.7), record(16, 0.7)

# %%
# Who has what
# ------------
# Persons 0 to 3 wore the watch only, and their activities are known. Persons 4 to 7 wore both,
# and wrote nothing down. Persons 8 to 11 are there to judge: they have the phone, and labels that
# are used for nothing else.

X = np.hstack([watch, phone])
X[person < 4, 12:] = np.nan
X[person >= 8, :12] = np.nan
y = np.where((person >= 4) & (person < 8), None, activities[activity])

modalities = {"watch": slice(0, 12), "phone": slice(12, 28)}
model = CrossModalTransferClassifier(
    make_pipeline(StandardScaler(), LogisticRegression()),
    aligner=NullSpaceAligner(modalities=modalities),
    source="watch",
    target="phone",
    target_labels="none",  # labels of the phone are for judging
)

# %%
# Judged by person
# ----------------
# ``TransferSplit`` around ``LeaveOneGroupOut`` tests one person at a time. Beside the transfer
# stand what one would write otherwise, a classifier of the watch's decisions, and one that was
# given the labels of the pairs.

by_person = TransferSplit(LeaveOneGroupOut(), modalities=modalities, target="phone")
scores = {"skalign": cross_val_score(model, X, y, groups=person, cv=by_person)}

pairs, known = (person >= 4) & (person < 8), person < 4
of_watch = make_pipeline(StandardScaler(), LogisticRegression()).fit(watch[known], y[known])
for name, labels in {
    "the watch's decisions": of_watch.predict(watch[pairs]),
    "true labels (nobody has them)": activities[activity][pairs],
}.items():
    student = make_pipeline(StandardScaler(), LogisticRegression()).fit(phone[pairs], labels)
    scores[name] = [student.score(phone[person == p], y[person == p]) for p in range(8, 12)]
for name, score in scores.items():
    print(f"{name:30} {np.mean(score):.3f}")

# %%
# The transfer is level with a classifier of the watch's decisions here, where both sensors are
# simple views of one movement. On real data, and where pairs are few, the two part:
# :doc:`/transfer_results`.

# %%
# The space that both share
# -------------------------
# On the right each window of a pair stands twice: where the watch sees it, and where the phone
# does.

fitted = model.fit(X, y)
by_watch, by_phone = (
    encoder.transform(block[pairs])
    for encoder, block in zip(fitted.aligner_.encoders_, (watch, phone), strict=True)
)
fig, (left, middle) = plt.subplots(1, 2, figsize=(10, 4), width_ratios=[1, 1.1])
width = 0.26
for k, (name, score) in enumerate(scores.items()):
    colour = ["C0", "0.7", "0.4"][k]
    left.bar(np.arange(4) + (k - 1) * width, score, width, label=name, color=colour)
left.axhline(0.25, color="k", lw=0.8, ls=":")
left.text(3.4, 0.26, "chance", ha="right", fontsize=9)
left.set(
    xticks=range(4), xticklabels=[f"person {p}" for p in range(8, 12)], ylim=(0, 1.25),
    ylabel="accuracy of the phone",
)  # fmt: skip
left.legend(loc="upper center", fontsize=9, frameon=False)
for k, name in enumerate(activities):
    some = np.flatnonzero(activity[pairs] == k)[:40]
    joined = np.stack([by_watch[some], by_phone[some]])
    middle.plot(joined[..., 0], joined[..., 1], f"C{k}", lw=0.4)
    middle.scatter(*by_watch[some, :2].T, color=f"C{k}", s=22, label=name)
    middle.scatter(*by_phone[some, :2].T, color=f"C{k}", s=22, marker="^")
middle.set(xlabel="first shared dimension", ylabel="second", title="● watch   ▲ phone")
middle.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
plt.show()
