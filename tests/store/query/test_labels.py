"""Labels: whose is chosen, which are near a phrase, and where they come from."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.engine import Engine
from saelake.store.errors import InvalidInput, NotFound, SaelakeWarning
from saelake.store.format.schema import LABELS_COLUMNS
from saelake.store.growth import label as labelling
from saelake.store.growth.index import index
from saelake.store.growth.label import TokenContext, label_collection, label_text
from saelake.store.growth.label_evidence import held_back
from saelake.store.index.vectors import Vectors, write_vectors
from saelake.store.labels import labels as labels_module
from saelake.store.labels.files import read_labels
from saelake.store.labels.imports import import_labels
from saelake.store.labels.labels import LabelsTable, automatic, write_labels
from saelake.store.lake.lake import Lake
from saelake.store.requests.columns import LABEL
from saelake.store.requests.labels import LabelsQuery
from saelake.store.requests.tokens import TokensQuery
from saelake.store.snapshot.session import Session
from saelake.workers.texts.sentences import SentenceModel
from saelake.workers.texts.texts import ModelTexts
from tests.lakes import MadeLake, make_lake
from tests.tiny import save_model

Floats = npt.NDArray[np.float64]


@pytest.fixture
def made(tmp_path: Path) -> MadeLake:
    return make_lake(tmp_path / "lake", n_documents=40, n_features=12)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_model(tmp_path_factory.mktemp("model") / "bert", bert=True))


def write(lake: Lake, *rows: dict[str, Any], dictionary: str = "random") -> None:
    write_labels(lake, dictionary, pa.Table.from_pylist(list(rows), LABELS_COLUMNS))


def said(feature: int, label: str, explainer: str = "me", **more: Any) -> dict[str, Any]:
    return {"feature": feature, "label": label, "explainer": explainer, **more}


def asked(lake: Lake, **query: Any) -> list[dict[str, Any]]:
    engine = Engine(lake.uri, texts=ModelTexts())
    rows: list[dict[str, Any]] = (
        engine.ask(LabelsQuery(dictionary="random", **query)).read_all().to_pylist()
    )
    return rows


# --- whose label ---


def test_no_labels_are_none(made: MadeLake) -> None:
    assert asked(made.lake) == []
    assert LabelsTable.open(made.lake, "random").of([1, 2]) == [None, None]
    assert len(LabelsTable.open(made.lake, "random")) == 0


explainers = st.sampled_from(["auto:made", "auto:other", "gpt", "human"])
rows = st.lists(
    st.tuples(st.integers(0, 5), explainers, st.none() | st.sampled_from([0.25, 0.5])),
    unique_by=lambda row: row[:2],
    max_size=15,
)


@settings(max_examples=60, deadline=None)
@given(rows=rows, corpus=st.sampled_from([None, "made", "other"]))
def test_imported_labels_come_before_those_of_the_corpus(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, str, float | None]],
    corpus: str | None,
) -> None:
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    write(lake, *(said(f, f"{f} by {e}", e, score=score) for f, e, score in rows))

    def rank(row: tuple[int, str, float | None]) -> tuple[Any, ...]:
        _, explainer, score = row
        made_here = corpus is not None and explainer == automatic(corpus)
        worth = 0 if not explainer.startswith("auto:") else 1 if made_here else 2
        return worth, -(score if score is not None else -np.inf), explainer

    def shown(row: tuple[int, str, float | None]) -> str:
        made_from = row[1].removeprefix("auto:") if row[1].startswith("auto:") else corpus
        return (
            f"{row[0]} by {row[1]}"
            if made_from == corpus
            else f"({made_from}) {row[0]} by {row[1]}"
        )

    best = {f: min((row for row in rows if row[0] == f), key=rank) for f, _, _ in rows}
    found = LabelsTable.open(lake, "random", corpus)
    assert found.of(range(6)) == [shown(best[f]) if f in best else None for f in range(6)]
    assert found.best["feature"].to_pylist() == sorted(best)


def test_an_explainer_that_speaks_again_replaces_its_own_labels(made: MadeLake) -> None:
    write(made.lake, said(1, "old"), said(2, "old"), said(2, "other's", "auto:made"))
    write(made.lake, said(1, "new"))
    assert [(row["feature"], row["label"]) for row in asked(made.lake)] == [
        (1, "new"),
        (2, "other's"),
    ]


def test_a_column_has_each_label_once_and_null_where_there_is_none(made: MadeLake) -> None:
    write(made.lake, said(3, "three"), said(5, "five"))
    labels = LabelsTable.open(made.lake, "random")
    features = np.array([5, 3, 4, 5, 9, 2, 10**6], np.uint32)
    found = labels.column(features)
    assert found.to_pylist() == labels.of(features) == ["five", "three", None, "five", *[None] * 3]
    assert found.type == LABEL
    assert sorted(found.dictionary.to_pylist()) == ["five", "three"]
    none = LabelsTable.open(made.lake, "nobody has labelled it")
    assert none.of([1, 2]) == none.column(np.array([1, 2])).to_pylist() == [None, None]
    assert labels.of([]) == []


def test_labels_are_asked_for_by_feature(made: MadeLake) -> None:
    write(made.lake, *(said(f, f"label {f}", score=0.5) for f in (9, 3, 5)))
    assert [row["feature"] for row in asked(made.lake)] == [3, 5, 9]
    assert [row["feature"] for row in asked(made.lake, k=2)] == [3, 5]
    assert [row["feature"] for row in asked(made.lake, features=(9, 4, 3))] == [9, 3]
    assert [row["feature"] for row in asked(made.lake, features=(9, 4, 3), k=1)] == [9, 3]
    assert asked(made.lake, features=(4,)) == []
    (row,) = asked(made.lake, features=(5,))
    assert {name: value for name, value in row.items() if value is not None} == {
        "feature": 5,
        "label": "label 5",
        "explainer": "me",
        "score": 0.5,
        "score_kind": "other",
        "scores": [
            {"kind": "other", "value": 0.5, **dict.fromkeys(("low", "high", "n", "by", "on"))}
        ],
    }


@pytest.mark.parametrize(
    ("query", "said_of_it"),
    [
        ({"features": (12,)}, "no feature 12: its features are 0 to 11"),
        ({"features": (-1,)}, "no feature -1"),
        ({"text": "rain"}, "saelake label"),
        ({"dictionary": "other"}, "no dictionary 'other'"),
    ],
)
def test_what_is_not_there_is_named(made: MadeLake, query: dict[str, Any], said_of_it: str) -> None:
    write(made.lake, said(3, "without an embedding"))
    with pytest.raises(NotFound, match=said_of_it):
        Engine(made.lake.uri, texts=ModelTexts()).ask(
            LabelsQuery(**{"dictionary": "random", **query})
        )


@pytest.mark.parametrize(
    ("query", "said_of_it"),
    [
        ({"text": " "}, "empty"),
        ({"text": "rain", "features": (1,)}, "not both"),
        ({"k": 0}, "k must"),
    ],
)
def test_wrong_questions_are_not_asked(query: dict[str, Any], said_of_it: str) -> None:
    with pytest.raises(InvalidInput, match=said_of_it):
        LabelsQuery(dictionary="random", **query)


# --- near a phrase ---


def embedded_rows(vectors: npt.NDArray[np.float32], explainer: str, model: str) -> Any:
    return [
        said(f, f"label {f}", explainer, embedder=model, embedding=vector)
        for f, vector in enumerate(vectors)
    ]


def test_a_text_finds_the_nearest_labels(made: MadeLake, model: str) -> None:
    texts = [f"w{f} w{f + 1}" for f in range(12)]
    vectors = SentenceModel.load(model).embed(texts)
    write(
        made.lake,
        *(said(f, t, embedder=model, embedding=v) for f, (t, v) in enumerate(zip(texts, vectors))),  # noqa: B905
    )
    products = vectors @ SentenceModel.load(model).embed(["w3 w4 w5"])[0]
    for k in (1, 5, None):
        found = asked(made.lake, text="w3 w4 w5", k=k)
        assert [row["feature"] for row in found] == np.argsort(-products)[:k].tolist()
        np.testing.assert_allclose(
            [row["similarity"] for row in found], np.sort(products)[::-1][:k], atol=1e-6
        )
        assert found[0]["label"] == texts[found[0]["feature"]]


def test_one_explainer_answers_phrases(made: MadeLake, model: str) -> None:
    """An imported one unless it has embedded less than half as many; then the corpus's own."""
    random = np.random.default_rng(0).normal(size=(12, 16)).astype(np.float32)
    lake = made.lake
    write(lake, *embedded_rows(random, "auto:made", "a model"))
    write(lake, *embedded_rows(random, "auto:other", "another model"))
    own, other, neither = (LabelsTable.open(lake, "random", c) for c in ("made", "other", None))
    assert (own.embedder, other.embedder) == ("a model", "another model")
    assert neither.embedder == "a model"
    write(lake, *embedded_rows(random[:5], "gpt", "small"))
    assert LabelsTable.open(lake, "random", "made").embedder == "a model"
    write(lake, *embedded_rows(random[:6], "gpt", "large enough"))
    assert LabelsTable.open(lake, "random", "made").embedder == "large enough"
    assert len(LabelsTable.open(lake, "random").nearest(random[:1], 100)[0]) == 6


def test_labels_without_embeddings_are_near_nothing(made: MadeLake, model: str) -> None:
    vector = SentenceModel.load(model).embed(["w1"])[0]
    write(made.lake, said(1, "w1", embedder=model, embedding=vector), said(2, "w1"))
    assert [row["feature"] for row in asked(made.lake, text="w1")] == [1]


@pytest.mark.parametrize("many", [0.0, 1.0])
def test_similarity_is_a_cosine(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch, many: float
) -> None:
    monkeypatch.setattr(labels_module, "MANY", many)
    random = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    write(made.lake, *embedded_rows(random, "me", "m"))
    a, b = np.array([0, 3, 7, 11, 2]), np.array([1, 3, 4, 0, 9])
    found = LabelsTable.open(made.lake, "random").similarity(a, b)
    unit = random / np.linalg.norm(random, axis=1, keepdims=True)
    np.testing.assert_allclose(found[:3], (unit[a[:3]] * unit[b[:3]]).sum(axis=1), atol=1e-6)
    assert np.isnan(found[3:]).all()


# --- from files ---


def imported(made: MadeLake, path: Path, **options: Any) -> int:
    session = Session(made.lake, texts=ModelTexts())
    return import_labels(session, "random", path, **options)


def test_a_json_object_is_features_and_labels(made: MadeLake, tmp_path: Path) -> None:
    path = tmp_path / "goodfire.json"
    path.write_text(json.dumps({"3": "rain", "11": "日本"}))
    assert imported(made, path) == 2
    found = [(row["feature"], row["label"], row["explainer"]) for row in asked(made.lake)]
    assert found == [(3, "rain", "goodfire"), (11, "日本", "goodfire")]
    assert imported(made, path, explainer="somebody") == 2
    assert {row["explainer"] for row in asked(made.lake)} == {"goodfire"}, "first by name"


EXPLANATIONS = [
    {"index": "4", "description": "sun", "explanationModelName": "gpt-4o-mini", "typeName": "x"},
    {"index": 5, "description": "slow films", "explanationModelName": None},
    {"index": 4, "description": "the sun", "explanationModelName": "gpt-4o-mini"},
]


@pytest.mark.parametrize("name", ["batch-0.jsonl", "batch-0.jsonl.gz"])
def test_neuronpedias_explanations_are_read(made: MadeLake, tmp_path: Path, name: str) -> None:
    lines = "\n\n".join(json.dumps(row) for row in EXPLANATIONS).encode() + b"\n"
    path = tmp_path / name
    path.write_bytes(gzip.compress(lines, mtime=0) if name.endswith(".gz") else lines)
    with pytest.warns(SaelakeWarning, match="1 of the 3 labels"):
        assert imported(made, path) == 2, "the last of two for one feature"
    found = [(row["feature"], row["label"], row["explainer"]) for row in asked(made.lake)]
    assert found == [(4, "the sun", "gpt-4o-mini"), (5, "slow films", "imported")]
    with pytest.warns(SaelakeWarning, match="1 of the 3 labels"):
        assert imported(made, path, explainer="me") == 2


def test_an_empty_label_is_none(made: MadeLake, tmp_path: Path, model: str) -> None:
    write(made.lake, said(3, "fires on w3", "auto:made"), said(7, " ", "earlier"))
    path = tmp_path / "labels.json"
    path.write_text(json.dumps({"3": "", "4": " \n", "5": "rain"}))
    with pytest.warns(SaelakeWarning, match=r"2 of the 3 labels in .*labels\.json are empty"):
        assert imported(made, path, model=model) == 1
    found = [(row["feature"], row["label"]) for row in asked(made.lake)]
    assert found == [(3, "fires on w3"), (5, "rain")], "also of those that were taken before"


@pytest.mark.parametrize(
    ("explainer", "corpus", "advice"),
    [
        (
            "me",
            "made",
            "`saelake label random --file FILE --model MODEL`; or `saelake label ",
        ),
        ("auto:made", "made", "`saelake label made/random --model MODEL`, with a sentence model"),
        (None, None, "`saelake label CORPUS/random --model MODEL`"),
    ],
)
def test_what_makes_embeddings_is_said(
    made: MadeLake, explainer: str | None, corpus: str | None, advice: str
) -> None:
    if explainer is not None:
        write(made.lake, said(3, "w3", explainer))
    with pytest.raises(NotFound, match=advice):
        _ = LabelsTable.open(made.lake, "random", corpus).embedder


def test_imported_labels_are_embedded_by_a_model(
    made: MadeLake, tmp_path: Path, model: str
) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps({str(f): f"w{f} w{2 * f}" for f in range(10)}))
    assert imported(made, path, model=model) == 10
    assert LabelsTable.open(made.lake, "random").embedder == model
    best = asked(made.lake, text="w4 w8", k=1)[0]
    assert (best["feature"], best["similarity"]) == (4, pytest.approx(1, abs=1e-5))


@pytest.mark.parametrize(
    ("name", "content", "said_of_it"),
    [
        ("a.json", b"{", "is not JSON"),
        ("a.json", b"\xff", "is not JSON"),
        ("a.json", b"[1]", "no object"),
        ("a.json", b'{"x": "rain"}', "'x': 'rain' is not a feature number"),
        (
            "a.json",
            b'{"-1": "rain"}',
            "labels feature -1, but random has no feature -1",
        ),
        ("a.json", b'{"1": 2}', "'1': 2 is not a feature number"),
        ("a.json", b'{"1": "\\ud800"}', "is not a feature number"),
        ("a.json", b'{"12": "rain"}', "labels feature 12, but random has no feature 12"),
        ("a.json", b'{"99999999999999999999": "rain"}', "is not a feature number"),
        ("a.jsonl", b'{"index": 1, "description": "x"}\n\n{"index": 2}\n', "line 3.*description"),
        ("a.jsonl", b'{"index": 1, "description": null}', "line 1"),
        ("a.jsonl", b'{"index": -1, "description": "x"}', "labels feature -1, but"),
        ("a.jsonl", b'{"index": 1, "description": "\\ud800"}', "line 1"),
        ("a.jsonl", b"[]\n", "line 1"),
        ("a.jsonl", b"{}\n", "line 1.*index"),
        ("a.jsonl", b"\xff\n", "line 1"),
        ("a.jsonl", b"nothing\n", "line 1"),
        ("a.jsonl.gz", b"not gzip", "cannot be read"),
        (
            "a.jsonl.gz",
            gzip.compress(b'{"index": 1, "description": "x"}', mtime=0)[:-9],
            "cannot be read",
        ),
        ("a.csv", b"1,rain", r"is no label file.*\.jsonl"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_the_place(
    made: MadeLake, tmp_path: Path, name: str, content: bytes, said_of_it: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=said_of_it) as caught:
        imported(made, path)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    assert asked(made.lake) == [], "nothing half-written"


def test_a_file_that_is_not_there_is_named(made: MadeLake, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no file .*none\.json"):
        list(read_labels(tmp_path / "none.json"))
    (tmp_path / "some.json").write_text("{}")
    with pytest.raises(NotFound, match="no dictionary 'other'"):
        import_labels(Session(made.lake), "other", tmp_path / "some.json")
    assert imported(made, tmp_path / "some.json") == 0


# --- automatic: the text ---


def windows(text: str, *words: str) -> list[TokenContext]:
    return [TokenContext(text, text.index(word)) for word in words]


def test_a_label_says_what_a_feature_fires_on_and_near() -> None:
    texts = [f"the {adjective} film was slow in {i}" for i, adjective in enumerate("abcde")]
    fired = [TokenContext(text, text.index("film")) for text in texts]
    background = Counter({"film": 5, "slow": 5, "other": 2000, "in": 900, "the": 900, "was": 900})
    assert label_text(fired, background) == "fires on film; near slow"


def test_a_label_says_the_most_frequent_word_first() -> None:
    fired = windows("one two", "one", "one", "two") + windows("Two", "Two") + windows("two", "two")
    assert label_text(fired, Counter()).startswith("fires on two, one")


def test_a_token_within_a_word_fires_on_the_word() -> None:
    assert label_text([TokenContext("it's unbelievable", 7)], Counter()) == "fires on unbelievable"
    assert label_text([TokenContext("it's fine", 3)], Counter()) == "fires on it's"


def test_a_token_that_is_no_word_is_shown_itself() -> None:
    assert label_text([TokenContext("so, - then", 4)], Counter()) == "fires on -"
    assert label_text([TokenContext("so ...", 3, 3)], Counter()) == "fires on ..."
    assert label_text([TokenContext("so  it", 2)], Counter()) == "fires on white space"


def monroe(near: Counter[str], background: Counter[str], word: str) -> float:
    """The z of Monroe, Colaresi and Quinn 2008, equations 16, 20 and 22, with 500 words' prior."""
    total, whole = sum(near.values()), sum(background.values())
    prior = 500 * background[word] / whole
    odds = np.log((near[word] + prior) / (total + 500 - near[word] - prior))
    odds -= np.log((background[word] + prior) / (whole + 500 - background[word] - prior))
    variance = 1 / (near[word] + prior) + 1 / (background[word] + prior)
    return float(odds / np.sqrt(variance))


def test_words_around_are_those_over_represented() -> None:
    random = np.random.default_rng(0)
    words = [f"word{i}" for i in range(40)]
    often = random.choice(words, (30, 12), p=np.arange(1, 41)[::-1] / 820)
    texts = [" ".join([*row[:5], "film", *row[5:]]) for row in often]
    texts = [t.replace("film", "film word39 word39") for t in texts[:20]]
    background = Counter({word: int(random.integers(50, 5000)) for word in [*words, "film"]})
    near: Counter[str] = Counter()
    for text in texts:
        split = text.split()
        here = split.index("film")
        near.update(set(split[max(here - 6, 0) : here + 7]))
    scores = {w: monroe(near, background, w) for w, n in near.items() if n >= 2 and w != "film"}
    expected = sorted((w for w in scores if scores[w] > 1.96), key=lambda w: -scores[w])[:8]
    assert len(expected) > 0
    found = label_text([TokenContext(text, text.index("film")) for text in texts], background)
    assert found == f"fires on film; near {', '.join(expected)}"


def test_words_around_are_six_on_each_side() -> None:
    filler = [" ".join(f"{letter}{i}" for letter in "bcdef") for i in range(40)]
    pairs = zip(filler[:20], filler[20:], strict=True)
    texts = [f"far near {before} film {after} close away" for before, after in pairs]
    background = Counter(dict.fromkeys(["far", "near", "close", "away"], 30) | {"other": 9000})
    found = label_text([TokenContext(text, text.index("film")) for text in texts], background)
    assert found == "fires on film; near close, near", "equals by the alphabet"


def strongest_words(engine: Engine, feature: int) -> Counter[str]:
    """The words of the strongest tokens of the 20 strongest documents that are not held back.

    Of a feature that fires in no others, of those held back.
    """
    query = TokensQuery(collection="made/random", expression=str(feature), k=None)
    hits = engine.ask(query).read_all()
    others = hits.filter(pa.array(~held_back(hits["doc"].to_numpy())))
    chosen = (others if len(others) else hits)["token"].to_pylist()[:20]
    return Counter(token.lower() for token in chosen)


@pytest.mark.parametrize("n_at_once", [4096, 5])
def test_a_collection_is_labelled_by_its_strongest_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_at_once: int
) -> None:
    monkeypatch.setattr(labelling, "FEATURES_AT_ONCE", n_at_once)
    monkeypatch.setattr(labelling, "TEXTS_AT_ONCE", 7)
    made = make_lake(
        tmp_path / "lake", n_documents=60, n_features=40, density=0.02, n_indexed=3, tokens=(1, 4)
    )
    steps: list[tuple[int, int]] = []
    n = label_collection(
        Session(made.lake), "made/random", on_progress=lambda *at: steps.append(at)
    )
    firing = sorted({code.feature for code in made.codes})
    assert n == len(firing) < 40
    assert steps[-1] == (40, 40)
    found = asked(made.lake, k=None)
    assert [row["feature"] for row in found] == firing
    assert {row["explainer"] for row in found} == {"auto:made"}
    engine = Engine(made.lake.uri)
    for row in found:
        counts = strongest_words(engine, row["feature"])
        on = row["label"].partition(";")[0].removeprefix("fires on ").split(", ")
        assert len(on) == min(len(counts), 5)
        assert [counts[word] for word in on] == [n for _, n in counts.most_common(5)]


def test_labelling_needs_an_index(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=10, n_indexed=0)
    with pytest.raises(NotFound, match="saelake index made/random"):
        label_collection(Session(made.lake), "made/random")
    index(made.lake, made.name)
    assert label_collection(Session(made.lake), "made/random") > 0


# --- automatic: the vector ---


@pytest.mark.parametrize("signed", [False, True])
def test_a_labels_vector_is_a_covariance(tmp_path: Path, signed: bool) -> None:
    made = make_lake(
        tmp_path / "lake",
        n_documents=80,
        n_features=30,
        density=0.015,
        n_indexed=3,
        signed=signed,
        failed={(5, 0)},
    )
    dense = np.random.default_rng(0).normal(0.3, 1, size=(80, 9)).astype(np.float32)
    dense /= np.linalg.norm(dense, axis=1, keepdims=True)
    write_vectors(made.lake.vectors("made"), 9, "m", [(np.arange(80, dtype=np.uint64), dense)])
    label_collection(Session(made.lake), "made/random")
    labels = LabelsTable.open(made.lake, "random", "made")
    rows = labels.read(["feature", "embedder", "embedding"]).to_pylist()
    found = {row["feature"]: row["embedding"] for row in rows if row["embedding"] is not None}
    expected = covariances(made.embeddings().astype(np.float64), dense.astype(np.float64))
    assert set(found) == set(expected)
    assert 0 < len(found) < made.n_features, "rare features have none"
    assert {row["embedder"] for row in rows} == {"m", None}
    for feature, vector in expected.items():
        np.testing.assert_allclose(found[feature], vector, atol=1e-6)


def covariances(values: Floats, dense: Floats) -> dict[int, Floats]:
    """By feature that fires in 5 documents, E[(v / deviation) (e - mean)], without the mean."""
    encoded = ~np.isnan(values).any(axis=1)
    mean = dense.mean(axis=0)
    common = mean / np.linalg.norm(mean)
    v, e = values[encoded], dense[encoded] - mean
    found = {}
    for feature in range(values.shape[1]):
        deviation = v[:, feature].std()
        if (v[:, feature] != 0).sum() >= 5 and deviation > 0:
            covariance = (v[:, feature, None] / deviation * e).mean(axis=0)
            found[feature] = covariance - (covariance @ common) * common
    return found


def test_labels_can_be_made_again(made: MadeLake) -> None:
    index(made.lake, made.name)
    label_collection(Session(made.lake), "made/random")
    without = asked(made.lake, k=None)
    dense = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    write_vectors(made.lake.vectors("made"), 4, "m", [(np.arange(40, dtype=np.uint64), dense)])
    assert Vectors.open(made.lake.vectors("made")) is not None
    write(made.lake, said(1, "by hand", "me"))
    label_collection(Session(made.lake), "made/random")
    again = asked(made.lake, k=None)
    assert [row for row in again if row["feature"] != 1] == [
        row for row in without if row["feature"] != 1
    ]
    assert next(row["label"] for row in again if row["feature"] == 1) == "by hand"
    assert LabelsTable.open(made.lake, "random").are_embedded
