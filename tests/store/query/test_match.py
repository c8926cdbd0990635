"""`match` equals correlations and overlaps over dense token matrices of two dictionaries."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from saelake.store.engine import Engine
from saelake.store.errors import DictionaryMismatch, InvalidFilter, InvalidInput, NotFound
from saelake.store.format.schema import MAX_PART_TOKENS
from saelake.store.index.vectors import write_vectors
from saelake.store.lake.lake import CollectionName
from saelake.store.query.parts import crossing
from saelake.store.requests.match import MatchQuery
from saelake.workers.encoder import pack
from tests import lakes
from tests.elsewhere import Elsewhere
from tests.lakes import MadeLake, add_dictionary, by_pole, make_lake

A, B = "made/random", "made/other"
Floats = npt.NDArray[np.float64]
Two = tuple[MadeLake, MadeLake]

# In a document 3 failed and part 0 of 20 (of 8 tokens); in b document 5.
FAILED_A, FAILED_B = [(3, 0), (20, 0)], [(5, 0)]
D_SAE_B = 9  # of features, of which the signed one has two poles each; those of a have one


@pytest.fixture(scope="module", params=["plain", "signed", "parts"])
def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Two:
    folder: Path = tmp_path_factory.mktemp("lake")
    n_tokens = 8 if request.param == "parts" else MAX_PART_TOKENS
    with pytest.MonkeyPatch.context() as patch:
        for module in (lakes, pack):
            patch.setattr(module, "MAX_PART_TOKENS", n_tokens)
        a = make_lake(folder, tokens=(0, 20), failed=FAILED_A, density=0.2)
        signed = request.param == "signed"
        return a, add_dictionary(
            a, "other", n_features=D_SAE_B, signed=signed, failed=FAILED_B, density=0.15
        )


def ask(made: MadeLake, **how: Any) -> list[dict[str, Any]]:
    given = {"a": A, "b": B, "k": 50, **how}
    answer = Engine(made.lake.uri).ask(MatchQuery(**given)).read_all()
    rows: list[dict[str, Any]] = by_pole(answer.to_pylist(), D_SAE_B)
    return rows


def same_tokens(two: Two, docs: list[int]) -> tuple[Floats, Floats]:
    """The codes (n_tokens, n_features) of both, at the tokens that both have encoded."""
    kept: list[tuple[Floats, Floats]] = []
    whole = [_whole(made) for made in two]
    for doc in docs:
        part = np.arange(len(two[0].words[doc])) // two[0].part_tokens
        failed = [p for made in two for other, p in made.failed if other == doc]
        both = ~np.isin(part, failed)
        kept.append((whole[0][doc][both], whole[1][doc][both]))
    mine, theirs = zip(*kept, strict=True)
    return np.concatenate(mine), np.concatenate(theirs)


def _whole(made: MadeLake) -> list[Floats]:
    matrices = [np.zeros((len(words), made.n_features)) for words in made.words]
    for code in made.codes:
        matrices[code.doc][code.position, code.feature] = code.value
    return matrices


def pearson(x: Floats, y: Floats) -> float:
    return float(np.corrcoef(x, y)[0, 1])


def jaccard(x: Floats, y: Floats) -> float:
    return float(((x != 0) & (y != 0)).sum() / ((x != 0) | (y != 0)).sum())


MEASURES: dict[str, Callable[[Floats, Floats], float]] = {
    "activation": pearson,
    "jaccard": jaccard,
}


def brute_force(two: Two, by: str, docs: list[int] | None = None) -> list[dict[str, Any]]:
    """All pairs that fire at one token, in the order of the answer."""
    x, y = same_tokens(two, list(range(len(two[0].words))) if docs is None else docs)
    rows = []
    for a, b in np.ndindex(x.shape[1], y.shape[1]):
        n_both = int(((x[:, a] != 0) & (y[:, b] != 0)).sum())
        if n_both:
            rows.append(
                {
                    "feature_a": a,
                    "feature_b": b,
                    "score": MEASURES[by](x[:, a], y[:, b]),
                    "n_a": int((x[:, a] != 0).sum()),
                    "n_b": int((y[:, b] != 0).sum()),
                    "n_both": n_both,
                    "label_a": None,
                    "label_b": None,
                }
            )
    return sorted(rows, key=lambda r: (r["feature_a"], -round(r["score"], 12), r["feature_b"]))


def check(rows: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert rows == [row | {"score": pytest.approx(row["score"], abs=1e-9)} for row in expected]


def first(rows: list[dict[str, Any]], k: int) -> list[dict[str, Any]]:
    """The first k of each feature of a."""
    return [
        row
        for i, row in enumerate(rows)
        if sum(earlier["feature_a"] == row["feature_a"] for earlier in rows[:i]) < k
    ]


@pytest.mark.parametrize("by", MEASURES)
def test_every_pair(two: Two, by: str) -> None:
    expected = brute_force(two, by)
    assert len({row["feature_a"] for row in expected}) == 12
    check(ask(two[0], by=by), expected)


@pytest.mark.parametrize("by", MEASURES)
def test_the_first_k_of_each_feature(two: Two, by: str) -> None:
    for k in (1, 3):
        check(ask(two[0], by=by, k=k), first(brute_force(two, by), k))


READING = "saelake.store.query.parts.same_tokens.MOST_AT_ONCE"
PAIR_BYTES = 12 * 9  # of the sums of a feature of a with all of b

# Sums of all features in one pass, or of few; codes are held, or some are added at a time.
SIZES: dict[str, dict[str, int]] = {
    "held": {"STRIPE_BYTES": 2 * PAIR_BYTES, "PARTS": 3},
    "in one pass": {"GROUP_BYTES": 1, "STRIPE_BYTES": 5 * PAIR_BYTES},
    "in passes": {"SUMS_BYTES": 2 * PAIR_BYTES, "HELD_BYTES": 1, "GROUP_BYTES": 1},
}


@pytest.mark.parametrize("by", MEASURES)
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_in_little_memory(
    two: Two, by: str, sizes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(READING, 5)
    for name, n_bytes in sizes.items():
        monkeypatch.setattr(crossing, name, n_bytes)
    check(ask(two[0], by=by), brute_force(two, by))
    chosen = [row for row in first(brute_force(two, by), 2) if row["feature_a"] in (1, 4, 11)]
    check(ask(two[0], by=by, k=2, features=(1, 4, 11)), chosen)


@pytest.mark.parametrize("by", MEASURES)
def test_what_never_fires_is_in_no_later_pass(
    tmp_path: Path, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_lake(tmp_path, density=0.004, n_features=60, tokens=(2, 9))
    other = add_dictionary(made, "other", n_features=70, density=0.004)
    expected = brute_force((made, other), by)
    x, y = same_tokens((made, other), list(range(len(made.words))))
    assert ((x != 0).sum(axis=0) == 0).sum() > 10 < ((y != 0).sum(axis=0) == 0).sum()
    monkeypatch.setattr(crossing, "SUMS_BYTES", 12 * 70 * 4)
    monkeypatch.setattr(READING, 11)
    assert n_passes(made, by) == 1  # all codes fit in memory, though their sums do not
    monkeypatch.setattr(crossing, "HELD_BYTES", 1)
    check(ask(made, by=by), expected)
    fires = (x[:, 12 if by == "jaccard" else 4 :] != 0).any(axis=0).sum()
    each = (12 * 70 * 4) // ((4 if by == "jaccard" else 12) * (y != 0).any(axis=0).sum())
    assert n_passes(made, by) == 1 + -(-fires // each) < 60 / (12 if by == "jaccard" else 4)


def n_passes(made: MadeLake, by: str) -> int:
    """How often all codes are read."""
    executor = Elsewhere()
    Engine(made.lake.uri, executor=executor).ask(MatchQuery(a=A, b=B, by=by)).read_all()  # type: ignore[arg-type]
    return executor.sent.count("ReadingBoth")


def test_chosen_features_and_documents(two: Two) -> None:
    docs = [doc for doc, label in enumerate(two[0].labels) if label == "pos"]
    expected = [row for row in brute_force(two, "activation", docs) if row["feature_a"] in (2, 7)]
    check(ask(two[0], features=(7, 2, 7), where="label = 'pos'"), expected)


def test_what_is_left_out_is_said(two: Two) -> None:
    table = Engine(two[0].lake.uri).ask(MatchQuery(a=A, b=B, k=1, features=(0, 1))).read_all()
    notes = json.loads(table.schema.metadata[b"notes"])
    known = [set(made.tokens()) for made in two]
    for name, alone in ((A, known[0] - known[1]), (B, known[1] - known[0])):
        are = "document is" if len(alone) == 1 else "documents are"
        left_out = "is" if len(alone) == 1 else "are"
        said = f"{len(alone)} {are} encoded in {name} alone, and {left_out} left out."
        assert (said in notes) == bool(alone)
    assert len(notes) == sum(bool(known[i] - known[1 - i]) for i in (0, 1))


def test_features_without_a_match_are_counted(tmp_path: Path) -> None:
    made = make_lake(tmp_path, density=0.0)
    add_dictionary(made, "other", n_features=4)
    table = Engine(made.lake.uri).ask(MatchQuery(a=A, b=B)).read_all()
    assert table.num_rows == 0
    assert json.loads(table.schema.metadata[b"notes"]) == [
        "12 features of the first never fire at one token with one of the second, and are left out."
    ]


def test_a_dictionary_matches_itself(two: Two) -> None:
    for by in MEASURES:
        rows = ask(two[0], b=A, by=by, k=1)
        assert [(row["feature_a"], row["feature_b"]) for row in rows] == [(f, f) for f in range(12)]
        assert [row["score"] for row in rows] == pytest.approx([1.0] * 12)


def test_a_feature_that_never_changes(tmp_path: Path) -> None:
    """At every token the same value: it goes with nothing, as far as a correlation can say."""
    a = make_lake(tmp_path, density=1.0, levels=1)
    add_dictionary(a, "other")
    assert {row["score"] for row in ask(a)} == {0.0}


def test_nothing_to_match(two: Two, tmp_path: Path) -> None:
    assert ask(two[0], where="length > 1000") == []
    assert ask(two[0], where="id = 'd3'") == []  # which could not be encoded
    silent = make_lake(tmp_path, density=0.0)
    add_dictionary(silent, "other")
    assert ask(silent) == []
    assert ask(silent, features=(3,), by="jaccard") == []


def test_one_document(two: Two) -> None:
    check(ask(two[0], by="jaccard", where="id = 'd8'"), brute_force(two, "jaccard", [8]))


def directions(n: int, width: int, seed: int) -> npt.NDArray[np.float32]:
    raw = np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)
    unit: npt.NDArray[np.float32] = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    return unit


def store_decoder(made: MadeLake, dictionary: str, vectors: npt.NDArray[np.float32]) -> None:
    batches = [(np.arange(len(vectors)), vectors)]
    write_vectors(made.lake.decoder(dictionary), vectors.shape[1], "fingerprint", batches)


def test_decoder_directions(tmp_path: Path) -> None:
    """Nearest by cosine; nothing is counted, and the corpora may be others."""
    made = make_lake(tmp_path)
    add_dictionary(made, "other")
    mine, theirs = directions(12, 6, 0), directions(9, 6, 1)
    store_decoder(made, "random", mine)
    store_decoder(made, "other", theirs)
    cosines = (mine @ theirs.T).astype(np.float64)
    for k in (1, 4, 100):
        rows = ask(made, by="decoder", k=k, features=(11, 3))
        expected = [(a, int(b)) for a in (3, 11) for b in np.argsort(-cosines[a])[:k]]
        assert [(row["feature_a"], row["feature_b"]) for row in rows] == expected
        assert [row["score"] for row in rows] == pytest.approx(
            [cosines[pair] for pair in expected], abs=1e-6
        )
        assert {row[name] for row in rows for name in ("n_a", "n_b", "n_both")} == {None}
    assert len(ask(made, by="decoder", k=2)) == 24


def test_decoders_of_different_spaces(tmp_path: Path) -> None:
    made = make_lake(tmp_path)
    add_dictionary(made, "other")
    with pytest.raises(NotFound, match="saelake encode"):
        ask(made, by="decoder")
    store_decoder(made, "random", directions(12, 6, 0))
    store_decoder(made, "other", directions(9, 5, 0))
    with pytest.raises(DictionaryMismatch, match=r"6 numbers.*5: .*activation"):
        ask(made, by="decoder")


def test_other_tokens(tmp_path: Path) -> None:
    """A model that cuts the texts differently."""
    made = make_lake(tmp_path)
    cut = [words[:-1] for words in made.words]
    add_dictionary(replace(made, words=cut), "other")
    with pytest.raises(DictionaryMismatch, match=r"made/random and made/other.*different tokens"):
        ask(made)
    swapped = [["sun" if word == "rain" else word for word in words] for words in made.words]
    add_dictionary(replace(made, words=swapped), "third")
    with pytest.raises(DictionaryMismatch, match="different tokens"):
        ask(made, b="made/third")


def test_other_corpora(tmp_path: Path) -> None:
    made = make_lake(tmp_path)
    make_lake(tmp_path, name=CollectionName("more", "random"))
    with pytest.raises(InvalidInput, match="different corpora"):
        ask(made, b="more/random")


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ({"features": (12,)}, NotFound, "0 to 11"),
        ({"where": "nosuch = 1"}, InvalidFilter, "nosuch"),
        ({"b": "made/none"}, NotFound, "made/other"),
        ({"by": "cosine"}, InvalidInput, "by cannot be"),
        ({"k": 0}, InvalidInput, "at least 1"),
    ],
)
def test_wrong_questions(two: Two, how: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        ask(two[0], **how)
