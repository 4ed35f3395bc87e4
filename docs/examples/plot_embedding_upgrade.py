"""
A new encoder for an old index
==============================

An index holds a million embeddings by an encoder that is no longer the best. Vectors of two
encoders cannot be compared, and to embed everything again is dear. How many texts must be
embedded by both, so that queries of the new encoder find what they look for in the old index?

The encoders are simulated: each is a nonlinear function of what a text is about, with noise of
its own. The same story, with more ways to use the result, is told in :doc:`/embedding_upgrade`.
"""

# %%
# Two encoders
# ------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import normalize

from skalign import NullSpaceAligner, stack_modalities

rng = np.random.default_rng(0)


def encoder(width):
    """A function from what a text is about to a vector of length one."""
    mix = rng.normal(size=(32, width)) / np.sqrt(32)

    def encode(topics):
        return normalize(np.tanh(topics @ mix) + 0.3 * rng.normal(size=(len(topics), width)))

    return encode


spread = np.linspace(2, 0.3, 32)
texts = spread * rng.normal(size=(5_000, 32))
asked = rng.permutation(4_000)[:500]
queries = texts[asked] + 0.5 * spread * rng.normal(size=(500, 32))
encode_a, encode_b = encoder(96), encoder(128)
index = encode_a(texts)  # what is there
queries_a, queries_b = encode_a(queries), encode_b(queries)
both = stack_modalities(index[4_000:], encode_b(texts[4_000:]))  # 1000 texts by both

# %%
# From the new vectors to the old ones
# ------------------------------------
# ``impute`` gives the vector of the old encoder that a vector of the new one leads one to expect.
# The index is not touched.


def recall(queries):
    """How often the text that was asked for is among the first ten, by cosine."""
    similarity = normalize(queries) @ index[:4_000].T
    first = np.argsort(-similarity, axis=1)[:, :10]
    return np.mean((first == asked[:, None]).any(axis=1))


numbers = [20, 40, 80, 160, 320, 640, 1000]
found = []
for n in numbers:
    aligner = NullSpaceAligner(None, modalities=[96, 128]).fit(both[:n])
    translated = aligner.impute(stack_modalities(None, queries_b, widths=(96, 128)))[:, :96]
    found.append(recall(translated))
    print(f"{n:5d} texts by both: {found[-1]:.2f}")
print(f"the old encoder on its own index: {recall(queries_a):.2f}")

fig, ax = plt.subplots(figsize=(7, 4))
ax.semilogx(numbers, found, "o-", label="new encoder, translated")
ax.axhline(recall(queries_a), color="k", ls=":", label="old encoder")
ax.axhline(recall(queries_b[:, :96]), color="0.6", ls="--", label="new encoder, not translated")
ax.set(
    xlabel="texts that were embedded by both", ylabel="right text among the first ten",
    ylim=(-0.02, 1.05), xticks=numbers, xticklabels=numbers,
)  # fmt: skip
ax.minorticks_off()
ax.legend(frameon=False, loc="center right")
plt.show()
