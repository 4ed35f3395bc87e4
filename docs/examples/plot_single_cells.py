"""
Cell types, from proteins to genes
==================================

Two instruments look at single cells: one counts proteins on their surface, by which experts tell
cell types; the other counts messages of genes. Some cells went through both. Can the types be
told in a sample of which only genes were counted?

The counts are simulated: a cell has a type and a state, both show in proteins and in genes, and
genes are counted shallowly, so that most counts are zero.
"""

# %%
# Counts of proteins and of genes
# -------------------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay

from skalign import CrossModalTransferClassifier, NullSpaceAligner, stack_modalities

rng = np.random.default_rng(3)
types = np.array(["B", "T helper", "T killer", "NK", "monocyte"])
n = 1500
cell_type = rng.choice(5, p=[0.2, 0.3, 0.2, 0.1, 0.2], size=n)
centres = rng.normal(size=(5, 8))
centres[2] = centres[1] + 0.35 * rng.normal(size=8)  # both kinds of T cells are much alike
state = centres[cell_type] + 0.45 * rng.normal(size=(n, 8))


def count(n_columns, depth, clear):
    """Counts whose logarithms follow the state; every cell is counted to a depth of its own."""
    effect, usual = rng.normal(size=(8, n_columns)) / np.sqrt(8), rng.normal(size=n_columns)
    share = np.exp(clear * state @ effect + usual)
    share /= share.sum(axis=1, keepdims=True)
    return rng.poisson(depth * rng.lognormal(0, 0.3, size=(n, 1)) * share)


def normalized(counts):
    """Logarithms of shares, as usual for such counts."""
    return np.log1p(1000 * counts / counts.sum(axis=1, keepdims=True))


proteins, genes = count(25, 2000, 1.2), count(120, 100, 1.0)
print(f"{np.mean(genes == 0):.0%} of the gene counts are zero")
P, G = normalized(proteins), normalized(genes)

# %%
# One table
# ---------
# 400 cells with proteins and a type, 600 with both and without a type, 500 with genes only.

X = np.vstack(
    [
        stack_modalities(P[:400], None, widths=(25, 120)),
        stack_modalities(P[400:1000], G[400:1000]),
        stack_modalities(None, G[1000:], widths=(25, 120)),
    ]
)
y = np.full(n, None)
y[:400] = types[cell_type[:400]]

model = CrossModalTransferClassifier(
    LogisticRegression(max_iter=1000),
    aligner=NullSpaceAligner(modalities={"proteins": slice(0, 25), "genes": slice(25, 145)}),
    source="proteins",
    target="genes",
).fit(X, y)
truth = types[cell_type[1000:]]
print(f"types of cells by genes alone: {model.score(X[1000:], truth):.3f} right")
print(f"dimensions that both instruments share: {model.aligner_.n_components_}")

# %%
# What they share, and what is confused
# -------------------------------------
# On the left, cells seen by proteins (dots) and other cells seen by genes (crosses) lie in one
# space: types find each other, though no cell is in both sets. On the right, what the genes
# decide about cells whose type is known.

fig, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.4), width_ratios=[1.15, 1])
by_proteins, by_genes = (
    encoder.transform(block)
    for encoder, block in zip(model.aligner_.encoders_, (P[:400], G[1000:1400]), strict=True)
)
for k, name in enumerate(types):
    seen, unseen = cell_type[:400] == k, cell_type[1000:1400] == k
    left.scatter(*by_proteins[seen, :2].T, s=12, color=f"C{k}", alpha=0.6, label=name)
    left.scatter(*by_genes[unseen, :2].T, s=22, color=f"C{k}", marker="x", lw=1, alpha=0.8)
left.set(xlabel="first shared dimension", ylabel="second", title="● by proteins   × by genes")
left.legend(frameon=False, fontsize=9)
ConfusionMatrixDisplay.from_predictions(
    truth, model.predict(X[1000:]), normalize="true", values_format=".2f", cmap="Blues",
    xticks_rotation=30, ax=right, colorbar=False,
)  # fmt: skip
right.set(xlabel="decided by genes", ylabel="true type")
plt.show()
