"""Analyses answer, and fail, by every face as in this process."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

import saelake
from saelake.answers.answer import SHOWN, Answer
from saelake.collection import Collection
from saelake.lake import Lake
from saelake.store.errors import (
    DictionaryMismatch,
    InvalidFilter,
    InvalidInput,
    NotFound,
    PermissionDenied,
    SaelakeError,
)
from tests.client.answers.pages import USED, Tags
from tests.contract.faces import Faces
from tests.encoded import make_encoded_lake
from tests.stateless import stateless
from tests.tiny import save_dictionary

NAME, OTHER = "words/sae", "words/other"
TEXT = "w1 w2 w3"
BEYOND = 2**70  # more than an int64
UNDECODABLE = "\udcff"
POSITIVE, NEGATIVE = "label = 'pos'", "label = 'neg'"


@dataclass(frozen=True, slots=True)
class Pair:
    """One lake twice."""

    embedded: Lake
    other: Lake


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    made = make_encoded_lake(tmp_path_factory.mktemp("analyses"), n_documents=60)
    lake = saelake.connect(made.lake.uri)
    save_dictionary(made.parts / "other", seed=1)
    lake.encode("words", model=str(made.parts / "llama"), dictionary=str(made.parts / "other"))
    lake.embed("words", model=made.sentences)
    lake.label(NAME)
    return lake


@pytest.fixture(scope="module")
def pair(analysed: Lake, other_face: str, faces: Faces) -> Iterator[Pair]:
    with faces.open(other_face, analysed.uri) as other:
        yield Pair(analysed, other)


@pytest.fixture(scope="module")
def expected(analysed: Lake) -> Callable[[str], Answer[Any]]:
    """What the lake in this process answers to a question, asked once."""
    return cache(lambda question: QUESTIONS[question](analysed))


def sides(lake: Lake) -> tuple[Collection, Collection]:
    return lake[NAME].where(POSITIVE), lake[NAME].where(NEGATIVE)


QUESTIONS: dict[str, Callable[[Lake], Answer[Any]]] = {
    "like a text": lambda lake: lake[NAME].similar(TEXT, k=5),
    "like a document": lambda lake: lake[NAME].similar(id="d3"),
    "like documents": lambda lake: lake[NAME].similar(doc=[3, 5], id=["d9"], k=None),
    "like features": lambda lake: lake[NAME].similar(features={3: 1.0, 9: 0.5}, measure="dot"),
    "like a document in every way": lambda lake: (
        lake[NAME]
        .where(POSITIVE)
        .similar(
            doc=4,
            pooling="sum",
            measure="jaccard",
            idf=True,
            within=range(40),
            weights={3: 2.5, 7: 0.0},
            where="id <> 'd8'",
            exact=True,
        )
    ),
    "like a text in what a phrase is about": lambda lake: lake[NAME].similar(TEXT, about="w4 w5"),
    "like a text by meaning": lambda lake: lake[NAME].similar(TEXT, method="dense"),
    "like a text in all ways": lambda lake: lake[NAME].similar(TEXT, method="hybrid", k=None),
    "like nothing here": lambda lake: lake[NAME].where("doc < 0").similar(doc=3),
    "a property": lambda lake: lake[NAME].retrieve(TEXT, 7),
    "a property by features": lambda lake: lake[NAME].retrieve(
        TEXT, None, method="sae", n_features=5, where=NEGATIVE
    ),
    "a property by features that were chosen": lambda lake: lake[NAME].retrieve(
        TEXT, None, method="sae", features={3: 0.7, 11: 0.2, 5: 1.0}
    ),
    "documents like others": lambda lake: sides(lake)[0].select(sides(lake)[1], 9),
    "documents like others, plainly": lambda lake: sides(lake)[0].select(
        sides(lake)[1], None, pooling="mean", idf=False
    ),
    "a difference": lambda lake: sides(lake)[0].diff(sides(lake)[1]),
    "every difference of tokens": lambda lake: sides(lake)[0].diff(
        *reversed(sides(lake)), k=None, unit="token", threshold=0.5, order="log_odds"
    ),
    "a difference within limits": lambda lake: sides(lake)[0].diff(
        sides(lake)[1], min_coverage=0.1, max_coverage=0.5, order="relative", examples=False
    ),
    "a difference of clusters": lambda lake: sides(lake)[0].diff(
        sides(lake)[1], cluster_by="label", unit="token"
    ),
    "a difference with control": lambda lake: sides(lake)[0].diff(
        sides(lake)[1], control=["length()"], confirm=True
    ),
    "a difference of pairs": lambda lake: lake[NAME].diff(lake[NAME], align="label"),
    "no difference": lambda lake: sides(lake)[0].diff(sides(lake)[1], threshold=1e6),
    "an association": lambda lake: lake[NAME].associate("label"),
    "every association": lambda lake: (
        lake[NAME].where("id <> 'd3'").associate("label", k=None, min_documents=1, pooling="binary")
    ),
    "an association within strata": lambda lake: lake[NAME].associate(
        "label", control=["length"], level=0.9, confirm=True, confirm_share=0.4
    ),
    "shares": lambda lake: lake[NAME].shares(3, by="label"),
    "shares of an expression": lambda lake: (
        lake[NAME]
        .where("id <> 'd3'")
        .shares("3 & !9 | 4 > 0.2", by="label", k=1, order="share", level=0.9)
    ),
    "values": lambda lake: lake[NAME].values("label"),
    "values of a selection": lambda lake: (
        lake[NAME].where("id <> 'd3'").values("label", k=1, order="value")
    ),
    "correlations within strata": lambda lake: lake[NAME].correlate(
        control=("length", "label"), min_npmi=0.0, min_documents=1
    ),
    "families within strata": lambda lake: lake[NAME].families(
        control="length", min_npmi=0.2, min_documents=2, k=None
    ),
    "correlations": lambda lake: lake[NAME].correlate(min_npmi=0.1, min_documents=2),
    "correlations of some": lambda lake: lake[NAME].correlate(
        features=[3, 9], min_npmi=-1.0, min_documents=1, adjacent="drop", k=None
    ),
    "correlations of unlike labels": lambda lake: lake[NAME].correlate(
        min_npmi=0.0, min_documents=1, max_label_similarity=0.3
    ),
    "correlations of two texts": lambda lake: lake[NAME].correlate(
        lake[NAME], align="label", min_npmi=0.0, min_documents=1
    ),
    "families": lambda lake: lake[NAME].families(min_npmi=0.2, min_documents=2, k=None),
    "clusters": lambda lake: lake[NAME].cluster(3),
    "clusters in some features": lambda lake: lake[NAME].cluster(
        2, features=range(10), seed=3, where=POSITIVE
    ),
    "clusters about a phrase": lambda lake: lake[NAME].cluster(
        2, about=TEXT, n_labels=6, method="jaccard"
    ),
    "matches": lambda lake: lake[NAME].match(lake[OTHER], k=2),
    "matches of some": lambda lake: (
        lake[NAME].where(POSITIVE).match(lake[OTHER], features=[3, 9], by="jaccard")
    ),
    "matches of dictionaries": lambda lake: lake.dictionary("sae").match(
        lake.dictionary("sae"), features=[3, 9], k=2
    ),
    "matches by direction": lambda lake: lake[NAME].match(
        lake[OTHER], features=[1, 2], by="decoder"
    ),
    "labels": lambda lake: lake.dictionary("sae").labels(),
    "agreement of one": lambda lake: lake.dictionary("sae").agreement(),
    "labels of some": lambda lake: lake.dictionary("sae").labels(features=[9, 3]),
    "no labels": lambda lake: lake.dictionary("other").labels(),
    "labels near a text": lambda lake: lake.dictionary("sae").labels(TEXT, k=None),
    "neighbors": lambda lake: lake[NAME].dictionary.neighbors(3, 4),
}
EMPTY = {"like nothing here", "no difference", "no labels", "agreement of one"}


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_answer_is_a_table_in_a_notebook(
    expected: Callable[[str], Answer[Any]], question: str
) -> None:
    found = expected(question)
    page = Tags(found._repr_html_())
    assert {"table", "th"} <= page.tags <= USED
    n_shown = min(len(found), SHOWN)
    assert found._repr_html_().count("<tr>") == 1 + n_shown
    lines = repr(found).splitlines()
    assert len(lines) >= 1 + n_shown
    assert len(found.to_pandas()) == len(found.to_polars()) == len(found)


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_face_answers_as_the_lake_itself(
    pair: Pair, expected: Callable[[str], Answer[Any]], question: str
) -> None:
    found, known = QUESTIONS[question](pair.other), expected(question)
    assert type(found) is type(known)
    assert found == known
    there, here = stateless(found.to_arrow()), stateless(known.to_arrow())
    assert there.equals(here, check_metadata=True)
    assert repr(found) == repr(known)
    assert (len(found) == 0) == (question in EMPTY), "a question that says something"


LABELLED: dict[str, tuple[str, ...]] = {  # questions whose answers have columns of labels
    "a difference": ("label",),
    "every association": ("label",),
    "correlations": ("label_a", "label_b"),
    "correlations of two texts": ("label_a", "label_b"),
    "matches": ("label_a", "label_b"),
    "matches of dictionaries": ("label_a", "label_b"),
    "labels": ("label",),
    "neighbors": ("label",),
}


@pytest.fixture(scope="module")
def alike(analysed: Lake, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The lake, with labels from a file that many features share."""
    folder = tmp_path_factory.mktemp("alike")
    copied = shutil.copytree(analysed.uri, folder / "lake")
    lake = saelake.connect(str(copied))
    shared = {str(feature): f"label {feature % 2}" for feature in range(64)}
    (folder / "labels.json").write_text(json.dumps(shared))
    for dictionary in ("sae", "other"):
        lake.import_labels(dictionary, folder / "labels.json")
    return lake


@pytest.mark.parametrize("question", QUESTIONS)
def test_features_that_share_a_label(alike: Lake, question: str) -> None:
    answer = QUESTIONS[question](alike)
    frame = answer.to_pandas()
    assert len(frame) == len(answer)
    for column in LABELLED.get(question, ()):
        labels = answer.to_arrow()[column].to_pylist()
        assert len(set(labels) - {None}) <= 2 < len(labels)
        assert [None if label != label else label for label in frame[column]] == labels


MISTAKES: dict[str, tuple[type[SaelakeError], str, Callable[[Lake], object]]] = {
    "no such collection": (NotFound, "words/none", lambda lake: lake["words/none"].similar(doc=1)),
    "a document beyond the last": (NotFound, "60", lambda lake: lake[NAME].similar(doc=60)),
    "a negative document": (NotFound, "-1", lambda lake: lake[NAME].similar(doc=-1)),
    "a document over 64 bits": (InvalidInput, "64", lambda lake: lake[NAME].similar(doc=BEYOND)),
    "an unknown id": (NotFound, "nobody", lambda lake: lake[NAME].similar(id="nobody")),
    "an id of bytes": (InvalidInput, "not text", lambda lake: lake[NAME].similar(id=UNDECODABLE)),
    "a feature beyond the last": (
        NotFound,
        "no feature 64",
        lambda lake: lake[NAME].similar(features={64: 1.0}),
    ),
    "a negative feature": (
        NotFound,
        "no feature -1",
        lambda lake: lake[NAME].similar(features={-1: 1.0}),
    ),
    "a weight that is no number": (
        InvalidInput,
        "finite",
        lambda lake: lake[NAME].similar(doc=1, weights={1: float("nan")}),
    ),
    "nothing to be like": (InvalidInput, "one thing", lambda lake: lake[NAME].similar()),
    "two things to be like": (
        InvalidInput,
        "one thing",
        lambda lake: lake[NAME].similar(TEXT, doc=1),
    ),
    "an empty text": (InvalidInput, "empty", lambda lake: lake[NAME].similar(" ")),
    "a measure": (
        InvalidInput,
        "measure",
        lambda lake: lake[NAME].similar(doc=1, measure="l2"),  # type: ignore[arg-type]  # on purpose
    ),
    "a pooling": (
        InvalidInput,
        "pooling",
        lambda lake: lake[NAME].similar(doc=1, pooling="x"),  # type: ignore[arg-type]  # on purpose
    ),
    "an unknown column": (
        InvalidFilter,
        "colour",
        lambda lake: lake[NAME].similar(doc=1, where="colour = 1"),
    ),
    "no phrase": (InvalidInput, "phrase is empty", lambda lake: lake[NAME].retrieve("")),
    "no labels for a phrase": (NotFound, "saelake label", lambda lake: lake[OTHER].retrieve(TEXT)),
    "an empty target": (
        InvalidInput,
        "No feature fires in the target",
        lambda lake: lake[NAME].select(lake[NAME].where("doc < 0")),
    ),
    "two dictionaries": (
        DictionaryMismatch,
        "different dictionaries",
        lambda lake: lake[NAME].diff(lake[OTHER]),
    ),
    "nothing to compare with": (InvalidInput, "second", lambda lake: lake[NAME].diff()),
    "an empty side": (
        InvalidInput,
        "nothing can be compared",
        lambda lake: lake[NAME].diff(lake[NAME].where("doc < 0")),
    ),
    "a share over 1": (
        InvalidInput,
        "share",
        lambda lake: sides(lake)[0].diff(sides(lake)[1], min_coverage=2),
    ),
    "no such column": (InvalidInput, "colour", lambda lake: lake[NAME].associate("colour")),
    "no column": (InvalidInput, "one column", lambda lake: lake[NAME].associate()),
    "no such cluster": (
        InvalidInput,
        "colour",
        lambda lake: lake[NAME].associate("label", cluster_by="colour"),
    ),
    "a control that is no name": (
        InvalidInput,
        "control must be a name",
        lambda lake: lake[NAME].correlate(control=3),  # type: ignore[arg-type]  # on purpose
    ),
    "an NPMI over 1": (InvalidInput, "NPMI", lambda lake: lake[NAME].correlate(min_npmi=2.0)),
    "two texts without a column": (
        InvalidInput,
        "align",
        lambda lake: lake[NAME].correlate(lake[NAME]),
    ),
    "one cluster": (InvalidInput, "at least 2", lambda lake: lake[NAME].cluster(1)),
    "more clusters than documents": (
        InvalidInput,
        "cannot make 61",
        lambda lake: lake[NAME].cluster(61),
    ),
    "a seed over 64 bits": (InvalidInput, "64", lambda lake: lake[NAME].cluster(2, seed=BEYOND)),
    "a negative seed": (InvalidInput, "seed", lambda lake: lake[NAME].cluster(2, seed=-1)),
    "a seed of more than 32 bits": (
        InvalidInput,
        "seed",
        lambda lake: lake[NAME].cluster(2, seed=2**32),
    ),
    "a match of nothing": (
        NotFound,
        "no feature 64",
        lambda lake: lake[NAME].match(lake[OTHER], features=[64]),
    ),
    "a dictionary": (NotFound, "'none'", lambda lake: lake.dictionary("none").labels()),
    "labels of no feature": (
        NotFound,
        "no feature 99",
        lambda lake: lake.dictionary("sae").labels(features=[99]),
    ),
    "labels of a text and no embeddings": (
        NotFound,
        "saelake label",
        lambda lake: lake.dictionary("other").labels(TEXT),
    ),
    "neighbors of no feature": (
        NotFound,
        "no feature 64",
        lambda lake: lake.dictionary("sae").neighbors(64),
    ),
    "neighbors of a negative feature": (
        NotFound,
        "no feature -1",
        lambda lake: lake.dictionary("sae").neighbors(-1),
    ),
    "directions of a path": (
        InvalidInput,
        "name of a dictionary",
        lambda lake: lake.dictionary("../x").neighbors(1),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_error_by_every_face(pair: Pair, mistake: str) -> None:
    kind, said, ask = MISTAKES[mistake]
    errors: list[SaelakeError] = []
    for lake in (pair.embedded, pair.other):
        with pytest.raises(SaelakeError) as caught:
            ask(lake)
        errors.append(caught.value)
    here, there = errors
    assert type(here) is type(there) is kind
    assert here.message == there.message
    assert said in here.message
    assert "\n" not in here.message
    assert here.data == there.data


def test_a_lake_behind_a_server_is_written_by_who_may(pair: Pair) -> None:
    if not pair.other.is_remote:
        pytest.skip("a lake that Ray's actors read is here")
    writes: list[Callable[[], object]] = [
        lambda: pair.other.embed("words", model="m"),
        lambda: pair.other.label(NAME),
        lambda: pair.other.project(NAME),
    ]
    for write in writes:
        with pytest.raises(PermissionDenied, match="encode"):
            write()
