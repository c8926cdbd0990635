"""A filter means the same, and is refused alike, in every question: in this process and served."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import saelake
from saelake.collection import Collection
from saelake.lake import Lake
from saelake.store.errors import InvalidFilter
from saelake.store.query.parts.words import word_ranking
from saelake.store.requests.checks import Selection
from saelake.store.requests.tokens import TokensQuery
from saelake.store.snapshot.session import Session
from saelake.store.tables.tables import Table
from tests.lakes import make_lake

NAME = "made/random"
PLAIN, QUOTED = "label = 'pos'", "\"label\" = 'pos'"
QUESTIONS: dict[str, Callable[[Collection, str], pa.Table]] = {
    "tokens": lambda c, where: c.tokens(3, k=None, where=where).to_arrow(),
    "places": lambda c, where: c.places([3, 4], where=where).to_arrow(),
    "tokens of two": lambda c, where: c.tokens("2 & 5", scope="document", where=where).to_arrow(),
    "similar": lambda c, where: c.similar(features={3: 1.0}, where=where).to_arrow(),
    "codes": lambda c, where: c.codes(where).read_all(),
    "embeddings": lambda c, where: c.embeddings(where).read_all(),
    "associate": lambda c, where: c.associate("length", where=where).to_arrow(),
    "shares": lambda c, where: c.shares(3, by="length", where=where).to_arrow(),
    "values": lambda c, where: c.values("length", where=where).to_arrow(),
    "cluster": lambda c, where: c.where(where).cluster(2, features=[0, 1, 2]).to_arrow(),
    "correlate": lambda c, where: (
        c.where(where).correlate(min_npmi=0.001, min_documents=2, max_coverage=1).to_arrow()
    ),
    "families": lambda c, where: (
        c.where(where).families(min_npmi=0.001, min_documents=2, max_coverage=1).to_arrow()
    ),
    "diff": lambda c, where: c.where(where).diff(c.where("length > 20")).to_arrow(),
    "select": lambda c, where: c.where("length > 20").select(c.where(where)).to_arrow(),
    "two filters": lambda c, where: c.where("length > 5").codes(where).read_all(),
}
WRONG = [
    "label = 'pos' adn length > 1000",
    "label = 'pos' length > 1000",
    "label = 'pos'; and length > 1000",
    "label = 'pos' limit 1",
    "label = 'pos' -- and length > 1000",
    "label = 'pos') OR (length > 0",
    'label = "pos"',
    "1 = 1",
    "length(repeat(label, 600000000)) > 5",
    "levenshtein(repeat(label, 30), label) > 5",
    "lpad(label, 2147483647) = 'x'",
    f"length(concat({', '.join(['text'] * 60)})) > 5",
    "length" + " + length" * 3000 + " > 3",
    f"regexp_like(text, '{'a*' * 1000}')",
]


def rows(table: pa.Table) -> str:
    dropped = [name for name in ("against", "selection") if name in table.column_names]
    return repr(table.drop_columns(dropped).to_pylist())


@pytest.mark.parametrize("question", QUESTIONS)
def test_double_quotes_name_a_column(lake: Lake, question: str) -> None:
    ask = QUESTIONS[question]
    found = rows(ask(lake[NAME], QUOTED))
    assert found == rows(ask(lake[NAME], PLAIN))
    assert found != rows(ask(lake[NAME], "\"label\" = 'neg'"))


@pytest.mark.parametrize("question", QUESTIONS)
def test_nothing_of_a_filter_is_left_out(lake: Lake, question: str) -> None:
    for wrong in WRONG:
        with pytest.raises(InvalidFilter):
            QUESTIONS[question](lake[NAME], wrong)


def test_nothing_is_deleted_by_a_filter_that_is_refused(embedded: Lake) -> None:
    for wrong in WRONG:
        with pytest.raises(InvalidFilter):
            embedded.delete("made", where=wrong, dry_run=True)


def test_a_selection_is_a_filter(lake: Lake) -> None:
    selection = Selection.parse(f"{NAME} where {QUOTED}")
    assert selection.where == QUOTED
    query = TokensQuery(collection=NAME, expression="3", k=None, where=selection.where)
    asked = lake.transport.ask(query).read_all()
    assert rows(asked) == rows(
        lake.transport.ask(
            TokensQuery(collection=NAME, expression="3", k=None, where=PLAIN)
        ).read_all()
    )


def test_a_selection_and_its_rest_are_everything(tmp_path: Path) -> None:
    """Also the documents of which the filter says nothing, as they have no value."""
    given = pa.array([None if i % 3 == 0 else i for i in range(30)], pa.int64())
    made = make_lake(tmp_path / "lake", n_documents=30, columns={"given": given})
    selected = saelake.connect(made.lake.uri)[NAME].where("given > 15")
    kept, rest = (set(documents(each)) for each in (selected, selected.rest()))
    assert kept == {i for i in range(16, 30) if i % 3}
    assert rest == set(range(30)) - kept
    assert set(documents(selected.where("given < 20").rest())) == set(range(30)) - {16, 17, 19}


def documents(selection: Collection) -> list[int]:
    found: list[int] = selection.embeddings().read_all()["doc"].to_pylist()
    return found


def test_words_are_searched_in_what_a_filter_keeps(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=40, tokens=(3, 12))
    Table.open(made.lake.documents("made")).index_words("text")
    session = Session(made.lake)
    word = made.words[0][0]
    for where, label in ((QUOTED, "pos"), ("\"label\" <> 'pos'", "neg")):
        selected = session.select(Selection(collection=NAME, where=where))
        found = word_ranking(selected, word, where, None, np.empty(0, np.uint64))
        assert found is not None
        expected = {
            doc
            for doc, words in enumerate(made.words)
            if word in words and made.labels[doc] == label
        }
        assert set(found.doc.tolist()) == expected
