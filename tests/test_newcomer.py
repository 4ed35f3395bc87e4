"""A newcomer's path, in an environment that has the package and nothing of the repository.

Two csv files are joined on their keys, a grid search with subjects kept together finds a model,
and what is deployed predicts from raw columns in another process.
"""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import skalign

FILES = """
import numpy as np
import pandas as pd
from skalign.datasets import make_paired_gaussians

data = make_paired_gaussians(
    480, n_features=(4, 5), n_latent=3, n_classes=3, noise=0.5, random_state=0
)
rows = np.arange(480)
names = [f"acc_{j}" for j in range(4)] + [f"gyr_{j}" for j in range(5)]
frame = pd.DataFrame(data.X, columns=names)
frame.insert(0, "window", rows)
frame.insert(1, "subject", [f"s{j}" for j in rows // 40])
frame.insert(2, "when", pd.Timestamp("2026-01-01") + pd.to_timedelta(rows, unit="s"))
label = pd.Series(data.y).map({0: "walk", 1: "sit", 2: "run"})
accelerometer = frame.drop(columns=[c for c in frame if c.startswith("gyr")])
accelerometer["label"] = label.where((rows % 3 != 1) & (rows % 4 != 3))
gyroscope = frame.drop(columns=[c for c in frame if c.startswith("acc")] + ["subject", "when"])
accelerometer[rows % 5 != 0].to_csv("accelerometer.csv", index=False)
gyroscope[rows % 6 != 0].to_csv("gyroscope.csv", index=False)
"""

LEARN = """
import json
import warnings

import joblib
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.model_selection import TransferSplit

warnings.simplefilter("error")
both = pd.merge(
    pd.read_csv("accelerometer.csv", parse_dates=["when"]), pd.read_csv("gyroscope.csv"),
    on="window", how="outer",
)
both["subject"] = "s" + (both["window"] // 40).astype(str)
modalities = {
    "accelerometer": [c for c in both if c.startswith("acc")],
    "gyroscope": [c for c in both if c.startswith("gyr")],
}
model = CrossModalTransferClassifier(
    make_pipeline(StandardScaler(), LogisticRegression()),
    aligner=NullSpaceAligner(modalities=modalities),
    source="accelerometer",
    target="gyroscope",
)
search = GridSearchCV(
    model,
    {"estimator__logisticregression__C": [0.1, 1.0]},
    cv=TransferSplit(GroupKFold(4), modalities=modalities, target="gyroscope"),
).fit(both.drop(columns="label"), both["label"], groups=both["subject"])
deployed = search.best_estimator_.target_classifier_
joblib.dump(deployed, "gyroscope.joblib")
raw = pd.read_csv("gyroscope.csv")[modalities["gyroscope"]]
print(json.dumps([search.best_score_, deployed.predict(raw).tolist()]))
"""

DEPLOY = """
import json

import joblib
import pandas as pd

deployed = joblib.load("gyroscope.joblib")
raw = pd.read_csv("gyroscope.csv")[list(deployed.feature_names_in_)]
print(json.dumps(deployed.predict(raw).tolist()))
"""


def test_two_files_to_a_deployed_model(tmp_path):
    """From csv files to the same predictions in another process, with no warning on the way."""
    venv.create(tmp_path / "clean")
    folder = "Scripts" if os.name == "nt" else "bin"
    site = [path for path in sys.path if path.endswith("site-packages")]
    shutil.copytree(Path(skalign.__file__).parent, tmp_path / "installed" / "skalign")

    def run(code):
        done = subprocess.run(
            [str(tmp_path / "clean" / folder / "python"), "-c", code],
            cwd=tmp_path,
            env={
                "PYTHONPATH": os.pathsep.join([str(tmp_path / "installed"), *site]),
                "OMP_NUM_THREADS": "1",
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(FILES)
    score, predicted = json.loads(run(LEARN))
    assert score > 0.8
    assert json.loads(run(DEPLOY)) == predicted
    assert set(predicted) == {"walk", "sit", "run"}
