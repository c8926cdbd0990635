"""Expressions of features: what they cost to answer, what bounds them, and what is refused."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.store.engine import Engine
from saelake.store.errors import InvalidExpression, InvalidInput
from saelake.store.growth.index import index
from saelake.store.index import features as feature_totals
from saelake.store.index import layout, merge
from saelake.store.index.segments import scan_posting_lists, scan_postings
from saelake.store.query.parts import combined, lists
from saelake.store.query.parts import search as query_search
from saelake.store.query.parts.candidates import WHOLE_DOCUMENT, Asked, Candidates
from saelake.store.query.parts.combined import Combined
from saelake.store.query.parts.expression import NOTHING, Expression, FeatureTerm, parse
from saelake.store.query.parts.search import search
from saelake.store.requests.tokens import TokensQuery
from saelake.store.snapshot.collection import Collection
from tests.lakes import MADE, MadeLake, lake_of, make_lake

N_TOKENS = 6


@pytest.fixture(autouse=True)
def _short_tiers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiers of 8 and 32 postings, so that small lakes have all of them."""
    for module in (layout, merge, feature_totals, query_search, lists):
        monkeypatch.setattr(module, "TIERS", (8, 32))
    monkeypatch.setattr(combined, "FEW_DOCUMENTS", 4)
    monkeypatch.setattr(combined, "TRIED_DOCUMENTS", 40)
    monkeypatch.setattr(combined, "DOCUMENTS_PER_READ", 16)


def _searched(
    folder: Path,
    documents: list[npt.NDArray[np.float32]],
    expression: str,
    *,
    k: int | None = 5,
    reach: int = 0,
) -> tuple[Combined, list[int]]:
    """The search after it, and the documents that it found, strongest first."""
    lake = lake_of(folder, documents, columns={})
    index(lake, MADE)
    collection = Collection(lake, MADE)
    asked = Asked(expression=parse(expression), reach=reach, poles=collection.settings.poles)
    made = Combined(collection, asked, None, best_only=True, k=k)
    found = made.search().strongest(k)
    whole = Combined(collection, asked, None, best_only=True, k=None).search().strongest(k)
    assert found.doc.tolist() == whole.doc.tolist()
    assert found.value.tolist() == whole.value.tolist()
    return made, found.doc.tolist()


def _documents(n: int) -> list[npt.NDArray[np.float32]]:
    return [np.zeros((N_TOKENS, 4), np.float32) for _ in range(n)]


def test_documents_in_which_features_meet_at_their_strongest_are_not_read(tmp_path: Path) -> None:
    documents = _documents(300)
    for number, codes in enumerate(documents):
        value = 1 + (299 - number) / 100
        codes[2, 0], codes[2 if number < 20 else 3, 1] = value, value
    made, found = _searched(tmp_path, documents, "0 & 1")
    assert found == [0, 1, 2, 3, 4]
    assert made.n_documents_read == 0
    assert made.lists.n_read <= 2 * (8 + 32)  # and of the lists no last tier


def _apart(n: int, *, meeting: int) -> list[npt.NDArray[np.float32]]:
    """Documents in which two features are strongest at tokens of their own; in some they meet."""
    documents = _documents(n)
    for number, codes in enumerate(documents):
        value = 1 + (n - 1 - number) / 100
        codes[1, 0], codes[4, 1] = value, value
        codes[2, 0], codes[5, 1] = value / 2, value / 2
        if number % meeting == meeting - 1:
            codes[2, 1] = value / 3
    return documents


def test_documents_in_which_features_never_meet_are_not_read(tmp_path: Path) -> None:
    made, found = _searched(tmp_path, _apart(300, meeting=1000), "0 & 1")
    assert found == []
    assert made.n_documents_read == 0


@pytest.mark.parametrize(("reach", "most"), [(0, 16), (1, 16)])
def test_documents_are_read_where_features_may_meet(tmp_path: Path, reach: int, most: int) -> None:
    expression = "0 & 1"
    made, found = _searched(tmp_path, _apart(300, meeting=20), expression, reach=reach)
    assert found == [19, 39, 59, 79, 99]
    assert made.n_documents_read <= most


@pytest.mark.parametrize("reach", [0, 1])
def test_documents_whose_best_token_is_certain_are_not_read(tmp_path: Path, reach: int) -> None:
    """One feature is strongest where another is stronger, though its strongest is elsewhere."""
    documents = _documents(300)
    for number, codes in enumerate(documents):
        value = 1 + (299 - number) / 100
        codes[2, 0], codes[2, 1], codes[5, 1] = value, 3 * value, 9 * value
    made, found = _searched(tmp_path, documents, "0 & 1", reach=reach)
    assert found == [0, 1, 2, 3, 4]
    assert made.n_documents_read == 0


def test_of_equal_values_the_best_token_is_certain_or_read(tmp_path: Path) -> None:
    """Within a window both features' tokens have the value: that which is stronger is meant."""
    documents = _documents(300)
    for number, codes in enumerate(documents):
        value = 1 + (299 - number) / 100
        codes[2, 0], codes[3, 1] = value, (3 if number % 2 else 1) * value
    lake = lake_of(tmp_path, documents, columns={})
    index(lake, MADE)
    collection = Collection(lake, MADE)
    query = TokensQuery(collection=str(MADE), expression="0 & 1", k=6, scope="window:1")
    assert search(collection, query).position.tolist() == [2, 3, 2, 3, 2, 3]


def test_what_is_negated_is_looked_up_and_documents_are_not_read(tmp_path: Path) -> None:
    documents = _documents(300)
    for number, codes in enumerate(documents):
        codes[number % 2, number % 2] = 1 + (299 - number) / 100
        codes[0 if number % 3 == 0 else 5, 2] = 2 - number / 200
    made, found = _searched(tmp_path, documents, "(0 | 1) & !2")
    assert found == [1, 2, 3, 4, 5]  # in document 3 what fires is at another token
    assert made.n_documents_read == 0


def test_alternatives_need_no_more_than_the_strongest_of_each(tmp_path: Path) -> None:
    documents = _documents(300)
    for number, codes in enumerate(documents):
        codes[1, 0], codes[4, 1] = 1 + number / 100, 4 - number / 100
    made, found = _searched(tmp_path, documents, "0 | 1 | 2", k=7)
    assert found == [0, 1, 299, 2, 298, 3, 297]
    assert (made.n_documents_read, made.lists.n_read) == (0, 2 * 8)


def test_the_bound_ends_the_reading_early(tmp_path: Path) -> None:
    documents = _documents(300)
    for number, codes in enumerate(documents):
        value = 1 + (299 - number) / 100
        codes[1, 0], codes[4, 1] = value, value
        if number % 3 == 0:  # they meet where both are a little weaker
            codes[3, 0] = codes[3, 1] = value - 0.005
    made, found = _searched(tmp_path, documents, "0 & 1")
    assert found == [0, 3, 6, 9, 12]
    assert made.n_documents_read == 16  # in one batch; 13 have a larger bound than the fifth


def test_what_is_negated_is_looked_up_where_it_matters(tmp_path: Path) -> None:
    documents = _documents(300)
    for number, codes in enumerate(documents):
        codes[number % 5, number % 2] = 1 + (299 - number) / 100
        codes[5, 2] = 2
    made, found = _searched(tmp_path, documents, "(0 | 1) & !2")
    assert found == [0, 1, 2, 3, 4]
    assert made.n_documents_read <= 16
    assert made.lists.n_read == 3 * 8


def test_what_is_read_in_vain_is_not_read_again(tmp_path: Path) -> None:
    documents = _documents(300)
    for number, codes in enumerate(documents):
        codes[0, number % 2] = 1 + (299 - number) / 100
        codes[0 if number < 120 else 1, 2] = 2
    made, found = _searched(tmp_path, documents, "(0 | 1) & !2")
    assert found == [120, 121, 122, 123, 124]
    assert made.n_documents_read <= 120 + 64  # to the end of a batch


@pytest.mark.parametrize("reach", [0, WHOLE_DOCUMENT])
def test_thresholds_cut_tiers(tmp_path: Path, reach: int) -> None:
    documents = _documents(300)
    for number, codes in enumerate(documents):
        codes[1, 0], codes[1, 1] = 1 + number / 100, 1 + number / 100
    made, found = _searched(tmp_path, documents, "0 > 3.95 & 1 > 3.9", k=None, reach=reach)
    assert sorted(found) == [296, 297, 298, 299]
    assert made.lists.n_read <= 2 * (8 + 32)


def test_a_rare_feature_spares_the_lists_of_a_popular_one(tmp_path: Path) -> None:
    documents = _documents(300)
    for number, codes in enumerate(documents):
        codes[1, 0] = 1 + number / 100
        codes[1, 1] = number in (100, 200)
    made, found = _searched(tmp_path, documents, "0 & 1")
    assert found == [100, 200]
    assert made.n_documents_read == 2
    assert made.lists.n_read == 8 + 2


def test_a_long_list_is_read_in_the_documents_that_can_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a list of several bands only what is in candidates is kept, once these are known."""
    monkeypatch.setattr(layout, "BANDS", (80, 160))
    documents = _documents(400)
    for number, codes in enumerate(documents):
        codes[1, 0] = 1 + number / 100
        if number % 40 == 0:  # ten, which are more than are read at once
            codes[1 + number % 3, 1] = 9
    made, found = _searched(tmp_path, documents, "0 & 1", k=20)
    assert found == [360, 240, 120, 0]
    kept = sum(len(piece.doc) for piece in made.lists.of[0].pieces)
    assert kept <= 8 + 32 + 10  # the first tiers, and what is in the ten


def test_documents_of_one_feature_alone_are_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a list is open any document of another may matter; those of both tell which do not."""
    looked: list[int] = []
    real = Candidates.__dict__["of"].__func__

    def of(cls: type[Candidates], /, *asked: object, **how: object) -> Candidates:
        found: Candidates = real(cls, *asked, **how)
        looked.append(len(found))
        return found

    monkeypatch.setattr(Candidates, "of", classmethod(of))
    documents = _documents(600)
    for number, codes in enumerate(documents):
        which = number % 3  # the first feature, the second, or both at one token
        value = 1 + (599 - number) / 100
        codes[1, 0] = value if which != 1 else 0
        codes[1, 1] = value if which != 0 else 0
    _, found = _searched(tmp_path, documents, "0 & 1")
    assert found == [2, 5, 8, 11, 14]
    assert max(looked[:2]) <= 30  # of both, of lists of 40, in which one fires in 60


def test_unindexed_lists_are_those_of_each_feature(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=50, n_indexed=1)
    collection = Collection(made.lake, made.name)
    several = scan_posting_lists(collection.codes, collection.unindexed, [7, 0, 3, 7])
    assert sorted(several) == [0, 3, 7]
    for feature, found in several.items():
        alone = scan_postings(collection.codes, collection.unindexed, feature)
        codes = [c for c in made.codes if c.feature == feature]
        assert len(found) <= len({c.doc for c in codes})
        for name in ("doc", "max", "position", "start", "length"):
            assert getattr(found, name).tolist() == getattr(alone, name).tolist()


terms = st.one_of(
    st.integers(0, 3).map(str),
    st.builds("{} > {}".format, st.integers(0, 3), st.sampled_from([0, 1, 2.5])),
)
expressions = st.recursive(
    terms,
    lambda inner: st.one_of(
        st.builds("({} & {})".format, inner, inner),
        st.builds("({} | {})".format, inner, inner),
        st.builds("!{}".format, inner),
    ),
    max_leaves=8,
)
strengths = st.sampled_from([-np.inf, 1, 2, 3])


@given(expressions, st.lists(st.tuples(strengths, strengths, strengths), min_size=4, max_size=4))
def test_values_are_between_their_bounds(
    text: str, values: list[tuple[float, float, float]]
) -> None:
    try:
        expression = parse(text)
    except InvalidExpression:
        return
    ordered = np.sort(np.array(values, np.float32), axis=1)

    def at(column: int) -> npt.NDArray[np.float32]:
        return expression.evaluate(lambda term: ordered[term.number, column : column + 1])

    lower, upper = expression.between(
        lambda term: ordered[term.number, :1], lambda term: ordered[term.number, 2:]
    )
    assert lower <= at(1) <= upper
    same = expression.between(
        lambda term: ordered[term.number, 1:2], lambda term: ordered[term.number, 1:2]
    )
    assert same == (at(1), at(1))


@given(expressions, st.lists(strengths, min_size=4, max_size=4))
def test_it_may_hold_where_it_does(text: str, values: list[float]) -> None:
    try:
        expression = parse(text)
    except InvalidExpression:
        return
    value = expression.evaluate(lambda term: np.array([values[term.number]], np.float32))
    holds = expression.possible(
        lambda term: term.holds(np.array([values[term.number]], np.float32)), np.ones(1, np.bool_)
    )
    assert bool(holds) or value[0] == NOTHING


def _depth(expression: Expression) -> int:
    sides = [getattr(expression, name, None) for name in ("left", "right", "operand")]
    return 1 + max((_depth(side) for side in sides if side is not None), default=0)


def test_chains_are_shallow_trees_in_their_order() -> None:
    chain = parse(" | ".join(map(str, range(100))))
    assert _depth(chain) <= 8
    assert [term.number for term in chain.positive()] == list(range(100))
    assert parse("1 | 2").features().__next__() == FeatureTerm(1)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("(" * 3000 + "3" + ")" * 3000, "more than 64 brackets"),
        ("3 & " + "!" * 3000 + "4", "more than 64 brackets"),
        ("9" * 5000, "a number of 5,000 characters"),
        ("3 > " + "9" * 5000, "a number of 5,000 characters"),
        ("3 > 1e39", "more than any value can be"),
        ("3 > 1e999", "more than any value can be"),
        (" & ".join(["3"] * 300), "more than 100 features"),
        ("3 & " * 3000, "more than 100 features"),
        ("3 ?" + "4" * 30, "where a feature number"),
        ("3 " + "4 " * 3000, "where an operator"),
    ],
)
def test_what_is_too_large_is_refused_in_a_sentence(
    made: MadeLake, expression: str, said: str
) -> None:
    query = TokensQuery(collection=str(made.name), expression=expression)
    with pytest.raises(InvalidExpression, match=said) as refused:
        Engine(made.lake.uri).ask(query)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("digits", ["1" * 10, "9" * 30, "9" * 5000])
def test_a_window_wider_than_any_document_is_refused(made: MadeLake, digits: str) -> None:
    query = TokensQuery(collection=str(made.name), expression="3 & 4", scope=f"window:{digits}")
    with pytest.raises(InvalidInput, match="use scope document") as refused:
        Engine(made.lake.uri).ask(query)
    assert len(str(refused.value)) < 200


def test_the_widest_window_is_the_document(made: MadeLake) -> None:
    collection = Collection(made.lake, made.name)
    asked = {"collection": str(made.name), "expression": "3 & 4", "k": None}
    wide, whole = (
        search(collection, TokensQuery(scope=scope, **asked))  # type: ignore[arg-type]
        for scope in (f"window:{'0' * 20}{'9' * 9}", "document")
    )
    assert len(wide) == len(whole) > 0
    assert wide.value.tolist() == whole.value.tolist()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("lake"), n_documents=20)
