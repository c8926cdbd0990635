"""Strata of documents, against plain loops over what was put into the lake."""

import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from saelake.store.errors import InvalidInput
from saelake.store.query.parts.lengths import NOT_ENCODED, lengths
from saelake.store.query.parts.strata import _binned, strata
from saelake.store.requests.checks import Selection
from saelake.store.snapshot.session import Session
from tests.lakes import MadeLake, make_lake

N = 60
YEARS = [None if i % 11 == 0 else 1990 + i % 4 for i in range(N)]
SCORES = [float("nan") if i % 13 == 0 else (i * 7919 % 101) / 7 for i in range(N)]
DAYS = [datetime.date(2020, 1, 1) + datetime.timedelta(days=i * i % 400) for i in range(N)]
AUTHORS = [None if i % 9 == 0 else f"author {i % 5}" for i in range(N)]
COLUMNS = {
    "year": pa.array(YEARS, pa.int16()),
    "score": pa.array(SCORES, pa.float32()),
    "day": pa.array(DAYS, pa.date32()),
    "author": pa.array(AUTHORS, pa.string()),
    "tags": pa.array([["a"]] * N, pa.list_(pa.string())),
}
FAILED = {(7, 0), (20, 0)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    folder = tmp_path_factory.mktemp("strata") / "lake"
    return make_lake(folder, n_documents=N, columns=COLUMNS, failed=FAILED, seed=3)


@pytest.fixture(scope="module")
def session(made: MadeLake) -> Session:
    return Session(made.lake)


POS, NEG = (
    Selection(collection="made/random", where=f"label = '{label}'") for label in ("pos", "neg")
)
ALL = Selection(collection="made/random")


def test_lengths_are_counted_in_tokens(made: MadeLake, session: Session) -> None:
    tokens = made.tokens()
    expected = [len(tokens[doc]) if doc in tokens else NOT_ENCODED for doc in range(N)]
    found = lengths(session, session.select(POS))
    assert found.tolist() == expected
    assert lengths(session, session.select(ALL)) is found


def test_each_value_of_a_text_is_a_stratum(made: MadeLake, session: Session) -> None:
    a, b = session.select(POS), session.select(NEG)
    found = strata(session, [a, b], ["author"])
    assert found.n == 5
    assert found.controls == ("author (5 values)",)
    by_stratum: dict[int, set[str | None]] = {}
    for side, label in zip(found.of, ("pos", "neg"), strict=True):
        assert side.dtype == np.int32
        for doc in range(N):
            inside = made.labels[doc] == label and AUTHORS[doc] is not None
            assert (side[doc] >= 0) == inside
            if inside:
                by_stratum.setdefault(int(side[doc]), set()).add(AUTHORS[doc])
    assert sorted(by_stratum) == list(range(5))
    assert all(len(values) == 1 for values in by_stratum.values())


@pytest.mark.parametrize(("column", "values"), [("score", SCORES), ("day", DAYS)])
def test_numbers_are_cut_at_quantiles(session: Session, column: str, values: list[object]) -> None:
    found = strata(session, [session.select(ALL)], [column], n_bins=6)
    (of,) = found.of
    known = [doc for doc in range(N) if values[doc] == values[doc]]
    assert (of >= 0).nonzero()[0].tolist() == known
    assert found.controls == (f"{column} in 6 bins",)
    sizes = np.bincount(of[known])
    assert len(sizes) == found.n == 6
    assert sizes.min() >= len(known) // 6 - 3
    by_value = sorted((values[doc], int(of[doc])) for doc in known)
    bins = [number for _, number in by_value]
    assert bins == sorted(bins)
    assert len(dict(by_value)) == len(set(by_value))  # equal values are in one bin


def test_few_numbers_are_a_stratum_each(session: Session) -> None:
    (of,) = strata(session, [session.select(ALL)], ["year"]).of
    for doc in range(N):
        assert (of[doc] < 0) == (YEARS[doc] is None)
    pairs = {(YEARS[doc], int(of[doc])) for doc in range(N) if YEARS[doc] is not None}
    assert len(pairs) == 4


def test_controls_are_combined(made: MadeLake, session: Session) -> None:
    found = strata(session, [session.select(ALL)], ["length()", "author"], n_bins=3)
    tokens = made.tokens()
    seen: dict[int, set[str | None]] = {}
    for doc in range(N):
        assert (found.of[0][doc] >= 0) == (doc in tokens and AUTHORS[doc] is not None)
        if found.of[0][doc] >= 0:
            seen.setdefault(int(found.of[0][doc]), set()).add(AUTHORS[doc])
    assert sorted(seen) == list(range(found.n))
    assert 5 < found.n <= 15
    assert all(len(authors) == 1 for authors in seen.values())
    assert found.controls == ("length in 3 bins", "author (5 values)")


def test_the_column_length_is_not_the_number_of_tokens(made: MadeLake, session: Session) -> None:
    with pytest.raises(InvalidInput, match=r'write length\(\) .* or "length"'):
        strata(session, [session.select(ALL)], ["length"])
    column, tokens = (
        strata(session, [session.select(ALL)], [name]).of[0] for name in ('"length"', "length()")
    )
    assert (column >= 0).all()
    assert (tokens[[7, 20]] == -1).all()
    characters = [len(text) for text in made.texts]
    order = np.argsort(characters, kind="stable")
    assert (np.diff(column[order]) >= 0).all()


@pytest.mark.parametrize(
    ("control", "said"),
    [("yaer", "Did you mean 'year'"), ("tags", "tags has values of type list")],
)
def test_what_makes_no_strata_is_named(session: Session, control: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        strata(session, [session.select(ALL)], [control])


def test_columns_of_two_kinds_are_not_compared(session: Session, tmp_path: Path) -> None:
    texts = {"year": pa.array(["one"] * 8)}
    other = make_lake(tmp_path / "lake", n_documents=8, columns=texts)
    b = Session(other.lake).select(ALL)
    with pytest.raises(InvalidInput, match="numbers in one corpus and texts in another"):
        strata(session, [session.select(ALL), b], ["year"])


def test_documents_cut_at_a_length_are_a_stratum_of_their_own() -> None:
    n_tokens = np.concatenate([np.arange(1000.0), np.full(9000, 1000.0)])
    binned = _binned(n_tokens, np.ones(len(n_tokens), np.bool_), "length", 20)
    assert len(set(binned.codes[n_tokens == 1000])) == 1
    assert set(binned.codes[n_tokens == 1000]).isdisjoint(binned.codes[n_tokens < 1000])
