"""What needs a model says why there is none; all else answers, for units of each kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import saelake
from saelake.store.errors import AlreadyExists, InvalidInput, NotFound, SaelakeError
from tests.tiny import save_dictionary, save_model
from tests.workers.outside.vectors import Documents


@pytest.fixture(scope="module", params=["document", "span", "token"])
def lake(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> saelake.Lake:
    made = Documents.drawn(5, unit=request.param, signed=False, n=30)
    lake = saelake.connect(tmp_path_factory.mktemp("without"))
    rows = [
        {"id": d, "text": t, "label": made.labels[d], "n": len(t)} for d, t in made.texts.items()
    ]
    lake.import_corpus(rows, "c")
    lake.import_codes(made.rows(unit=request.param, with_texts=False), "c/v", unit=request.param)
    lake.index("c/v")
    return lake


@pytest.fixture
def codes(lake: saelake.Lake) -> saelake.Collection:
    return lake["c/v"]


REFUSED: dict[str, tuple[Callable[[saelake.Collection], Any], type[SaelakeError], str]] = {
    "similar to a text": (lambda c: c.similar(text="rain"), InvalidInput, "made elsewhere.*by doc"),
    "a text's codes": (lambda c: c.encode("rain"), InvalidInput, "were made elsewhere"),
    "near directions": (
        lambda c: c.dictionary.neighbors(0),
        NotFound,
        "no decoder directions.*made elsewhere",
    ),
    "matched directions": (
        lambda c: c.match(c, by="decoder"),
        NotFound,
        "no decoder directions.*made elsewhere",
    ),
    "activations": (lambda c: c.activations(), NotFound, "No activations.*made elsewhere"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_one_error_says_why_not(codes: saelake.Collection, what: str) -> None:
    ask, kind, said = REFUSED[what]
    with pytest.raises(kind, match=f"(?s){said}"):
        ask(codes)


ANSWERED: dict[str, Callable[[saelake.Collection], Any]] = {
    "expressions": lambda c: c.tokens("0 & 1", scope="document"),
    "windows of units": lambda c: c.tokens("0 & 1", scope="window:2"),
    "a document": lambda c: c.document("d3"),
    "windows": lambda c: c.windows(0, docs=[3], positions=[0]),
    "similar": lambda c: c.similar(features={0: 1.0, 2: 0.5}),
    "select": lambda c: c.select(c.where("label = 'pos'")),
    "diff by units": lambda c: c.where("label = 'pos'").diff(
        c.where("label = 'neg'"), unit="token"
    ),
    "associate": lambda c: c.associate("label"),
    "associate with numbers": lambda c: c.associate("n"),
    "shares": lambda c: c.shares(0, by="label"),
    "values": lambda c: c.values("label"),
    "correlate": lambda c: c.correlate(min_npmi=-1, min_documents=1, max_coverage=1),
    "cluster": lambda c: c.cluster(2),
    "families": lambda c: [c.families(min_npmi=0)],
    "match": lambda c: c.match(c),
    "labels": lambda c: c.labels(),
    "codes": lambda c: c.codes().read_all().to_pylist(),
    "embeddings": lambda c: c.embeddings(pooling="mean").read_all().to_pylist(),
}


@pytest.mark.parametrize("what", ANSWERED)
def test_what_needs_no_model_is_answered(codes: saelake.Collection, what: str) -> None:
    assert len(ANSWERED[what](codes)) > 0 if what != "a document" else ANSWERED[what](codes)


def test_answers_say_what_they_count(lake: saelake.Lake, codes: saelake.Collection) -> None:
    unit = codes.info().unit
    sides = codes.where("label = 'pos'"), codes.where("label = 'neg'")
    assert f"{unit}s against" in sides[0].diff(sides[1], unit="token").head
    assert ("median length" in sides[0].diff(sides[1]).head) == (unit != "document")
    assert ("tokens" in sides[0].diff(sides[1]).head) == (unit == "token")
    assert all(not feature.top_tokens for feature in codes.features(k=None))
    said = repr(lake)
    assert "not encoded yet" not in said
    assert ("tokens" in said) == (unit == "token")


def test_automatic_labels_are_of_tokens(lake: saelake.Lake, codes: saelake.Collection) -> None:
    if codes.info().unit == "token":
        assert lake.label("c/v") > 0
        return
    with pytest.raises(InvalidInput, match="the codes of c/v are of"):
        lake.label("c/v")


def test_no_more_is_encoded(lake: saelake.Lake, tmp_path: Path) -> None:
    sae = save_dictionary(tmp_path / "sae")
    named = saelake.DictionaryChoice(location=str(sae), name="v")
    with pytest.raises(AlreadyExists, match="another dictionary named 'v'"):
        lake.encode("c", model=str(save_model(tmp_path / "model")), dictionary=named)
    with pytest.raises(NotFound, match="No activations are kept of c/v: its codes were made else"):
        lake.encode("c", from_activations="c/v", dictionary=str(sae))
    with pytest.raises(NotFound, match="no decoder directions"):
        lake.project("c/v", "features")


def test_codes_of_a_model_are_not_continued(tmp_path: Path) -> None:
    lake = saelake.connect(tmp_path / "lake")
    lake.import_corpus([{"id": "a", "text": "w1 w2"}], "c")
    model = str(save_model(tmp_path / "model"))
    choice = saelake.DictionaryChoice(location=str(save_dictionary(tmp_path / "sae")), name="v")
    lake.encode("c", model=model, dictionary=choice)
    for name in ("c/v", "other/v"):
        with pytest.raises(AlreadyExists, match="v is a dictionary that a model is encoded with"):
            lake.import_codes([{"id": "a", "text": "t", "vector": {"1": 1.0}}], name)
