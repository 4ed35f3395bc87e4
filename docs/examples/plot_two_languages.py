"""
The same article in two languages
=================================

Articles exist in two languages, without a dictionary. A few hundred are translations of each
other. Which article is the translation of which, among those that nobody has paired? And if
articles of one language are sorted into subjects, what is the subject of an article in the
other?

Word counts are simulated: an article is about a few topics, and each language has its own words
for these.
"""

# %%
# Counts of words
# ---------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skalign import (
    CrossModalRetriever,
    CrossModalTransferClassifier,
    NullSpaceAligner,
    stack_modalities,
)

rng = np.random.default_rng(0)
n, n_topics = 1500, 12
subject = rng.integers(5, size=n)
favourites = rng.dirichlet(np.full(n_topics, 0.3), size=5)
about = np.array([rng.dirichlet(0.1 + 6 * favourites[s]) for s in subject])


def write(n_words, length):
    """Word counts: each topic prefers some words of the language."""
    words = rng.dirichlet(np.full(n_words, 0.05), size=n_topics)
    return rng.poisson(length * about @ words)


english, finnish = write(800, 120), write(1100, 90)
print(
    f"{english.shape[1]} and {finnish.shape[1]} words, {np.mean(english == 0):.0%} of counts zero"
)

# %%
# Fewer columns
# -------------
# Counts are many, and nearly all are zero. Square roots and a truncated SVD, fitted to each
# language on its own, make 30 columns of them. No pair is needed for that.


def embed(counts):
    """Thirty columns for a language."""
    steps = FunctionTransformer(np.sqrt), TruncatedSVD(30, random_state=0)
    return make_pipeline(*steps).fit_transform(counts)


E, F = embed(english), embed(finnish)
pairs, new = slice(0, 500), slice(500, n)

# %%
# Which is the translation?
# -------------------------
# 500 articles are paired. Of the other 1000, each English one looks for its translation among all
# 1000 Finnish ones.

aligner = NullSpaceAligner(modalities={"english": slice(0, 30), "finnish": slice(30, 60)})
X = stack_modalities(E, F)
retriever = CrossModalRetriever(aligner, query="english", gallery="finnish").fit(X[pairs])
searched = retriever.with_gallery(X[new])
ranks = {}
for n_pairs in (50, 100, 500):
    found = CrossModalRetriever(aligner, query="english", gallery="finnish").fit(X[:n_pairs])
    order = found.with_gallery(X[new]).kneighbors(X[new], n_neighbors=1000, return_distance=False)
    ranks[n_pairs] = 1 + np.argmax(order == np.arange(1000)[:, None], axis=1)
    first, middle = np.mean(ranks[n_pairs] == 1), np.median(ranks[n_pairs])
    print(f"{n_pairs} pairs: first in {first:.2f} of cases, median rank {middle:.0f} of 1000")

# %%
# What is it about?
# -----------------
# 500 other English articles have a subject. The Finnish classifier learns from these through the
# pairs.

table = np.vstack([X[pairs], stack_modalities(E[500:1000], None, widths=(30, 30))])
y = np.append(np.full(500, -1), subject[500:1000])
model = CrossModalTransferClassifier(aligner=aligner, source="english", target="finnish")
model.fit(table, y)
of_finnish = model.target_classifier_.score(F[1000:], subject[1000:])
print(f"subjects of Finnish articles: {of_finnish:.2f} right, by chance {1 / 5:.2f}")

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
k = np.arange(1, 51)
for n_pairs, rank in ranks.items():
    left.plot(k, (rank[:, None] <= k).mean(axis=0), label=f"{n_pairs} pairs")
left.plot(k, k / 1000, "k:", label="chance")
left.set(
    xlabel="articles that one is willing to read", ylabel="translation among them", ylim=(0, 1.02),
    xlim=(0, 50),
)  # fmt: skip
left.legend(frameon=False)
order = np.argsort(subject[new])[::4]
distances, columns = searched.kneighbors(X[new][order], n_neighbors=30)
picture = np.zeros((len(order), len(order)))
place = np.full(1000, -1)
place[order] = np.arange(len(order))
for i, found in enumerate(columns):
    inside = place[found]
    picture[i, inside[inside >= 0]] = 1
right.imshow(picture, cmap="Blues", interpolation="nearest", aspect="auto")
right.set(
    xlabel="Finnish articles, by subject", ylabel="English articles, by subject",
    title="the 30 nearest of each", xticks=[], yticks=[],
)  # fmt: skip
plt.show()
