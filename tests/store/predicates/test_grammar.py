"""A filter is wholly a predicate, or refused with the place of the mistake."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.store.errors import InvalidFilter
from saelake.store.predicates.grammar import MAX_CHAIN, MAX_DEPTH, both, further, parse
from saelake.store.predicates.tokens import MAX_CHARACTERS, tokens_of
from saelake.store.predicates.tree import In, Junction, Like, Name, Negation, Ordering, Value

# The filter, how what is not understood begins, and a part of what is said.
MISTAKES = [
    ("kind='class' adn line>1000", "adn line>1000", "AND, OR or the end"),
    ("kind='class' line>1000", "line>1000", "AND, OR or the end"),
    ("kind='class'; and line>1000", "; and line>1000", "without a semicolon"),
    ("kind='class' limit 1", "limit 1", "AND, OR or the end"),
    ("kind='class' order by line", "order by line", "AND, OR or the end"),
    ("kind='class' 'x'", "'x'", "AND, OR or the end"),
    ("kind='class')", ")", "AND, OR or the end"),
    ("a) OR (b", ") OR (b", "AND, OR or the end"),
    ("kind='class' -- and line>1000", "-- and line>1000", "no comments"),
    ("kind='class' /* and line>1000 */", "/* and line>1000 */", "no comments"),
    ("kind='class' and", None, "a column or a value"),
    ("(kind='class'", None, "closing bracket"),
    ("kind='class", "'class", "not closed"),
    ('"kind', '"kind', "not closed"),
    ("", None, "empty"),
    ("  ", None, "empty"),
    ("kind='a', line=1", ", line=1", "AND, OR or the end"),
    ("(kind='a', line=1)", ", line=1)", "closing bracket"),
    ("kind = E'a'", "E'a'", "no kind of text"),
    ("kind = 0x1F", "0x1F", "neither a number nor a name"),
    ("kind = “class”", "“class”", "straight double quotes"),
    ("kind = 'a' && line = 1", "&& line = 1", "AND joins"),
    ("kind ~ 'a'", "~ 'a'", "regexp_like"),
    ("1 < line < 5", "< 5", "do not chain"),
    ("kind = 'a' = true", "= true", "do not chain"),
    ("kind in ()", ")", "list is empty"),
    ("kind in 'a'", "'a'", "IN (8, 9)"),
    ("line in (select 1)", "select 1)", "sub-queries"),
    ("exists (select 1)", "exists (select 1)", "sub-queries"),
    ("case when line = 1 then true end", "case when line = 1 then true end", "CASE"),
    ("extract(year from day) = 2024", "extract(year from day) = 2024", "date_part"),
    ("lower(distinct kind) = 'a'", "kind) = 'a'", "a comma"),
    ("lower(kind) filter (where true) = 'a'", "filter (where true) = 'a'", "the end"),
    ("row_number() over () = 1", "over () = 1", "the end"),
    ("kind collate x = 'a'", "collate x = 'a'", "the end"),
    ("kind like 'a' escape '!'", "escape '!'", "the end"),
    ("kind not 'a'", "'a'", "after NOT"),
    ("line between 1 or 2", "or 2", "BETWEEN 3 AND 5"),
    ("line is 1", "1", "NULL, TRUE"),
    ("cast(line as jsonb) = 1", "jsonb) = 1", "a type"),
    ("line = ?", "?", "no parameters"),
    ("in = 1", "in = 1", 'of this name is "in"'),
    ("line\x00 = 1", "\x00 = 1", "means nothing"),
]


@pytest.mark.parametrize(("where", "rest", "said"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_the_place_of_a_mistake_is_said(where: str, rest: str | None, said: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        parse(where)
    message = str(caught.value)
    assert said in message
    assert "\n" not in message
    if rest is not None:
        assert f"from {rest!r} on (character {where.rindex(rest) + 1})" in message
    assert caught.value.data["where"] == where


def test_what_binds_closer() -> None:
    whole = parse("a = 1 OR b = 1 AND NOT c = 1")
    assert isinstance(whole, Junction)
    assert whole.how == "OR"
    inner = whole.conditions[1]
    assert isinstance(inner, Junction)
    assert inner.how == "AND"
    assert isinstance(inner.conditions[1], Negation)


def test_quotes() -> None:
    node = parse('"Two ""Words""" = \'it\'\'s -- "not" /* a comment; */\'')
    assert isinstance(node, Ordering)
    assert node.left == Name('Two "Words"', is_quoted=True, at=0)
    assert isinstance(node.right, Value)
    assert node.right.text == 'it\'s -- "not" /* a comment; */'
    ticked = parse("`Two ``Words` like 'a%'")
    assert isinstance(ticked, Like)
    assert ticked.of == Name("Two `Words", is_quoted=True, at=0)


def test_signs_of_numbers_are_theirs() -> None:
    node = parse("n in (-1, +2, - 3, 1.5e-3)")
    assert isinstance(node, In)
    assert [value.text for value in node.values if isinstance(value, Value)] == [
        "-1",
        "2",
        "-3",
        "1.5e-3",
    ]


@given(st.text(max_size=60))
def test_every_character_is_in_a_token_or_white_space_or_the_text_is_refused(text: str) -> None:
    try:
        tokens = tokens_of(text)
    except InvalidFilter:
        return
    at = 0
    for token in tokens:
        assert text[at : token.start].isspace() or at == token.start
        at = token.stop
    assert at == len(text)


@pytest.mark.parametrize(
    "where",
    [
        "(" * 100_000 + "n = 1" + ")" * 100_000,
        "(" * (MAX_DEPTH + 1) + "n = 1" + ")" * (MAX_DEPTH + 1),
        "not " * 50_000 + "n = 1",
        "- " * 50_000 + "n = 1",
        "abs(" * 1000 + "n" + ")" * 1000 + " = 1",
        "n" + "[1" * 1000 + "]" * 1000 + " = 1",
        "n" + " + 1" * (MAX_CHAIN + 1) + " = 1",
        "n" + "::int" * (MAX_CHAIN + 1) + " = 1",
        "n" + ".n" * 1000 + " = 1",
        "n" + " is null" * 1000,
        "n = " + "1" * 1000,
        "n = 1 or " * (MAX_CHARACTERS // 9) + "n = 1234567",
    ],
    ids=range(12),
)
def test_what_is_too_deep_or_too_long_is_refused(where: str) -> None:
    with pytest.raises(InvalidFilter, match=r"deep|in a row|digits|characters"):
        parse(where)


def test_two_filters_are_joined_only_whole() -> None:
    assert both(None, None) is None
    assert both("a = 1", None) == both(None, "a = 1") == "a = 1"
    assert both("a = 1", "b = 2 or c = 3") == "(a = 1) AND (b = 2 or c = 3)"
    for wrong in ("a = 1) OR (b = 2", "a = 1 --", "a = 1 adn b = 2", ""):
        with pytest.raises(InvalidFilter):
            both(wrong, "c = 3")
        with pytest.raises(InvalidFilter):
            both("c = 3", wrong)


def test_a_filter_is_written_further_as_people_write() -> None:
    assert further(None, "a = 1 or b = 2") == "a = 1 or b = 2"
    assert (
        further("a = 1 AND b = 2", "c >= 3 AND c <= 4") == "a = 1 AND b = 2 AND c >= 3 AND c <= 4"
    )
    assert further("a = 1 or b = 2", "NOT c") == "(a = 1 or b = 2) AND NOT c"
    assert further("a = 1", "b = 2 OR c = 3") == "a = 1 AND (b = 2 OR c = 3)"
    with pytest.raises(InvalidFilter):
        further("a = 1) OR (b = 2", "c = 3")
