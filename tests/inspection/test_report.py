"""The report says what the numbers say, on a page that needs nothing else."""

import re
import shutil
import subprocess
from html import escape
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

from skalign import BlockImputer, CrossModalTransferClassifier, NullSpaceAligner
from skalign.datasets import make_paired_gaussians
from skalign.inspection import report
from skalign.inspection._advice import advice, percent

VOID = {"meta", "img", "br"}
NAMES = {'<video> & "sound"': range(5), "a_very_long_name_of_a_modality_" * 3: range(5, 13)}


class Page(HTMLParser):
    """Tags, attributes and text of a page; errors where tags do not close."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def world(n=360, **options):
    """Paired rows, labels."""
    options = {"n_features": (5, 8), "n_latent": 3, "n_classes": 3, "noise": 0.5} | options
    data = make_paired_gaussians(n, random_state=0, **options)
    return data.X, data.y


def told(X, y=None, modalities=(5, 8), **options):
    """The report of an aligner."""
    aligner = NullSpaceAligner(2, modalities=modalities).fit(X)
    return report(aligner, X, y, n_permutations=5, random_state=0, **options)


@pytest.fixture(scope="module")
def of_transfer():
    """The report of a transfer, with names that could break a page."""
    X, y = world()
    Z, known = X.copy(), np.where(np.arange(360) < 120, y, -1)
    Z[:120, 5:] = np.nan
    labels = np.array(["<b>one</b>", "two & three", "four"], dtype=object)[y]
    labels[known < 0] = None
    model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=NAMES))
    frame = pd.DataFrame(Z, columns=[f"<i>{j}</i>" for j in range(13)])
    options = {"n_permutations": 5, "random_state": 0, "ordered": True, "lags": 3}
    return report(model.fit(frame, labels), frame, labels, **options)


def test_page(of_transfer):
    """Well-formed, self-contained, without scripts; names are text."""
    page = Page(of_transfer.html)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("h1") == 1 and tags.count("h2") == 4 and tags.count("figure") >= 6
    assert not {"script", "link", "iframe", "i"} & set(tags)
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "href"]
        if tag == "img":
            assert attributes["src"].startswith("data:image/svg+xml;base64,")
            assert attributes["alt"]
    bare = re.sub(r"data:image/svg\+xml;base64,[\w+/=]+", "", of_transfer.html)
    assert "http" not in bare and "url(" not in bare and "@import" not in bare
    text = " ".join(page.text)
    assert "<b>one</b>" in text and '<video> & "sound"' in text and "$" not in text
    assert "nan" not in text.lower().split()
    for sentence in of_transfer.advice:
        assert escape(sentence) in of_transfer.html


def test_numbers(of_transfer):
    """Bounds, shares and agreement are those of the model."""
    target, pairs = of_transfer.findings.target, of_transfer.findings.pairs
    assert target.lower <= target.estimate <= target.upper and target.why_not == ""
    assert f"between {percent(target.lower)} and {percent(target.upper)}" in of_transfer.html
    np.testing.assert_allclose(target.labelled.sum(), 1)
    np.testing.assert_allclose(target.predicted.sum(), 1)
    assert pairs.patterns == [([True, True], 240), ([True, False], 120)]
    assert pairs.n_complete == 240 and not pairs.is_chance
    assert [lag.best_lag_ for lag in of_transfer.findings.lags] == [0]


def test_same_page_again():
    """By the same seed, whatever the style of other figures; which stays."""
    from matplotlib import rc_context, rcParams

    X, y = world()
    first = told(X, y).html
    with rc_context({"figure.facecolor": "black", "font.size": 30}):
        assert told(X, y).html == first
        assert rcParams["font.size"] == 30


def test_quiet_and_reproducible(capsys):
    """Fits say nothing, whatever the model does; the null law of three modalities has a seed."""
    X, y = world(240)
    model = CrossModalTransferClassifier(
        aligner=NullSpaceAligner(2, modalities=[5, 4, 4], verbose=True), verbose=True
    ).fit(X, np.where(np.arange(240) < 120, y, -1))
    capsys.readouterr()
    options = {"n_permutations": 2, "random_state": 0}
    first, again = (report(model, X, y, **options).html for _ in range(2))
    assert first == again and capsys.readouterr().out == ""


def test_notebook_and_file(tmp_path):
    """A notebook shows the page in a frame of its own; a file holds it."""
    found = told(world()[0])
    frame = Page(found._repr_html_())
    assert frame.tags[0][0] == "iframe" and frame.tags[0][1]["srcdoc"] == found.html
    path = found.save(tmp_path / "report.html")
    assert path.read_text(encoding="utf-8") == found.html
    assert "advice" in repr(found)


def test_model_card(of_transfer, tmp_path):
    """All sentences of the page, and all numbers of its tables, as Markdown without tags."""
    card = of_transfer.model_card()
    assert of_transfer.save(tmp_path / "card.md").read_text(encoding="utf-8") == card
    for sentence in of_transfer.advice:
        assert f"- {escape(sentence, quote=False)}\n" in card
    prose = re.sub(r"```.*?```", "", card, flags=re.DOTALL)
    assert not re.search(r"<\w", prose) and "&lt;video&gt;" in prose and "&lt;b&gt;one" in prose
    assert "CrossModalTransferClassifier(aligner=" in card
    page = Page(of_transfer.html)
    cells = [len(line.split(" | ")) for line in card.splitlines() if line.startswith("| ")]
    assert sum(cells) == sum(tag in ("td", "th") for tag, _ in page.tags) + 4 + 5 + 4  # rules
    for sentence in re.findall(r"<p>(.*?)</p>", of_transfer.html):
        assert sentence.replace("&#x27;", "'").replace("&quot;", '"') in card


def test_model_card_of_an_aligner_in_one_of_skops():
    """Without a target; it may be a section of a larger card."""
    found = told(world()[0])
    card = found.model_card()
    assert "## Evaluation" not in card and "## Pairs" in card
    cards = pytest.importorskip("skops.card")
    whole = cards.Card(NullSpaceAligner()).add(**{"What the pairs say": card}).render()
    assert found.advice[0] in whole


def test_strangers_are_told():
    """Pairs that are none share nothing."""
    rng = np.random.default_rng(0)
    X = world()[0]
    X[:, 5:] = X[rng.permutation(360), 5:]
    found = told(X)
    assert found.findings.pairs.is_chance and found.findings.pairs.n_shared == 0
    assert found.advice[0].startswith("The pairs share nothing beyond chance.")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3])
def test_mixed_up_pairs_are_counted(share):
    """About as many as there are, or none; the least likely ones are of these."""
    X = world(1000)[0]
    wrong = np.random.default_rng(0).permutation(1000)[: int(1000 * share)]
    X[wrong, 5:] = X[np.roll(wrong, 1), 5:]
    found = told(X)
    pairs = found.findings.pairs
    assert abs(pairs.mixed - share) < 0.05
    said = [sentence for sentence in found.advice if "look mixed up" in sentence]
    assert len(said) == (share > 0.2)
    if share:
        assert set(pairs.least_likely) <= set(wrong.tolist())


def test_weak_pairs_are_not_mixed_up():
    """They look so, as often as the model says, and nobody is sent to look."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 4))
    X[:, 2:] = 0.5 * X[:, :2] + rng.normal(size=(3000, 2))
    found = told(X, modalities=[2, 2])
    pairs = found.findings.pairs
    assert pairs.mixed > 0.3 and abs(pairs.mixed - pairs.mixed_expected) < 0.06
    assert not [said for said in found.advice if "look mixed up" in said]


@pytest.mark.parametrize("lag", [-2, 0, 4])
def test_lag_is_told(lag):
    """Which way to shift, or nothing."""
    X = np.random.default_rng(0).permutation(world(500)[0])
    X = np.hstack([X[:, :5], np.roll(X[:, 5:], lag, axis=0)])
    found = told(X, ordered=True, lags=5)
    said = [sentence for sentence in found.advice if "shift it by" in sentence]
    assert len(said) == (lag != 0)
    if lag:
        assert f"shift it by {-lag:+d}" in said[0] and ("late" in said[0]) == (lag > 0)


def test_lag_between_rows_is_told():
    """Where two lags share alike, and far more than lag 0."""
    X = np.random.default_rng(0).permutation(world(600)[0])
    late = np.vstack([np.roll(X[:300, 5:], 3, axis=0), np.roll(X[300:, 5:], 4, axis=0)])
    found = told(np.hstack([X[:, :5], late]), groups=np.arange(600) // 30, lags=6)
    assert found.findings.lags[0].margin_ < 2
    assert any("seconds before the tables are joined" in said for said in found.advice)
    rng = np.random.default_rng(0)
    found = told(rng.normal(size=(600, 13)), ordered=True, lags=6)
    assert any("features of shorter windows" in said for said in found.advice)


def test_lag_at_the_end_is_told():
    """Of those that were tried; none is without order."""
    X = np.random.default_rng(0).permutation(world(500)[0])
    X = np.hstack([X[:, :5], np.roll(X[:, 5:], 2, axis=0)])
    assert any("at the end" in said for said in told(X, ordered=True, lags=[0, 2]).advice)
    assert told(X).findings.lags == []


def test_copied_columns_are_told():
    """Exact components, by the names of what carries them."""
    X = world()[0]
    X[:, 12] = X[:, 0]
    found = told(X)
    assert any("exactly the same" in s and "'column 7'" in s for s in found.advice)


def test_refusal_is_told():
    """A transfer whose pairs share nothing; and why there are no bounds."""
    X, y = world()
    X[:, 5:] = np.random.default_rng(0).normal(size=(360, 8))
    known = np.where(np.arange(360) < 6, y, -1)
    model = CrossModalTransferClassifier(aligner=NullSpaceAligner(2, modalities=[5, 8]))
    with pytest.warns(UserWarning, match="share nothing"):
        model.fit(X, known)
    found = report(model, X, y=None, n_permutations=3, random_state=0)
    assert found.findings.target.refused and "no labels y" in found.html
    assert any("class prior is predicted" in sentence for sentence in found.advice)


def test_three_modalities_and_missing_rows():
    """A lag for each modality beside the first; patterns are counted; few pairs are said."""
    X = world(120)[0]
    X[:20, 9:], X[20:25, :5] = np.nan, np.nan
    found = told(X, modalities=[5, 4, 4], groups=np.repeat([1, 2, 3, 4, 5, 6], 20), lags=2)
    assert len(found.findings.lags) == 2
    groups = np.repeat(["a", "b", "c", "d", "e", "f"], 20)
    assert told(X, modalities=[5, 4, 4], groups=groups, ordered=False).findings.lags == []
    assert sum(n for _, n in found.findings.pairs.patterns) == 120
    few = told(X[25:45], modalities=[5, 4, 4], n_folds=6)
    assert any("More pairs will help most" in sentence for sentence in few.advice)
    assert "too few pairs to hold some out" in few.html


def test_no_row_has_everything():
    """Links align modalities, and there are no partners to draw."""
    X = make_paired_gaussians(300, n_features=(5, 6, 4), noise=0.3, random_state=0).X
    for m, columns in enumerate((slice(0, 5), slice(5, 11), slice(11, 15))):
        X[m * 100 : (m + 1) * 100, columns] = np.nan
    found = told(X, modalities=[5, 6, 4])
    assert found.findings.pairs.n_complete == 0 and not found.findings.pairs.is_chance
    assert "Partners" not in found.html and "too few pairs to hold some out" in found.html


def test_single_precision_is_as_exact():
    """Exact components of float32 rows are those of the fit."""
    X = make_paired_gaussians(200, n_features=(5, 6), random_state=0).X.astype(np.float32)
    assert told(X, modalities=[5, 6]).findings.pairs.n_exact == 2


@pytest.mark.parametrize("y", [np.full(360, -1), [None] * 360])
def test_no_labels_at_all(y):
    """Labels that are none colour nothing."""
    X = world()[0]
    assert told(X, y).html == told(X).html


def numbers(**target):
    """Findings without a fault, but for some numbers of the target."""
    pairs = Bunch(is_chance=False, n_above=2, n_shared=2, mixed=0.0, mixed_error=0.0)
    pairs |= {"mixed_expected": 0.0}
    pairs |= {"n_exact": 0, "n_pairs": 500, "n_features": [5, 8], "least_likely": [1]}
    even = {"prior": np.array([0.5, 0.5]), "classes": np.array([0, 1]), "refused": False}
    even |= {"labelled": np.array([0.5, 0.5]), "predicted": np.array([0.5, 0.5]), "why_not": ""}
    even |= {"agreement": 0.9, "lower": 0.8, "upper": 0.9, "source": "a", "target": "b"}
    return Bunch(pairs=Bunch(**pairs), components=[], lags=[], target=Bunch(**(even | target)))


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ({}, "Nothing here speaks against"),
        ({"agreement": 0.3}, "little more often than chance"),
        ({"lower": 0.4}, "no better than its most frequent class, 50 %"),
        ({"lower": 0.6, "upper": 0.95}, "bounds of the accuracy are wide"),
        ({"predicted": np.array([0.2, 0.8])}, "pass them as class_prior"),
        ({"labelled": np.array([np.nan, np.nan])}, "Nothing here speaks against"),
    ],
)
def test_advice_about_the_target(target, sentence):
    """One sentence for each fault."""
    (said,) = advice(numbers(**target))
    assert sentence in said


def test_advice_about_heavy_tails():
    """Small p-values within the band of shuffled pairs."""
    found = numbers()
    found.pairs.n_shared, found.pairs.n_above = 4, 2
    assert "P-values suppose Gaussian rows" in advice(found)[0]
    found = numbers()
    found.pairs.mixed = 0.6
    assert "Too little is shared" in advice(found)[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ordered": 1}, "ordered=1"),
        ({"n_permutations": 0}, "n_permutations=0"),
        ({"n_folds": 1}, "n_folds=1"),
        ({"groups": [1]}, "inconsistent numbers"),
        ({"feature_names": ["a"]}, "feature_names has shape"),
    ],
)
def test_bad_input(options, message):
    """Errors name the parameter."""
    X = world()[0]
    aligner = NullSpaceAligner(modalities=[5, 8]).fit(X)
    with pytest.raises(ValueError, match=message):
        report(aligner, X, **options)
    with pytest.raises(TypeError, match="report got str"):
        report("model", X)


@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser(of_transfer, tmp_path, width):
    """Nothing sticks out of the page, and every picture is there."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no chromium")
    wrapper = tmp_path / "wrapper.html"
    wrapper.write_text(
        f'<!DOCTYPE html><iframe id="f" style="width:{width}px;height:900px;border:0" '
        f'srcdoc="{escape(of_transfer.html)}"></iframe><pre id="out"></pre>'
        "<script>addEventListener('load', () => {"
        "const page = document.getElementById('f').contentDocument, root = page.documentElement;"
        "const images = [...page.images];"
        "const small = [...page.querySelectorAll('p,li,td,th,span,figcaption')].filter("
        "e => parseFloat(getComputedStyle(e).fontSize) < 12);"
        "document.getElementById('out').textContent = ['measured', root.scrollWidth, "
        "images.length, images.filter(i => i.complete && i.naturalWidth > 0).length, "
        "small.length].join(' ');});</script>",
        encoding="utf-8",
    )
    options = "--headless --no-sandbox --disable-gpu --no-first-run --disable-sync"
    options += " --disable-background-networking --disable-component-update"
    command = [browser, *options.split(), f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, "--dump-dom", wrapper.as_uri()], capture_output=True, text=True, timeout=120
    )
    if done.returncode or 'id="out"' not in done.stdout:
        pytest.skip(f"chromium does not run here: {done.stderr[-200:]}")
    measured = done.stdout.split("measured ")[1].split("<")[0]
    scroll, images, shown, small = map(int, measured.split())
    assert scroll <= width
    assert images == shown >= 6
    assert small == 0


def test_pipelines_and_searches_are_looked_into():
    """The report of a pipeline, or of a search over one, is that of its last step."""
    X, y = world()
    X = X.copy()
    X[3, 1] = np.nan  # a single cell, which the step in front fills
    aligner = NullSpaceAligner(2, modalities=[5, 8])
    pipeline = make_pipeline(BlockImputer(SimpleImputer(), modalities=[5, 8]), aligner).fit(X)
    options = {"n_permutations": 3, "random_state": 0}
    expected = report(pipeline[-1], pipeline[0].transform(X), y, **options).html
    assert report(pipeline, X, y, **options).html == expected
    search = GridSearchCV(pipeline, {"nullspacealigner__n_components": [2]}, cv=2).fit(X)
    assert report(search, X, y, **options).html == expected
