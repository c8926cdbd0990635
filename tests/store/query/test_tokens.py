"""`tokens` equals brute force over every code, whatever is asked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from saelake.store.engine import Engine
from saelake.store.errors import InvalidExpression, InvalidFilter, InvalidInput, NotFound
from saelake.store.format.poles import Poles
from saelake.store.index import tiers
from saelake.store.query.parts.expression import (
    And,
    Expression,
    FeatureTerm,
    Not,
    Or,
    parse,
)
from saelake.store.requests.tokens import Order, TokensQuery
from tests.kinds import KINDS, as_made, lake_of_kind
from tests.lakes import MadeLake, make_lake

COLLECTION = "made/random"
Place = tuple[int, int]


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return lake_of_kind(request.param, tmp_path_factory.mktemp("lake"))


@pytest.fixture(autouse=True)
def _short_parts(request: pytest.FixtureRequest) -> Iterator[None]:
    with as_made(request, "made"):
        yield


def brute_force(made: MadeLake, query: TokensQuery) -> list[tuple[int, int, float]]:
    """(doc, position, value) of every hit, in order, straight from the definition."""
    expression = parse(query.expression, made.poles)
    fired: dict[int, dict[int, dict[int, float]]] = {}
    for code in made.codes:
        fired.setdefault(code.doc, {}).setdefault(code.feature, {})[code.position] = code.value
    hits = []
    for doc, features in fired.items():
        if query.where and made.labels[doc] != query.where.split("'")[1]:
            continue
        found = _document_hits(expression, features, query.scope, made.poles)
        if query.per == "document":
            found = sorted(found, key=lambda h: (-abs(h[1]), -h[2], h[0]))[:1]
        hits += [(doc, position, value) for position, value, _ in found]
    hits.sort(key=lambda h: (-abs(h[2]), h[0], h[1]))
    if query.order == "quantiles":
        ranks = np.round(np.linspace(0, len(hits) - 1, min(query.k or 0, len(hits))))
        return [hits[int(rank)] for rank in ranks]
    return hits[: query.k]


def _document_hits(
    expression: Expression, features: dict[int, dict[int, float]], scope: str, poles: Poles
) -> list[tuple[int, float, float]]:
    """Position, value with its sign, and strength at the token itself."""
    reach = {"token": 0, "document": 10**9}.get(scope)
    reach = int(scope.split(":")[1]) if reach is None else reach
    positive = list(expression.positive())
    anchors = {
        position
        for feature in positive
        for position, value in features.get(feature.number, {}).items()
        if _fires(feature, value)
    }
    hits = []
    for anchor in anchors:
        value = _value(expression, features, anchor, reach)
        if value is not None:
            at = [
                (v, _sign(feature, features, anchor, reach, poles))
                for feature in positive
                for p, v in features.get(feature.number, {}).items()
                if p == anchor and _fires(feature, v)
            ]
            own, own_sign = max(at, key=lambda each: each[0])
            sign = own_sign if own == value else _sign(expression, features, anchor, reach, poles)
            hits.append((anchor, sign * value, own))
    return hits


def _fires(feature: FeatureTerm, value: float) -> bool:
    if feature.threshold is None:
        return True
    return value > feature.threshold if feature.strict else value >= feature.threshold


def _value(
    expression: Expression, features: dict[int, dict[int, float]], anchor: int, reach: int
) -> float | None:
    """The value around a token; None where the expression does not hold; +inf without one."""
    match expression:
        case FeatureTerm():
            found = features.get(expression.number, {}).items()
            near = [v for p, v in found if abs(p - anchor) <= reach and _fires(expression, v)]
            return max(near, default=None)
        case Not():
            held = _value(expression.operand, features, anchor, reach)
            return float("inf") if held is None else None
        case And():
            sides = [
                _value(s, features, anchor, reach) for s in (expression.left, expression.right)
            ]
            return None if None in sides else min(v for v in sides if v is not None)
        case Or():
            sides = [
                _value(s, features, anchor, reach) for s in (expression.left, expression.right)
            ]
            return max((v for v in sides if v is not None), default=None)
    raise AssertionError


def _sign(
    expression: Expression,
    features: dict[int, dict[int, float]],
    anchor: int,
    reach: int,
    poles: Poles,
) -> int:
    """That of the pole whose strength is the value, if not the token's own; of two the left's."""
    if isinstance(expression, FeatureTerm):
        return -1 if poles.signed and expression.number >= poles.d_sae else 1
    assert isinstance(expression, And | Or)
    sides = [(_value(s, features, anchor, reach), s) for s in (expression.left, expression.right)]
    known = [(value, side) for value, side in sides if value not in (None, float("inf"))]
    pick = min if isinstance(expression, And) else max
    _, side = pick(known, key=lambda each: each[0] or 0)
    return _sign(side, features, anchor, reach, poles)


features = st.integers(0, 11)
terms = st.one_of(
    features.map(str),
    st.builds("{} > {}".format, features, st.sampled_from([-0.5, 0, 1, 1.5])),
    st.builds("{} >= {}".format, features, st.sampled_from([1, 1.5, 3])),
)
poles = st.one_of(
    terms.filter(lambda term: "> -" not in term),
    st.builds("{}{}".format, st.sampled_from("+-"), features),
    st.builds(
        "{} {} -{}".format, features, st.sampled_from(["<", "<="]), st.sampled_from([0, 1.5])
    ),
    st.builds("-{} > {}".format, features, st.sampled_from([0, 1.5])),
)


def combined(terms: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Terms, and expressions of them."""
    wide = st.lists(terms, min_size=3, max_size=9).map(" | ".join)
    mixed = st.builds("({}) & {}{}".format, wide, st.sampled_from(["", "!"]), terms)
    return st.one_of(terms, st.recursive(terms, _joined, max_leaves=6), wide, mixed)


def _joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} & {})".format, inner, inner),
        st.builds("({} | {})".format, inner, inner),
        st.builds("({} & !{})".format, inner, inner),
    )


def _query(is_all: bool, k: int, order: Order, **asked: Any) -> TokensQuery:
    return TokensQuery(k=None if is_all and order == "top" else k, order=order, **asked)


def queries(terms: st.SearchStrategy[str]) -> st.SearchStrategy[TokensQuery]:
    return st.builds(
        _query,
        collection=st.just(COLLECTION),
        expression=combined(terms),
        k=st.one_of(st.integers(1, 8), st.just(1000)),
        is_all=st.sampled_from([False, False, False, True]),
        per=st.sampled_from(["document", "token"]),
        where=st.sampled_from([None, "label = 'pos'", "label = 'neg'"]),
        order=st.sampled_from(["top", "top", "quantiles"]),
        scope=st.sampled_from(["token", "document", "window:1", "window:3"]),
    )


def test_equals_brute_force(made: MadeLake) -> None:
    _check_against_brute_force(made, Engine(made.lake.uri), n_examples=120)


def test_equals_brute_force_where_tiers_lie_in_files(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiers, "READ_WHOLE", 0)
    engine = Engine(made.lake.uri)
    kept = engine._session.collection(COLLECTION)._tiers
    assert kept is not None
    kept._locate()
    kept._read_first()
    _check_against_brute_force(made, engine, n_examples=60)


def _check_against_brute_force(made: MadeLake, engine: Engine, *, n_examples: int) -> None:
    @settings(max_examples=n_examples, deadline=None)
    @given(query=queries(poles if made.signed else terms))
    @example(query=TokensQuery(collection=COLLECTION, expression="0", k=1000, scope="document"))
    @example(query=TokensQuery(collection=COLLECTION, expression="0 & !1", k=3, scope="document"))
    @example(query=TokensQuery(collection=COLLECTION, expression="(0|1) & !2", k=3))
    @example(query=TokensQuery(collection=COLLECTION, expression="0 & 1", k=5, scope="window:3"))
    @example(query=TokensQuery(collection=COLLECTION, expression="(1 | 1 | 1) & 0", k=5))
    def check(query: TokensQuery) -> None:
        try:
            expected = brute_force(made, query)
        except InvalidExpression:
            return
        found = engine.ask(query).read_all().to_pylist()
        assert [(h["doc"], h["position"], h["value"]) for h in found] == expected
        for hit in found:
            assert hit["token"] == made.words[hit["doc"]][hit["position"]]

    check()


def test_hits_show_their_token(made: MadeLake) -> None:
    query = TokensQuery(collection=COLLECTION, expression="3", k=1000, per="token", context=7)
    found = Engine(made.lake.uri).ask(query).read_all().to_pylist()
    assert found
    for hit in found:
        assert hit["token"] == made.words[hit["doc"]][hit["position"]]
        start, length = hit["token_start"], hit["token_length"]
        assert hit["text"][start : start + length] == hit["token"]
        assert hit["text"] in made.texts[hit["doc"]]
        assert start <= 7
        assert len(hit["text"]) - start - length <= 7
        assert hit["id"] == f"d{hit['doc']}"
        assert hit["metadata"] == {
            "label": made.labels[hit["doc"]],
            "length": len(made.texts[hit["doc"]]),
        }


def test_all_hits_without_k(made: MadeLake) -> None:
    query = TokensQuery(collection=COLLECTION, expression="5", k=None, per="token")
    found = Engine(made.lake.uri).ask(query).read_all()
    poles = {5, 17} if made.signed else {5}
    assert found.num_rows == sum(code.feature in poles for code in made.codes)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"expression": "!3"}, InvalidExpression, "12 & !34"),
        ({"expression": "3 &"}, InvalidExpression, "feature number"),
        ({"expression": "3 > x"}, InvalidExpression, "12 > 3.0"),
        ({"expression": "999"}, NotFound, "0 to 11"),
        ({"scope": "paragraph"}, InvalidInput, "window:5"),
        ({"where": "lable = 'pos'"}, InvalidFilter, "label"),
        ({"where": "label = = 1"}, InvalidFilter, "label = = 1"),
        ({"collection": "made/other"}, NotFound, "made/random"),
        ({"collection": "made"}, InvalidInput, "corpus/dictionary"),
    ],
)
def test_wrong_questions(
    made: MadeLake, changes: dict[str, str], error: type[Exception], said: str
) -> None:
    asked: dict[str, Any] = {"collection": COLLECTION, "expression": "3", **changes}
    with pytest.raises(error, match=said.replace("(", r"\(")):
        Engine(made.lake.uri).ask(TokensQuery(**asked))


def test_both_poles_of_a_signed_feature_are_found_by_magnitude(tmp_path: Path) -> None:
    made = make_lake(tmp_path, signed=True, seed=2)
    engine = Engine(made.lake.uri)

    def values(expression: str) -> list[float]:
        query = TokensQuery(collection=COLLECTION, expression=expression, k=None, per="token")
        return list(engine.ask(query).read_all()["value"].to_pylist())

    every = [(c.feature, c.value) for c in made.codes if c.feature % 12 == 0]
    below = sorted((-value for feature, value in every if feature == 12), key=abs, reverse=True)
    above = sorted((value for feature, value in every if feature == 0), reverse=True)
    assert values("-0") == values("0 < 0") == values("-0 > 0") == below
    assert values("+0") == values("0 > 0") == above
    assert sorted(values("0")) == sorted(above + below)
    assert list(map(abs, values("0"))) == sorted(map(abs, above + below), reverse=True)
    assert values("0 < -1.5") == values("-0 > 1.5") == [value for value in below if value < -1.5]
    assert values("0 <= -1.5") == [value for value in below if value <= -1.5]
    assert values("0 > 1.5 | 0 < -1.5") == [value for value in values("0") if abs(value) > 1.5]
    assert values("0 & !-0") == above


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    ("expression", "said", "said_of_signed"),
    [
        ("-3", "random is not signed: its features have none", None),
        ("3 < -1", "not signed, so a feature fires above 0", None),
        ("3 < 1", "not signed, so a feature fires above 0", "both sides of 0"),
        ("3 > -1", None, "both sides of 0"),
        ("-3 < 1", "not signed", "both sides of 0"),
        ("+3 < -1", "not signed", "Write 3 < -1, or -3"),
        ("+3", None, None),
        ("3 > 1", None, None),
        ("3 -4", "where an operator", "where an operator"),
        ("--3", "where a feature number", "where a feature number"),
    ],
)
def test_what_a_sign_can_mean(
    tmp_path: Path, signed: bool, expression: str, said: str | None, said_of_signed: str | None
) -> None:
    make_lake(tmp_path, signed=signed, n_documents=3)
    query = TokensQuery(collection=COLLECTION, expression=expression)
    wrong = said_of_signed if signed else said
    if wrong is None:
        Engine(str(tmp_path)).ask(query)
        return
    with pytest.raises(InvalidExpression, match=wrong):
        Engine(str(tmp_path)).ask(query)
