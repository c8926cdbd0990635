"""What a lake answers is right, and the same by every face."""

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from saelake.answers.features import Features
from saelake.answers.lookups import Document, Tokens
from saelake.collection import Collection
from saelake.lake import Lake
from saelake.store.requests.checks import Pooling
from tests.lakes import Code, MadeLake

NAME = "made/random"
QUESTIONS: dict[str, Callable[[Collection], object]] = {
    "tokens": lambda c: c.tokens(3),
    "every token": lambda c: c.tokens(3, k=None, per="token"),
    "few tokens": lambda c: c.tokens(3, k=2, context=4),
    "filtered tokens": lambda c: c.tokens(3, where="label = 'pos'"),
    "spread tokens": lambda c: c.tokens(3, k=7, order="quantiles"),
    "an expression": lambda c: c.tokens("1 & !2", scope="document"),
    "a window": lambda c: c.tokens("1 & 2 & 3", scope="window:4"),
    "a threshold": lambda c: c.tokens("4 > 0.5"),
    "nothing": lambda c: c.tokens(3, where="length < 0"),
    "more than there is": lambda c: c.tokens(3, k=10_000),
    "a selection": lambda c: c.where("label = 'neg'").where("length > 10").tokens(5),
    "features": lambda c: c.features(k=None),
    "some features": lambda c: c.features([5, 1, 3]),
    "a feature numbered by numpy": lambda c: c.feature(c.document("d7").features[0]),
    "no features": lambda c: c.features([]),
    "features of a token": lambda c: c.features(token=" Rain ", order="max"),
    "a document": lambda c: c.document("d7"),
    "a document by number": lambda c: c.document(doc=9, features=[1, 2]),
    "windows": lambda c: c.windows(3, [9, 2, 9], [0, 4, 1000], n_tokens=5),
    "windows of one place": lambda c: c.windows(3, 4, 0),
    "windows of several features": lambda c: c.windows([3, 5, 3], [9, 2, 4], [0, 4, 1]),
    "places": lambda c: c.places([3, 1, 3], k=4),
    "spread places of a selection": lambda c: c.where("length > 10").places(5, order="quantiles"),
    "codes": lambda c: c.codes().read_all(),
    "filtered codes": lambda c: c.codes("label = 'pos'").read_all(),
    "embeddings": lambda c: c.embeddings().read_all(),
    "mean embeddings": lambda c: c.embeddings("label = 'pos'", pooling="mean").read_all(),
    "info": lambda c: c.info(),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_face_answers_as_the_lake_itself(lake: Lake, embedded: Lake, question: str) -> None:
    ask = QUESTIONS[question]
    found, expected = ask(lake[NAME]), ask(embedded[NAME])
    assert type(found) is type(expected)
    assert found == expected


def test_tables_are_the_same_to_the_last_byte(lake: Lake, embedded: Lake) -> None:
    asks: list[Callable[[Collection], Tokens | Features | Document]] = [
        lambda c: c.tokens(3),
        lambda c: c.features(),
        lambda c: c.document("d7"),
    ]
    for ask in asks:
        assert ask(lake[NAME]).to_arrow().equals(ask(embedded[NAME]).to_arrow())


def best_per_document(codes: list[Code]) -> list[Code]:
    ordered = sorted(codes, key=lambda code: (-code.value, code.doc, code.position))
    best: dict[int, Code] = {}
    for code in ordered:
        best.setdefault(code.doc, code)
    return list(best.values())


@pytest.mark.parametrize("feature", range(12))
def test_tokens_are_those_of_brute_force(lake: Lake, made: MadeLake, feature: int) -> None:
    codes = [code for code in made.codes if code.feature == feature]
    hits = lake[NAME].tokens(feature, k=None)
    assert [(h.doc, h.position, h.value) for h in hits] == [
        (code.doc, code.position, code.value) for code in best_per_document(codes)
    ]
    for hit in hits:
        assert hit.token == made.words[hit.doc][hit.position]
        assert hit.id == f"d{hit.doc}"
        assert hit.metadata == {"label": made.labels[hit.doc], "length": len(made.texts[hit.doc])}
        before, token, after = hit.parts
        assert before + token + after == hit.text
        assert token == hit.token
        assert hit.text in made.texts[hit.doc]


def test_a_selection_is_kept_for_every_question(lake: Lake, made: MadeLake) -> None:
    positive = lake[NAME].where("label = 'pos'")
    kept = {doc for doc, label in enumerate(made.labels) if label == "pos"}
    assert set(positive.codes().read_all()["doc"].to_pylist()) <= kept
    assert set(positive.embeddings().read_all()["doc"].to_pylist()) == kept
    assert {hit.doc for hit in positive.tokens(3, k=None)} <= kept
    both = positive.where("label = 'neg' or label = 'pos'").tokens(3, k=None)
    assert both == positive.tokens(3, k=None), "predicates must be bracketed when they are joined"


def test_a_document_has_all_its_codes(lake: Lake, made: MadeLake) -> None:
    doc = next(doc for doc, words in enumerate(made.words) if len(words) > 5)
    found = lake[NAME].document(doc=doc)
    expected = sorted((c.feature, c.position, c.value) for c in made.codes if c.doc == doc)
    listed = [
        (int(feature), int(position), float(value))
        for feature in found.features
        for here in [found.codes(int(feature))]
        for position, value in zip(here.positions, here.values, strict=True)
    ]
    assert listed == expected
    assert [token.text for token in found.tokens] == list(made.words[doc])
    strongest = found.strongest(3)
    assert [a.max for a in strongest] == sorted((a.max for a in strongest), reverse=True)
    assert strongest[0].max == max(value for _, _, value in expected)


def test_exported_vectors_are_those_of_documents(
    lake: Lake, made: MadeLake, tmp_path: Path
) -> None:
    n = lake[NAME].export_vectors(tmp_path / "v.jsonl", texts=True)
    rows = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    assert n == len(rows) == 60
    for doc, row in enumerate(rows):
        largest: dict[str, float] = {}
        for code in made.codes:
            if code.doc == doc:
                key = str(code.feature)
                largest[key] = max(largest.get(key, 0.0), code.value)
        assert row == {"id": f"d{doc}", "text": made.texts[doc], "vector": largest}


def test_exports_hold_every_code(lake: Lake, made: MadeLake, tmp_path: Path) -> None:
    n_codes = lake[NAME].export_codes(tmp_path / "deep" / "codes.parquet")
    rows = pq.read_table(tmp_path / "deep" / "codes.parquet").to_pylist()
    assert n_codes == len(rows) == len(made.codes)
    assert [(r["doc"], r["position"], r["feature"], r["value"]) for r in rows] == sorted(
        (c.doc, c.position, c.feature, c.value) for c in made.codes
    )
    n_documents = lake[NAME].export_embeddings(tmp_path / "embeddings.npz")
    matrix = sparse.load_npz(tmp_path / "embeddings.npz")
    assert matrix.shape == (n_documents, made.n_features) == (60, 12)
    dense = np.full((60, 12), -np.inf)
    for code in made.codes:
        dense[code.doc, code.feature] = max(dense[code.doc, code.feature], code.value)
    np.testing.assert_array_equal(matrix.toarray(), np.where(np.isinf(dense), 0, dense))
    with np.load(tmp_path / "embeddings.npz") as saved:
        assert saved["ids"].tolist() == [f"d{i}" for i in range(60)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "embeddings.npz"]


POOLED: dict[Pooling, Callable[[list[float], int], float]] = {
    "max": lambda values, _: max(values),
    "sum": lambda values, _: sum(values),
    "mean": lambda values, n_tokens: sum(values) / n_tokens,
    "binary": lambda *_: 1.0,
}


@pytest.mark.parametrize("pooling", POOLED)
def test_embeddings_pool_the_values_of_tokens(lake: Lake, made: MadeLake, pooling: Pooling) -> None:
    values: dict[tuple[int, int], list[float]] = defaultdict(list)
    for code in made.codes:
        values[code.doc, code.feature].append(code.value)
    expected = {
        (doc, feature): pytest.approx(POOLED[pooling](here, len(made.words[doc])))
        for (doc, feature), here in values.items()
    }
    rows = lake[NAME].embeddings(pooling=pooling).read_all().to_pylist()
    assert [row["doc"] for row in rows] == list(range(60))
    assert {
        (row["doc"], feature): value
        for row in rows
        for feature, value in zip(row["features"], row["max"], strict=True)
    } == expected


def test_info_and_verify_agree_with_what_was_made(lake: Lake, made: MadeLake) -> None:
    assert lake.collections() == [NAME]
    about = lake[NAME].info()
    assert (about.n_documents, about.n_encoded, about.n_codes) == (60, 60, len(made.codes))
    assert about.n_tokens == sum(map(len, made.words))
    assert (about.n_indexed or 0) < 60, "the last fragment is left to be scanned"
    assert lake.verify().ok
    assert list(lake.verify(NAME).problems) == []


def test_reprs_mark_the_token(lake: Lake) -> None:
    hits = lake[NAME].tokens(3, k=3)
    assert f"<<{hits[0].token}>>" in repr(hits)
    assert f">{hits[0].token}</mark>" in hits._repr_html_()
    assert "d7" in repr(lake[NAME].document("d7"))
    assert "feature" in repr(lake[NAME].features(k=2))
    assert NAME in repr(lake.info())


def test_a_lake_has_its_collections_by_name(lake: Lake) -> None:
    names = lake.collections()
    assert list(lake) == names
    assert len(lake) == len(names) > 0
    assert names[0] in lake
    assert "made/none" not in lake
    assert 5 not in lake
