"""Every question over HTTP: the command line's JSON, in both forms."""

import json
import shlex
from typing import Any

import pytest
from openapi_spec_validator import validate

from saelake.cli.show.analyses import typed_notes
from saelake.store.service.serve import BackgroundServer
from saelake.store.wire.requests import METHODS
from saelake.web.api.examples import EXAMPLES
from saelake.web.api.questions import QUESTIONS
from saelake.web.api.schemas import ROWS
from saelake.web.serving import WebServer
from tests.client.cli.command import asked
from tests.client.web.calling import call, posted, question

NAME = "words/sae"
# What is typed, by an address, and as a JSON document.
ASKED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "info": ("info", {}, {}),
    "tokens": (
        f"tokens {NAME} '1 | 2' -k 3 --per token --context 10",
        {"collection": NAME, "expression": "1 | 2", "k": 3, "per": "token", "context": 10},
        {"collection": NAME, "expression": "1 | 2", "k": 3, "per": "token", "context": 10},
    ),
    "features": (
        f"features {NAME} 3 1",
        {"collection": NAME, "features": "3,1"},
        {"collection": NAME, "features": [3, "1"]},
    ),
    "document": (
        f"document {NAME} d3 --features 1,2",
        {"collection": NAME, "id": "d3", "features": ["1", "2"]},
        {"collection": NAME, "id": "d3", "features": [1, 2]},
    ),
    "windows": (
        f"windows {NAME} 3 4:1 2:0 --n-tokens 5",
        {"collection": NAME, "feature": 3, "docs": [4, 2], "positions": [1, 0], "n_tokens": 5},
        {"collection": NAME, "feature": "3", "docs": [4, 2], "positions": [1, 0], "n_tokens": 5},
    ),
    "places": (
        f"places {NAME} 3 1 -k 2",
        {"collection": NAME, "features": "3,1", "k": 2},
        {"collection": NAME, "features": [3, "1"], "k": 2},
    ),
    "similar": (
        f"similar {NAME} --features 1:2.0,3:1 --weights 1:0.5 -k 4 --chosen",
        {
            "collection": NAME,
            "features": "1:2.0,3:1",
            "weights": "1:0.5",
            "k": 4,
            "chosen": "true",
        },
        {
            "collection": NAME,
            "features": {"1": 2.0, "3": 1},
            "weights": [{"feature": 1, "weight": 0.5}],
            "k": 4,
            "chosen": True,
        },
    ),
    "select": (
        f"select {NAME} '{NAME} where doc < 0' --no-idf --all",
        {},
        {},
    ),
    "match": (
        f"match {NAME} {NAME} --features 1,2 -k 2",
        {"a": NAME, "b": NAME, "features": "1,2", "k": 2},
        {"a": NAME, "b": NAME, "features": [1, 2], "k": 2},
    ),
    "correlate": (
        f"correlate {NAME} --min-npmi 0 --min-documents 2 -k 5 --control length",
        {"a": NAME, "min_npmi": 0, "min_documents": 2, "k": 5, "control": "length"},
        {
            "a": {"collection": NAME},
            "min_npmi": 0,
            "min_documents": 2,
            "k": 5,
            "control": ["length"],
        },
    ),
    "cluster": (
        f"cluster {NAME} -n 2",
        {"collection": NAME, "n_clusters": 2},
        {"collection": NAME, "n_clusters": 2},
    ),
    "families": (
        f"families {NAME} --min-npmi 0.1 --min-documents 2 --all",
        {"collection": NAME, "min_npmi": 0.1, "min_documents": 2, "k": "all"},
        {"collection": NAME, "min_npmi": 0.1, "min_documents": 2, "k": None},
    ),
    "diff": (
        f"diff {NAME} {NAME} -k 3 --no-examples",
        {"a": NAME, "others": NAME, "k": 3, "examples": "false"},
        {"a": NAME, "others": [{"collection": NAME}], "k": 3, "examples": False},
    ),
    "shares": (
        f"shares {NAME} '3 & !9' --by label -k 1 --order share",
        {"collection": NAME, "expression": "3 & !9", "by": "label", "k": 1, "order": "share"},
        {"collection": NAME, "expression": "3 & !9", "by": "label", "k": 1, "order": "share"},
    ),
    "values": (
        f"values {NAME} label -k 1 --order value",
        {"collection": NAME, "by": "label", "k": 1, "order": "value"},
        {"collection": NAME, "by": "label", "k": 1, "order": "value"},
    ),
    "agreement": ("agreement sae", {"dictionary": "sae"}, {"dictionary": "sae"}),
    "labels": ("labels sae -k 2", {"dictionary": "sae", "k": 2}, {"dictionary": "sae", "k": 2}),
    "neighbors": (
        "neighbors sae 3 -k 2",
        {"dictionary": "sae", "feature": 3, "k": 2},
        {"dictionary": "sae", "feature": "3", "k": 2},
    ),
    "jobs": ("jobs", {}, {}),
    "tags": ("tags", {}, {}),
    "encode": (
        f"encode-text {NAME} 'rain, sun' 'rain' -k 2",
        {"collection": NAME, "texts": ["rain, sun", "rain"], "k": 2},
        {"collection": NAME, "texts": ["rain, sun", "rain"], "k": 2},
    ),
}
ASKED["select"] = (
    f"select {NAME} {NAME} --no-idf --all",
    {"pool": NAME, "target": NAME, "idf": "false", "k": "all"},
    {"pool": NAME, "target": {"collection": NAME, "where": None}, "idf": False, "k": None},
)
# The small lake has no labels with embeddings, no column x, and no map of features.
FAILING: dict[str, dict[str, Any]] = {
    "map": {"collection": NAME, "of": "features"},
    "retrieve": {"collection": NAME, "phrase": "rain"},
    "associate": {"collection": NAME, "columns": ["x"]},
}


def test_every_question_is_asked_here() -> None:
    """But those that read all there is, which no link should begin and JSON cannot stream."""
    exports = {kind.question for kind in METHODS.values() if kind.cost == "export"}
    assert set(QUESTIONS) == {kind.question for kind in METHODS.values()} - exports
    assert set(QUESTIONS) == set(ASKED) | set(FAILING) == set(ROWS) == set(EXAMPLES)


@pytest.mark.parametrize("name", ASKED)
def test_a_question_by_its_address_is_the_commands_json(
    name: str, web: WebServer, server: BackgroundServer
) -> None:
    typed, fields, document = ASKED[name]
    by_address = question(web.url, name, **fields)
    assert by_address.status == 200, by_address.text
    printed = asked(*shlex.split(typed), "--format", "json", "--server", str(server.address))
    assert typed_notes(by_address.json) == json.loads(printed)
    by_body = posted(web.url, f"/api/v1/{name}", document)
    assert by_body.body == by_address.body
    rows = ROWS[name]
    assert rows is None or isinstance(by_address.json[rows], list)


@pytest.mark.parametrize("name", FAILING)
def test_what_the_lake_cannot_answer_is_said_as_json(name: str, web: WebServer) -> None:
    by_address = question(web.url, name, **FAILING[name])
    assert by_address.status in (400, 404)
    assert by_address.headers["content-type"] == "application/json"
    assert set(by_address.json) == {"error", "message", "data"}
    assert posted(web.url, f"/api/v1/{name}", FAILING[name]).json == by_address.json


def test_an_answers_state_is_asked_again(web: WebServer) -> None:
    first = question(web.url, "tokens", collection=NAME, expression="1")
    state = first.headers["saelake-state"]
    again = question(web.url, "tokens", collection=NAME, expression="1", at=state)
    assert (again.body, again.headers["saelake-state"]) == (first.body, state)
    none = question(web.url, "tokens", collection=NAME, expression="1", at="no-tag")
    assert (none.status, none.json["error"]) == (404, "NotFound")


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"collection": NAME}, 400, "The field expression is missing."),
        ({"collection": NAME, "expression": "1", "kk": 3}, 400, "no field kk"),
        ({"collection": NAME, "expression": "1", "k": "many"}, 400, "k"),
        ({"collection": NAME, "expression": "1", "k": 0}, 400, "k must be at least 1"),
        ({"collection": NAME, "expression": "1", "per": "word"}, 400, "per"),
        ({"collection": "words", "expression": "1"}, 400, "corpus/dictionary"),
        ({"collection": "no/where", "expression": "1"}, 404, "no/where"),
        ({"collection": NAME, "expression": "1 &"}, 400, "1 &"),
        ({"collection": NAME, "expression": "1", "where": "sleep(9)"}, 400, "sleep"),
    ],
)
def test_what_cannot_be_meant_is_named(
    web: WebServer, fields: dict[str, Any], status: int, said: str
) -> None:
    answered = question(web.url, "tokens", **fields)
    assert answered.status == status
    assert said in answered.message


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("select", {"pool": "", "target": NAME}, "corpus/dictionary"),
        ("select", {"pool": f"{NAME} whenever x", "target": NAME}, "is not a selection"),
        ("similar", {"collection": NAME, "features": "1:much"}, "1:much"),
        ("features", {"collection": NAME, "features": "rain"}, "rain"),
        ("neighbors", {"dictionary": "sae", "feature": "x"}, "x"),
    ],
)
def test_what_is_written_wrong_is_named(
    web: WebServer, name: str, fields: dict[str, Any], said: str
) -> None:
    answered = question(web.url, name, **fields)
    assert (answered.status, answered.json["error"]) == (400, "InvalidInput")
    assert said in answered.message


def test_a_body_that_is_no_json_is_refused(web: WebServer) -> None:
    broken = call(
        web.url, "/api/v1/tokens", method="POST", body="{", Content_Type="application/json"
    )
    assert (broken.status, broken.json["error"]) == (400, "InvalidInput")


def test_addresses_without_a_question_are_said_as_json(web: WebServer) -> None:
    assert question(web.url, "nothing").json["error"] == "NotFound"
    wrong = call(web.url, "/api/v1/tokens", method="DELETE")
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET")


def test_the_program_says_its_version(web: WebServer) -> None:
    known = question(web.url, "version").json
    assert set(known) == {"version", "wire", "features", "state"}
    assert known["state"].startswith("state:")


def test_openapi_tells_all(web: WebServer) -> None:
    told = call(web.url, "/api/v1/openapi.json").json
    validate(told)
    assert {f"/api/v1/{name}" for name in QUESTIONS} <= set(told["paths"])
    for name, kind in QUESTIONS.items():
        asked_for = told["paths"][f"/api/v1/{name}"]["get"]
        given = {p["name"]: p for p in asked_for["parameters"]}
        assert set(kind.__dataclass_fields__) <= set(given)  # type: ignore[attr-defined]
        assert kind.__doc__ is not None
        assert kind.__doc__.splitlines()[0] in asked_for["description"]
        answer = asked_for["responses"]["200"]["content"]["application/json"]["schema"]
        assert ROWS[name] is None or ROWS[name] in answer["properties"]
    per = next(
        p for p in told["paths"]["/api/v1/tokens"]["get"]["parameters"] if p["name"] == "per"
    )
    assert per["schema"]["enum"] == ["document", "token"]
    assert per["schema"]["default"] == "document"
    assert per["description"] == "Each document's best token, or every token by itself."


def test_the_page_of_the_api_lists_each_question_with_an_example_that_works(
    web: WebServer,
) -> None:
    shown = call(web.url, "/api").text
    assert 'href="/api/v1/openapi.json"' in shown
    for name in QUESTIONS:
        assert f'id="{name}"' in shown
    assert '<a href="/api/v1/tokens?collection=words/sae&amp;expression=12&amp;k=5">' in shown
    assert "https://" not in shown
