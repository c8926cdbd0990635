"""`correlations` equals NPMI counted pair by pair over dense embeddings."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from saelake.store.codes import embeddings
from saelake.store.engine import Engine
from saelake.store.errors import DictionaryMismatch, InvalidInput, NotFound
from saelake.store.format.schema import LABELS_COLUMNS
from saelake.store.labels.labels import write_labels
from saelake.store.query import correlate
from saelake.store.query.correlate import npmi
from saelake.store.query.parts import partners, together
from saelake.store.requests.checks import Selection
from saelake.store.requests.correlate import CorrelateQuery
from saelake.workers.encoder import pack
from tests import lakes
from tests.lakes import MadeLake, add_dictionary, make_lake, reordered

MADE = "made/random"
N = 60
POS = Selection(collection=MADE, where="label = 'pos'")
NEG = Selection(collection=MADE, where="label = 'neg'")
WHOLE = Selection(collection=MADE)
FAILED = [(4, 0), (11, 0), (30, 0)]
Pair = tuple[int, int]
Fires = npt.NDArray[np.bool_]

# Some keys are of several documents, some of one, and some documents have none.
KEYS = [None if i % 11 == 10 else f"k{i % 17}" for i in range(N)]


def columns(labels: Sequence[str]) -> dict[str, pa.Array]:
    """Columns of a lake whose documents have these labels; each twin has one of the other label."""
    turns = {label: (f"t{i}" for i in range(N)) for label in ("pos", "neg")}
    return {
        "key": pa.array(KEYS),
        "number": pa.array([None if key is None else int(key[1:]) for key in KEYS]),
        "twin": pa.array([next(turns[label]) for label in labels]),
        "tags": pa.array([["a"]] * N),
    }


@pytest.fixture(scope="module", params=["plain", "signed"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    folder = tmp_path_factory.mktemp("lake")
    labels = make_lake(folder / "labels", n_documents=N).labels  # of this seed, whatever the codes
    return make_lake(
        folder / "lake",
        n_documents=N,
        density=0.12,
        signed=request.param == "signed",
        columns=columns(labels),
        failed=FAILED,
    )


def ask(made: MadeLake, **how: Any) -> list[dict[str, Any]]:
    given = {
        "a": WHOLE,
        "min_npmi": -1.0,
        "min_documents": 1,
        "max_coverage": 1.0,
        "k": None,
        **how,
    }
    answer = Engine(made.lake.uri).ask(CorrelateQuery(**given)).read_all()
    rows: list[dict[str, Any]] = made.unsigned(answer.to_pylist())
    return rows


def pairs(rows: list[dict[str, Any]]) -> list[Pair]:
    return [(row["feature_a"], row["feature_b"]) for row in rows]


def one_npmi(n_both: int, n_a: int, n_b: int, n: int) -> float:
    """The published formula, for one pair."""
    if n_both == n:
        return 1.0
    p_both, p_a, p_b = (count / n + 1e-10 for count in (n_both, n_a, n_b))
    return log(p_both / (p_a * p_b)) / -log(p_both)


def fires(made: MadeLake, where: str | None = None) -> Fires:
    """Where each feature fires, by document that has an embedding."""
    chosen = [d for d in made.tokens() if where is None or made.labels[d] == where]
    return made.embeddings("binary")[chosen] > 0


def brute_force(a: Fires, b: Fires) -> dict[Pair, dict[str, float]]:
    """Every pair of features of a and b that fires together in some row."""
    found = {}
    for i, j in product(range(a.shape[1]), range(b.shape[1])):
        n_a, n_b, n_both = int(a[:, i].sum()), int(b[:, j].sum()), int((a[:, i] & b[:, j]).sum())
        if n_both:
            found[i, j] = {
                "npmi": one_npmi(n_both, n_a, n_b, len(a)),
                "n_a": n_a,
                "n_b": n_b,
                "n_both": n_both,
                "b_given_a": n_both / n_a,
                "a_given_b": n_both / n_b,
            }
    return found


def each_once(found: dict[Pair, dict[str, float]]) -> dict[Pair, dict[str, float]]:
    return {pair: row for pair, row in found.items() if pair[0] < pair[1]}


def in_order(found: dict[Pair, dict[str, float]]) -> list[Pair]:
    return sorted(found, key=lambda pair: (-round(found[pair]["npmi"], 12), pair))


def check(rows: list[dict[str, Any]], expected: dict[Pair, dict[str, float]]) -> None:
    assert sorted(pairs(rows)) == sorted(expected)
    order = [(-row["npmi"], pair) for row, pair in zip(rows, pairs(rows), strict=True)]
    assert order == sorted(order)  # what shares are summed to may differ in the last digit
    for pair, row in zip(pairs(rows), rows, strict=True):
        assert {name: row[name] for name in expected[pair]} == pytest.approx(expected[pair])


@settings(max_examples=100, deadline=None)
@given(n=st.integers(1, 10**7), shares=st.tuples(*[st.floats(0, 1)] * 3))
def test_npmi(n: int, shares: tuple[float, float, float]) -> None:
    n_a, n_b = (max(int(share * n), 1) for share in shares[:2])
    least = max(n_a + n_b - n, 1)
    n_both = least + int(shares[2] * (min(n_a, n_b) - least))
    (value,) = npmi(np.array([n_both]), np.array([n_a]), np.array([n_b]), n)
    assert value == pytest.approx(one_npmi(n_both, n_a, n_b, n), abs=1e-12)
    assert -1 - 1e-6 <= value <= 1 + 1e-6


def test_as_interp_embed_has_it(made: MadeLake) -> None:
    """One sparse product; the smoothing is of the counts there, which moves NPMI by about 1e-9."""
    x = sparse.csr_array(fires(made).T.astype(np.int64))
    n = x.shape[1]
    both = (x @ x.T).tocoo()
    count = x.sum(axis=1)
    p_both, p_a, p_b = ((c + 1e-10) / n for c in (both.data, count[both.row], count[both.col]))
    values = np.log(p_both / (p_a * p_b)) / -np.log(p_both)
    expected = {(i, j): v for i, j, v in zip(both.row, both.col, values, strict=True) if i < j}
    found = {(row["feature_a"], row["feature_b"]): row["npmi"] for row in ask(made)}
    assert found == pytest.approx(expected, abs=1e-6)


def test_one_selection(made: MadeLake) -> None:
    for where, selection in ((None, WHOLE), ("pos", POS)):
        expected = each_once(brute_force(fires(made, where), fires(made, where)))
        assert len(expected) > 10
        check(ask(made, a=selection), expected)


def test_says_how_many_documents(made: MadeLake) -> None:
    table = Engine(made.lake.uri).ask(CorrelateQuery(a=POS)).read_all()
    said = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert said["n"] == str(len(fires(made, "pos")))
    assert (said["unit"], said["control"], said["test"]) == ("document", "none", "none")


@pytest.mark.parametrize("cache_bytes", [0, 1 << 20])
def test_in_many_small_passes(
    made: MadeLake, cache_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few lines of counts a pass, fewer a stripe, few documents a block: the answer is the same."""
    question = CorrelateQuery(a=WHOLE, min_npmi=-1, min_documents=1, max_coverage=1, k=None)
    some = replace(question, k=9, features=(1, 2, 8, 9, 10))
    whole = [Engine(made.lake.uri).ask(q).read_all() for q in (question, some)]
    monkeypatch.setattr(together, "COUNTS_BYTES", 4 * 12 * 3)
    monkeypatch.setattr(together, "STRIPE_BYTES", 4 * 12 * 2)
    monkeypatch.setattr(embeddings, "SCAN_ROWS", 4)
    monkeypatch.setattr(embeddings, "PIECE_ROWS", 8)
    engine = Engine(made.lake.uri, cache_bytes=cache_bytes)
    assert [engine.ask(q).read_all() for q in (question, some)] == whole


@pytest.mark.parametrize("features", [(3,), (5, 2, 5), tuple(range(12))])
def test_chosen_features(made: MadeLake, features: tuple[int, ...]) -> None:
    """Each pair once, the lower feature first, whichever of them was asked about."""
    expected = each_once(brute_force(fires(made), fires(made)))
    check(
        ask(made, features=tuple(map(made.named, features))),
        {pair: row for pair, row in expected.items() if set(pair) & set(features)},
    )


@pytest.mark.parametrize(("rare", "floor"), [(0.5, -1.0), (0.0, 0.1), (0.3, 0.05)])
def test_floors(made: MadeLake, rare: float, floor: float) -> None:
    """At least as many documents as this share of the pairs does not reach, and as much NPMI."""
    every = each_once(brute_force(fires(made), fires(made)))
    least = int(np.quantile([row["n_both"] for row in every.values()], rare))
    kept = {p: row for p, row in every.items() if row["n_both"] >= least and row["npmi"] >= floor}
    assert 0 < len(kept) < len(every)
    check(ask(made, min_documents=least, min_npmi=floor), kept)


def test_the_first_k_among_ties(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Few documents, so many pairs are equal; the k first are the first of all."""
    made = make_lake(tmp_path_factory.mktemp("ties"), n_documents=6, density=0.1, seed=6)
    every = ask(made)
    assert max(Counter(row["npmi"] for row in every).values()) > 3
    assert pairs(every) == in_order(each_once(brute_force(fires(made), fires(made))))
    for k in (1, 2, 5, len(every), 1000):
        assert ask(made, k=k) == every[:k]


def sides_of(made: MadeLake, column: str) -> dict[str, tuple[list[int], list[int]]]:
    """Of each value of the column that both sides have, its encoded documents on either."""
    values = columns(made.labels)[column].to_pylist()
    found: dict[str, tuple[list[int], list[int]]] = {}
    for doc in made.tokens():
        if values[doc] is not None:
            sides = found.setdefault(str(values[doc]), ([], []))
            sides[made.labels[doc] == "neg"].append(doc)
    return {value: sides for value, sides in found.items() if all(sides)}


def by_value(made: MadeLake, column: str) -> dict[Pair, dict[str, float]]:
    """Every pair of features, from the definition: a mean over values of a mean over their pairs.

    Of documents, one of each side; `n_both` counts the values that have a pair with both.
    """
    fired = made.embeddings("binary") > 0
    values = sides_of(made, column).values()
    found = {}
    for i, j in product(range(made.n_features), repeat=2):
        in_a = [np.mean([fired[d, i] for d in docs]) for docs, _ in values]
        in_b = [np.mean([fired[d, j] for d in docs]) for _, docs in values]
        both = [np.mean([fired[d, i] & fired[e, j] for d, e in product(*docs)]) for docs in values]
        p, p_a, p_b = (np.mean(shares) + 1e-10 for shares in (both, in_a, in_b))
        if np.any(both):
            found[i, j] = {
                "npmi": 1.0 if np.mean(both) == 1 else log(p / (p_a * p_b)) / -log(p),
                "n_a": np.count_nonzero(in_a),
                "n_b": np.count_nonzero(in_b),
                "n_both": np.count_nonzero(both),
                "b_given_a": np.sum(both) / np.sum(in_a),
                "a_given_b": np.sum(both) / np.sum(in_b),
            }
    return found


@pytest.mark.parametrize("column", ["key", "number", "twin"])
@pytest.mark.parametrize("features", [(), (3, 7)])
def test_two_aligned_selections(made: MadeLake, column: str, features: tuple[int, ...]) -> None:
    """All partners of a value count, unequally many; `twin` has one on either side."""
    sizes = [tuple(map(len, docs)) for docs in sides_of(made, column).values()]
    assert len(sizes) > 8
    assert (set(sizes) == {(1, 1)}) == (column == "twin")
    expected = by_value(made, column)
    if features:
        expected = {pair: row for pair, row in expected.items() if pair[0] in features}
    assert any(pair[0] >= pair[1] for pair in expected)
    named = tuple(map(made.named, features))
    check(ask(made, a=POS, b=NEG, align=column, features=named), expected)


def test_aligned_texts_say_who_has_no_partner(made: MadeLake) -> None:
    table = Engine(made.lake.uri).ask(CorrelateQuery(a=POS, b=NEG, align="key")).read_all()
    said = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    sides = sides_of(made, "key")
    used = [sum(len(docs[side]) for docs in sides.values()) for side in (0, 1)]
    every = [sum(made.labels[d] == label for d in made.tokens()) for label in ("pos", "neg")]
    assert said["n"] == str(len(sides))
    assert said["unit"] == "value of key"
    assert [said["n_documents_a"], said["n_documents_b"]] == [str(n) for n in used]
    alone = [n - m for n, m in zip(every, used, strict=True)]
    assert all(alone)
    assert [said["n_alone_a"], said["n_alone_b"]] == [str(n) for n in alone]
    note, *missing = json.loads(said["notes"])
    for label, name in (("pos", "first"), ("neg", "second")):
        n = sum(made.labels[d] == label for d in range(N)) - every[label == "neg"]
        are = "document of the {} is" if n == 1 else "documents of the {} are"
        assert any(each.startswith(f"{n} {are.format(name)} not encoded") for each in missing)
    assert f"{alone[0]} documents of the first and {alone[1]} of the second have no partner" in note


def test_a_document_that_is_its_own_partner_is_told(made: MadeLake) -> None:
    table = Engine(made.lake.uri).ask(CorrelateQuery(a=POS, b=WHOLE, align="key")).read_all()
    notes = json.loads(table.schema.metadata[b"notes"])
    assert any("documents are on both sides" in note for note in notes)


@pytest.mark.parametrize("seed", [1, 2])
def test_aligned_texts_in_any_order_of_import(tmp_path: Path, seed: int) -> None:
    """What is imported in another order has the same answer, to the last bit."""
    keys = {"key": pa.array(KEYS)}
    first = make_lake(tmp_path / "a", n_documents=N, seed=4, columns=keys)
    order = np.random.default_rng(seed).permutation(N).tolist()
    other = reordered(first, order, tmp_path / "b", keys)
    answers = [ask(made, a=POS, b=NEG, align="key") for made in (first, other)]
    assert len(answers[0]) > 10
    assert answers[0] == answers[1]


def test_aligned_in_chunks(made: MadeLake, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [ask(made, a=POS, b=NEG, align=column) for column in ("key", "twin")]
    monkeypatch.setattr(partners, "DOCUMENTS_AT_ONCE", 2)
    monkeypatch.setattr(together, "COUNTS_BYTES", 4 * 12 * 5)
    monkeypatch.setattr(together, "STRIPE_BYTES", 4 * 12 * 2)
    for column, expected in zip(("key", "twin"), whole, strict=True):
        rows = ask(made, a=POS, b=NEG, align=column)
        assert pairs(rows) == pairs(expected)
        assert [r["npmi"] for r in rows] == pytest.approx([r["npmi"] for r in expected])


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    """Documents of several parts of 8 tokens; two features that share documents, not tokens."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (lakes, pack):
            patch.setattr(module, "MAX_PART_TOKENS", 8)
        return make_lake(
            tmp_path_factory.mktemp("spread"), n_documents=20, tokens=(6, 30), density=0.05, seed=8
        )


def near_share(made: MadeLake, a: int, b: int, label: str | None = None) -> float:
    """The share of documents in which the two fire on the same or the next token of one part."""
    near = []
    for doc, codes in made.tokens().items():
        if label not in (None, made.labels[doc]):
            continue
        mine, theirs = (np.flatnonzero(codes[:, f]) for f in (a, b))
        if len(mine) and len(theirs):
            same_part = mine[:, None] // made.part_tokens == theirs // made.part_tokens
            near.append(bool(((np.abs(mine[:, None] - theirs) <= 1) & same_part).any()))
    return float(np.mean(near))


def test_adjacent_pairs_are_dropped(spread: MadeLake, monkeypatch: pytest.MonkeyPatch) -> None:
    from saelake.store.codes import table as codes

    monkeypatch.setattr(codes, "MAX_PART_TOKENS", 8)
    for label, selection in ((None, WHOLE), ("pos", POS)):
        every = ask(spread, a=selection)
        expected = [row for row in every if near_share(spread, *pairs([row])[0], label) <= 0.5]
        assert 3 < len(expected) < len(every)
        assert ask(spread, a=selection, adjacent="drop") == expected
        assert ask(spread, a=selection, adjacent="drop", k=2) == expected[:2]


def test_adjacent_only_among_the_strongest(
    spread: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pair is looked at only as long as it is among the 20 k strongest."""
    monkeypatch.setattr(correlate, "CANDIDATES", 3)
    first = pairs(ask(spread, k=3))
    assert (
        pairs(ask(spread, adjacent="drop", k=1))
        == [pair for pair in first if near_share(spread, *pair) <= 0.5][:1]
    )


def test_unlike_labels(made: MadeLake) -> None:
    """Pairs with a label that has no embedding are left out when likeness matters."""
    directions = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    rows = [
        {"feature": f, "label": f"label {f}", "explainer": "test", "score": 1.0, "embedder": "e"}
        | {"embedding": None if f == 7 else directions[f].tolist()}
        for f in range(11)
    ]
    write_labels(made.lake, "random", pa.Table.from_pylist(rows, schema=LABELS_COLUMNS))
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    every = ask(made)
    for row in every:
        a, b = row["feature_a"], row["feature_b"]
        known = 7 not in (a, b) and b < 11
        similarity = pytest.approx(float(unit[a] @ unit[b]), abs=1e-6) if known else None
        assert row["label_similarity"] == similarity
        assert (row["label_a"], row["label_b"]) == tuple(
            f"label {f}" if f < 11 else None for f in (a, b)
        )
    unlike = [row for row in every if (row["label_similarity"] or 1) <= 0.2]
    assert 3 < len(unlike) < len(every)
    for row in unlike:  # of many pairs the cosines are made otherwise, and rounded otherwise
        row["label_similarity"] = pytest.approx(row["label_similarity"], abs=1e-6)
    assert ask(made, max_label_similarity=0.2) == unlike
    query = CorrelateQuery(a=WHOLE, max_label_similarity=0.2)
    notes = json.loads(Engine(made.lake.uri).ask(query).read_all().schema.metadata[b"notes"])
    n = made.n_features - 10
    are = "feature has" if n == 1 else "features have"
    assert any(note.startswith(f"{n} {are} no label with a vector") for note in notes)
    assert ask(made, max_label_similarity=0.2, k=2) == unlike[:2]


def test_labels_that_are_not_embedded(spread: MadeLake) -> None:
    assert {row["label_similarity"] for row in ask(spread)} == {None}
    with pytest.raises(NotFound, match="saelake label"):
        ask(spread, max_label_similarity=0.2)


def test_nothing_to_correlate(made: MadeLake, tmp_path_factory: pytest.TempPathFactory) -> None:
    nobody = Selection(collection=MADE, where="length > 1000")
    single = Selection(collection=MADE, where="id = 'd1'")
    assert ask(made, a=nobody) == []
    assert ask(made, a=nobody, features=(3,)) == []
    assert ask(made, min_documents=N + 1) == []
    assert {row["npmi"] for row in ask(made, a=single)} <= {1.0}
    silent = make_lake(tmp_path_factory.mktemp("silent"), density=0.0)
    assert ask(silent) == []
    assert ask(silent, features=(3,)) == []


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ({"b": NEG, "align": "kee"}, InvalidInput, "Did you mean 'key'"),
        ({"b": NEG, "align": "tags"}, InvalidInput, "tags has values of type list"),
        (
            {"b": Selection(collection=MADE, where="doc < 0"), "align": "key"},
            InvalidInput,
            "same key",
        ),
        ({"b": NEG}, InvalidInput, "name it with align"),
        ({"align": "key"}, InvalidInput, "give a second selection, .* or leave out align"),
        ({"b": NEG, "align": "key", "adjacent": "drop"}, InvalidInput, "never adjacent"),
        ({"features": (99,)}, NotFound, "0 to 11"),
        ({"min_npmi": 1.5}, InvalidInput, "from -1 to 1"),
        ({"min_documents": 0}, InvalidInput, "min_documents"),
        ({"a": Selection(collection="made/none")}, NotFound, "made/random"),
    ],
)
def test_wrong_questions(
    made: MadeLake, how: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        ask(made, **how)


def test_features_of_different_dictionaries(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = make_lake(tmp_path_factory.mktemp("two"), n_documents=6)
    add_dictionary(made, "other")
    with pytest.raises(DictionaryMismatch, match="use match"):
        ask(made, b=Selection(collection="made/other"), align="label")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 1.0])
def test_features_that_fire_nearly_everywhere_are_left_out(made: MadeLake, share: float) -> None:
    n = made_n(made)
    every = ask(made)
    kept = [row for row in every if row["n_a"] <= share * n and row["n_b"] <= share * n]
    assert ask(made, max_coverage=share) == kept


def made_n(made: MadeLake) -> int:
    table = Engine(made.lake.uri).ask(CorrelateQuery(a=WHOLE)).read_all()
    return int(table.schema.metadata[b"n"])
