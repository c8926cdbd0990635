"""What the tools answer: the command line's JSON, bounded, and errors in one line."""

import json
from typing import Any

import pytest

from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.web.agents import bounds
from saelake.web.agents.bounds import LONGEST_TEXT, MOST, bounded
from saelake.web.agents.tools import READING
from tests.client.cli.conftest import HOSTILE, HOSTILE_ID, HostileLake
from tests.client.web.agents.scripted import assert_holds, check_as_printed, five_questions
from tests.client.web.agents.talking import (
    NAME,
    answer,
    calling,
    failure,
    in_memory,
    printed,
    said,
)
from tests.encoded import EncodedLake

# Of each tool that is one question: what an agent gives, and what is typed for the same.
SAME: dict[str, tuple[dict[str, Any], list[str]]] = {
    "list_collections": ({}, ["info"]),
    "search_features": (
        {"collection": NAME, "text": "w3", "k": 2},
        ["labels", NAME, "w3", "-k", "2"],
    ),
    "features_of_word": (
        {"collection": NAME, "word": "w1", "k": 3},
        ["features", NAME, "--token", "w1", "-k", "3"],
    ),
    "encode_text": (
        {"collection": NAME, "text": "w1 w2", "k": 2},
        ["encode-text", NAME, "w1 w2", "-k", "2"],
    ),
    "find_tokens": (
        {"collection": NAME, "expression": "1 | 2", "k": 3, "per": "token", "context": 10},
        ["tokens", NAME, "1 | 2", "-k", "3", "--per", "token", "--context", "10"],
    ),
    "find_documents": (
        {"collection": NAME, "phrase": "w5", "k": 2, "method": "sae"},
        ["retrieve", NAME, "w5", "-k", "2", "--method", "sae"],
    ),
    "similar_documents": (
        {"collection": NAME, "features": {"1": 2.0, "3": 1}, "k": 4},
        ["similar", NAME, "--features", "1:2.0,3:1", "-k", "4"],
    ),
    "diff": (
        {"a": f"{NAME} where label = 'pos'", "others": [f"{NAME} where label = 'neg'"], "k": 4},
        ["diff", f"{NAME} where label = 'pos'", f"{NAME} where label = 'neg'", "-k", "4"],
    ),
    "associate": (
        {"collection": NAME, "columns": ["label"], "k": 3},
        ["associate", NAME, "label", "-k", "3"],
    ),
    "correlate": (
        {"a": NAME, "min_npmi": 0.1, "min_documents": 2, "k": 3},
        ["correlate", NAME, "--min-npmi", "0.1", "--min-documents", "2", "-k", "3"],
    ),
}
COMPOSED = {"describe_feature", "read_document"}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_five_questions_have_the_values_of_the_command_line(
    labelled: EncodedLake, lake_server: BackgroundServer, mode: str
) -> None:
    answers = in_memory(lake_server.target, five_questions, mode=mode)
    check_as_printed(answers, labelled.lake.uri)


@pytest.mark.parametrize("name", SAME)
def test_a_tool_says_what_the_command_says(
    labelled: EncodedLake, lake_server: BackgroundServer, name: str
) -> None:
    given, typed = SAME[name]
    told = answer(in_memory(lake_server.target, calling(name, **given)))
    expected = printed(labelled.lake.uri, *typed)
    assert_holds(told, expected)
    assert told.keys() - expected.keys() == {"state"}
    assert any(isinstance(value, list) and value for value in expected.values())


def test_every_tool_is_compared_with_its_command() -> None:
    assert {tool.name for tool in READING} == SAME.keys() | COMPOSED


def test_a_hit_has_its_token_marked(lake_server: BackgroundServer) -> None:
    told = answer(
        in_memory(lake_server.target, calling("find_tokens", collection=NAME, expression=1))
    )
    for hit in told["hits"]:
        before, _, rest = hit["marked"].partition("<<")
        token, _, after = rest.partition(">>")
        assert token == hit["token"]
        assert before + token + after == hit["text"]


def test_a_document_is_read_in_parts(labelled: EncodedLake, lake_server: BackgroundServer) -> None:
    whole = printed(labelled.lake.uri, "document", NAME, "d3")

    async def read(client: Any) -> list[dict[str, Any]]:
        parts, start = [], 0
        while start is not None:
            given = {"collection": NAME, "id": "d3", "start": start, "characters": 4}
            parts.append(answer(await client.call_tool("read_document", given)))
            start = parts[-1]["next_start"]
        return parts

    parts = in_memory(lake_server.target, read)
    assert "".join(part["text"] for part in parts) == whole["text"]
    assert len(parts) > 1
    for part in parts:
        assert {n: part[n] for n in ("doc", "id", "metadata", "error")} == {
            n: whole[n] for n in ("doc", "id", "metadata", "error")
        }
        assert part["n_tokens"] == len(whole["token_ids"])
        assert part["n_features"] == len(whole["features"])
    assert "start=4" in parts[0]["cut"][0]
    assert "cut" not in parts[-1]


def test_a_document_tells_what_fires_in_it_most(
    labelled: EncodedLake, lake_server: BackgroundServer
) -> None:
    whole = printed(labelled.lake.uri, "document", NAME, "d3")
    called = {
        row["feature"]: row["label"]
        for row in printed(labelled.lake.uri, "labels", NAME, "--all")["labels"]
    }
    strongest = sorted(
        zip(whole["max"], whole["counts"], whole["features"], strict=True),
        key=lambda row: (-row[0], row[2]),
    )
    told = answer(
        in_memory(
            lake_server.target, calling("read_document", collection=NAME, id="d3", features=3)
        )
    )
    assert [(row["max"], row["n_tokens"], row["feature"]) for row in told["features"]] == strongest[
        :3
    ]
    assert [row["label"] for row in told["features"]] == [
        called.get(row[2]) for row in strongest[:3]
    ]
    assert all(row["peaks_on"] in whole["text"].split() for row in told["features"])


def test_an_answer_can_be_asked_of_its_state_again(lake_server: BackgroundServer) -> None:
    async def ask(client: Any) -> tuple[Any, Any]:
        first = answer(await client.call_tool("list_collections", {}))
        again = answer(await client.call_tool("list_collections", {"at": first["state"]}))
        return first, again

    first, again = in_memory(lake_server.target, ask)
    assert first == again


# -- What is no question.


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("find_tokens", {"collection": NAME}, ["expression is missing"]),
        ("find_tokens", {"collection": NAME, "expression": "1", "k": 500}, ["k", "50"]),
        (
            "find_tokens",
            {"collection": NAME, "expression": "1", "kk": 5},
            ["no argument kk", "where"],
        ),
        ("find_tokens", {"collection": NAME, "expression": "1 &"}, ["1 &"]),
        (
            "find_tokens",
            {"collection": NAME, "expression": "1", "where": "colour = 1"},
            ["colour", "label"],
        ),
        ("find_tokens", {"collection": "words/none", "expression": "1"}, ["words/none", NAME]),
        ("find_tokens", {"collection": NAME, "expression": "1", "at": "no-tag"}, ["no-tag"]),
        ("describe_feature", {"collection": NAME, "feature": 9999}, ["9999"]),
        ("describe_feature", {"collection": NAME, "feature": "rain"}, ["rain"]),
        ("read_document", {"collection": NAME}, ["id"]),
        ("read_document", {"collection": NAME, "id": "none"}, ["none"]),
        ("read_document", {"collection": NAME, "id": "d1", "characters": 10**6}, ["characters"]),
        ("similar_documents", {"collection": NAME}, ["similar"]),
        ("diff", {"a": NAME, "others": []}, ["second selection"]),
        ("diff", {"a": f"{NAME} were x", "others": [NAME]}, ["not a selection"]),
    ],
)
def test_a_mistake_is_told_in_one_line(
    lake_server: BackgroundServer, name: str, given: dict[str, Any], words: list[str]
) -> None:
    line = failure(in_memory(lake_server.target, calling(name, **given)))
    assert all(word in line for word in words), line


def test_a_server_that_does_not_answer_is_named() -> None:
    line = failure(in_memory("grpc://127.0.0.1:1", calling("list_collections")))
    assert "127.0.0.1:1" in line


# -- Texts of others.


def test_hostile_text_is_data(hostile: HostileLake) -> None:
    """The values are exact; in what a model reads nothing commands a terminal or turns around."""
    settings = ServerSettings(uri=hostile.uri, address=Address(port=0))
    with BackgroundServer(settings) as server:
        asked = {"collection": "rows/sae", "expression": hostile.feature}
        told = in_memory(server.target, calling("find_tokens", **asked))
        hit = answer(told)["hits"][0]
        assert hit["id"] == HOSTILE_ID
        assert not {c for c in said(told) if not c.isprintable()}
        assert hit["marked"].isprintable()
        read = in_memory(
            server.target, calling("read_document", collection="rows/sae", id=HOSTILE_ID)
        )
        assert answer(read)["text"] == HOSTILE
        assert "\x1b" not in said(read)
        gone = {"collection": "rows/sae", "id": f"{HOSTILE_ID}\n\x1b[2J"}
        line = failure(in_memory(server.target, calling("read_document", **gone)))
        assert line.isprintable()


# -- How much.


def test_long_texts_are_cut_and_it_is_said() -> None:
    long = "x" * (LONGEST_TEXT + 7)
    found = bounded({"hits": [{"id": "a", "metadata": {"note": long, "tags": [long, 1]}}]})
    note = found["hits"][0]["metadata"]["note"]
    assert note == "x" * LONGEST_TEXT + "… [cut: 7 more characters]"
    assert found["hits"][0]["metadata"]["tags"] == [note, 1]
    assert "read_document" in found["cut"][0]


def test_what_is_short_is_as_it_was() -> None:
    document = {"feature": 3, "hits": [{"text": "x" * LONGEST_TEXT, "value": None}], "notes": ["n"]}
    assert bounded(document) == document


def test_a_text_that_was_asked_for_in_parts_is_whole() -> None:
    document = {"text": "x" * (2 * LONGEST_TEXT)}
    assert bounded(document, "text") == document


def test_all_that_was_cut_is_said() -> None:
    document = {"text": "x", "cut": ["goes on"], "metadata": {"note": "x" * (LONGEST_TEXT + 1)}}
    first, second = bounded(document, "text")["cut"]
    assert first == "goes on"
    assert "[cut]" in second


def test_rows_that_are_too_much_are_left_out_and_counted() -> None:
    rows = [{"n": i, "text": "y" * 900} for i in range(100)]
    found = bounded({"rows": rows, "n": 5})
    kept = len(found["rows"])
    assert found["rows"] == rows[:kept]
    assert 0.9 * MOST < len(json.dumps(found)) < MOST + 500
    assert found["cut"] == [
        f"{100 - kept} of 100 rows are left out, for the answer would be too long: ask for fewer, "
        "or narrow the question."
    ]


def test_one_row_is_always_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST", 10)
    assert len(bounded({"rows": [{"a": "long enough"}, {"a": 1}]})["rows"]) == 1


def test_the_longest_list_is_cut_first() -> None:
    few, many = [{"text": "x"}] * 2, [{"text": "y" * 900}] * 100
    found = bounded({"features": few, "hits": many})
    assert found["features"] == few
    assert 0.9 * MOST < len(json.dumps(found)) < MOST + 500
    both = bounded({"features": many, "hits": many})
    assert len(json.dumps(both)) < MOST + 500
