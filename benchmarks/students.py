"""Students of a source classifier: what is written with scikit-learn instead of skalign.

A lesson holds rows of the target, reduced as `transfer_quality.reduced` does, and of its pairs the
class probabilities that the source gives. A student learns from the pairs, sees no label of
theirs, and answers with class probabilities of the test rows. `stress.py` and `recipes.py` use
them.
"""

from collections import namedtuple

import numpy as np
from scipy.special import softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    RandomForestRegressor,
)
from sklearn.kernel_approximation import Nystroem
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.svm import SVC
from synthetic import canonical_variates
from transfer_quality import all_classes, logistic, reduced, soft_logistic, taught

# A split, both modalities reduced; the source's classifier; of the pairs the target's rows, class
# probabilities and decisions of the source; the target's rows to be classified; the power of
# probabilities that calibrates them.
Lesson = namedtuple("Lesson", "split source X soft hard Z power")


def lesson(s, source, power=1.0):
    """What a split teaches, whose X1 is reduced and has been learnt by the source."""
    s = s._replace(X2=reduced(s.X2, s.pairs))
    X1 = s.X1[s.pairs]
    soft, hard = all_classes(source, X1, s.y.max() + 1), source.predict(X1)
    return Lesson(s, source, s.X2[s.pairs], soft, hard, s.X2[s.test], power)


def mean_of(students, task):
    """Mean of the students' class probabilities."""
    return np.mean([student(task) for student in students], axis=0)


# -- of decisions ---------------------------------------------------------------------------------


def of_decisions(build):
    """The student that fits what `build` makes of a lesson to the source's decisions."""

    def student(task):
        model = taught(build(task), task.X, task.hard)
        return all_classes(model, task.Z, task.soft.shape[1])

    return student


def margins(model, Z, n_classes):
    """Class probabilities: softmax of the decision function."""
    if not hasattr(model, "decision_function"):
        return all_classes(model, Z, n_classes)
    scores = model.decision_function(Z)
    if scores.ndim == 1:
        scores = np.column_stack([-scores, scores])
    proba = np.zeros((len(Z), n_classes))
    proba[:, model.classes_] = softmax(scores, axis=1)
    return proba


def svc(task):
    return margins(taught(SVC(), task.X, task.hard), task.Z, task.soft.shape[1])


def self_trained(task):
    """An SVC that is fitted twice more, to its own decisions of the pairs."""
    labels = task.hard
    for _ in range(3):
        model = taught(SVC(), task.X, labels)
        labels = model.predict(task.X)
    return margins(model, task.Z, task.soft.shape[1])


def boosting(task):
    """Fewer rounds where there are many classes, each of which grows a tree."""
    return HistGradientBoostingClassifier(
        learning_rate=0.2,
        max_iter=int(np.clip(600 // task.soft.shape[1], 20, 50)),
        l2_regularization=1.0,
        max_leaf_nodes=8,
        min_samples_leaf=5,
        early_stopping=False,
        random_state=0,
    )


def nystroem(task):
    width = min(300, len(task.X))
    kernel = Nystroem(gamma=1 / task.X.shape[1], n_components=width, random_state=0)
    return make_pipeline(kernel, LogisticRegression(C=10, max_iter=1000))


# -- of class probabilities -----------------------------------------------------------------------


def soft_lr(task):
    """Of many classes, less than a tenth of an even share of a pair is left out, for time."""
    n_classes = task.soft.shape[1]
    if n_classes > 20:
        rows, classes = np.nonzero(task.soft > 0.1 / n_classes)
        model = logistic().fit(task.X[rows], classes, task.soft[rows, classes])
    else:
        model = soft_logistic(task.X, task.soft + 1e-9, np.arange(n_classes))
    return all_classes(model, task.Z, n_classes)


def tempered_lr(task):
    """Class probabilities of the source are calibrated first."""
    soft = np.maximum(task.soft, 1e-12) ** task.power
    return soft_lr(task._replace(soft=soft / soft.sum(axis=1, keepdims=True)))


def of_probabilities(build):
    """The student that regresses class probabilities by what `build` makes of a lesson."""

    def student(task):
        said = np.clip(build(task).fit(task.X, task.soft).predict(task.Z), 1e-6, None)
        return said / said.sum(axis=1, keepdims=True)

    return student


def kernel_ridge(task):
    """RBF kernel; the ridge by mean squared error of held-out probabilities."""
    ridges = {"alpha": [0.03, 0.3, 3.0]}
    return GridSearchCV(KernelRidge(kernel="rbf"), ridges, scoring="neg_mean_squared_error", cv=3)


def trees(forest):
    return of_probabilities(lambda _: forest(100, max_features="sqrt", random_state=0))


# -- of the source's features ---------------------------------------------------------------------


def ridge_map(task):
    """The source's classifier, on its features as the target foretells them."""
    source = RidgeCV(np.logspace(-1, 5, 13)).fit(task.X, task.split.X1[task.split.pairs])
    return all_classes(task.source, source.predict(task.Z), task.soft.shape[1])


def variates(weighted):
    """The source's classifier anew, on canonical variates, times their correlation or not."""

    def student(task):
        s, classes = task.split, task.soft.shape[1]
        k = min(max(2 * (classes - 1), 10), 40, s.X1.shape[1], s.X2.shape[1])
        Z1, Z2 = canonical_variates(s.X1, s.X2, s.pairs, k)
        rho = np.mean(Z1[s.pairs] * Z2[s.pairs], axis=0) if weighted else 1.0
        model = logistic().fit((Z1 * rho)[s.labelled], s.y[s.labelled])
        return all_classes(model, (Z2 * rho)[s.test], classes)

    return student


# -- who is there ---------------------------------------------------------------------------------

STUDENTS = {
    "soft LR": soft_lr,
    "tempered LR": tempered_lr,
    "SVC": svc,
    "boosting": of_decisions(boosting),
    "random forest": trees(RandomForestRegressor),
    "extra trees": trees(ExtraTreesRegressor),
    "kernel ridge": of_probabilities(kernel_ridge),
    "ridge map": ridge_map,
    "CCA": variates(weighted=False),
    "CSA": variates(weighted=True),
    "MLP": of_decisions(lambda _: MLPClassifier((64,), alpha=0.01, max_iter=200, random_state=0)),
    "self-trained": self_trained,
    "neighbours": of_probabilities(lambda task: KNeighborsRegressor(min(10, len(task.X)))),
    "Nystroem LR": of_decisions(nystroem),
    "LDA": of_decisions(lambda _: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")),
}
RECIPES = [name for name in STUDENTS if name != "LDA"]
SIX = ["soft LR", "SVC", "kernel ridge", "extra trees", "LDA", "neighbours"]

# -- the six of stress.py, mostly of decisions ----------------------------------------------------


SIX_OF_STRESS = [
    soft_lr,
    of_decisions(lambda _: SVC()),
    of_decisions(lambda _: ExtraTreesClassifier(200, random_state=0)),
    of_decisions(lambda task: KNeighborsClassifier(min(10, len(task.X)))),
    of_decisions(lambda _: make_pipeline(Normalizer(), logistic())),
    of_probabilities(lambda _: Ridge(10.0)),
]
