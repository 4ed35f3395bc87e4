"""Contrastive alignment by gradient descent, tuned on pairs held out. Needs PyTorch.

Two encoders, linear or of one hidden layer, map standardized modalities to the unit sphere. The
loss is the symmetric InfoNCE (van den Oord et al. 2018; Radford et al. 2021): the mean
cross-entropy of finding each partner in the batch by cosines over a temperature, in both
directions. The optimizer is AdamW. Settings are compared by the mean reciprocal rank of pairs held
out, the number of epochs is that of the lowest loss on them, and the encoders are trained anew on
all pairs with what was chosen.
"""

import itertools
import time
from collections import namedtuple

import numpy as np
import torch
from torch.nn.functional import cross_entropy, normalize

from skalign.metrics import mean_reciprocal_rank

KINDS = ("linear", "MLP")
HIDDEN = 128
WIDTH = 40  # of the encodings, or of the narrower modality
BATCH = 256
MOST_EPOCHS = 300
PATIENCE = 25  # epochs without a lower loss on pairs held out, by
LEAST = 1e-3  # nats
GRID = {
    "learning_rate": (3e-3, 1e-2),
    "temperature": (0.1, 0.2, 0.4, 0.8),
    "weight_decay": (1e-2, 1.0, 10.0, 30.0),
}
Setting = namedtuple("Setting", list(GRID))
Tuned = namedtuple("Tuned", "setting epochs losses reciprocal_rank")


def encoder(kind, d, width):
    if kind == "linear":
        return torch.nn.Linear(d, width)
    layers = torch.nn.Linear(d, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, width)
    return torch.nn.Sequential(*layers)


def info_nce(encoders, blocks, temperature):
    """Symmetric InfoNCE of a batch."""
    z1, z2 = (normalize(f(x)) for f, x in zip(encoders, blocks, strict=True))
    scores, partner = z1 @ z2.T / temperature, torch.arange(len(z1))
    return (cross_entropy(scores, partner) + cross_entropy(scores.T, partner)) / 2


def tensors(*blocks):
    return [torch.as_tensor(X, dtype=torch.float32) for X in blocks]


def descend(kind, blocks, setting, epochs, seed):
    """Yield the encoders after every epoch."""
    torch.manual_seed(seed)
    blocks = tensors(*blocks)
    width = min(WIDTH, *(X.shape[1] for X in blocks))
    encoders = torch.nn.ModuleList([encoder(kind, X.shape[1], width) for X in blocks])
    rates = {"lr": setting.learning_rate, "weight_decay": setting.weight_decay}
    optimizer = torch.optim.AdamW(encoders.parameters(), **rates)
    n = len(blocks[0])
    size = int(np.ceil(n / np.ceil(n / BATCH)))  # batches of one size, to a row
    for _ in range(epochs):
        for rows in torch.randperm(n).split(size):
            optimizer.zero_grad()
            info_nce(encoders, [X[rows] for X in blocks], setting.temperature).backward()
            optimizer.step()
        yield encoders


def encoded(f, X):
    """Points of the unit sphere."""
    with torch.no_grad():
        return normalize(f(torch.as_tensor(X, dtype=torch.float32))).numpy().astype(float)


def train(kind, blocks, held_out, setting, seed):
    """Epochs to the lowest loss on pairs held out, all losses, and the rank of partners then."""
    losses, lowest, held_out = [], np.inf, tensors(*held_out)
    for encoders in descend(kind, blocks, setting, MOST_EPOCHS, seed):
        with torch.no_grad():
            losses.append(float(info_nce(encoders, held_out, setting.temperature)))
        if losses[-1] < lowest - LEAST:
            lowest, epochs = losses[-1], len(losses)
            z1, z2 = (encoded(f, X) for f, X in zip(encoders, held_out, strict=True))
        elif len(losses) - epochs == PATIENCE:
            break
    rank = mean_reciprocal_rank(z1 @ z2.T) + mean_reciprocal_rank(z2 @ z1.T)
    return Tuned(setting, epochs, losses, rank / 2)


def tune(kind, blocks, held_out, seed):
    """The best setting of the grid."""
    settings = itertools.starmap(Setting, itertools.product(*GRID.values()))
    tried = [train(kind, blocks, held_out, setting, seed) for setting in settings]
    return max(tried, key=lambda tuned: tuned.reciprocal_rank)


def learn(kind, X1, X2, fold, seed):
    """Encoders of all pairs, how they were tuned, and seconds of both.

    `fold` has rows to try settings on and rows held out.
    """
    train, held_out = fold
    start = time.perf_counter()
    tuned = tune(kind, (X1[train], X2[train]), (X1[held_out], X2[held_out]), seed)
    middle = time.perf_counter()
    *_, encoders = descend(kind, (X1, X2), tuned.setting, tuned.epochs, seed)
    end = time.perf_counter()
    functions = [lambda X, f=f: encoded(f, X) for f in encoders]
    return functions, tuned, middle - start, end - middle
