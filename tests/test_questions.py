"""Every question is on every face, under one name, with the defaults and columns it declares."""

import inspect
import re
import typing
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
import typer.main

from saelake.cli.app import app
from saelake.collection import Collection
from saelake.dictionary import Dictionary
from saelake.lake import Lake
from saelake.store.engine import _answering
from saelake.store.requests.request import Cost, Request
from saelake.store.wire.requests import METHODS

ROOT = Path(__file__).parents[1]
PROTO = (ROOT / "proto" / "v1" / "lake.proto").read_text()
QUESTIONS = list(METHODS.values())
# Questions that one command asks, for it writes files; and `encode` is of corpora.
COMMAND_OF = {"codes": "export", "embeddings": "export", "texts": "export", "encode": "encode-text"}
COMMANDS: Any = typer.main.get_command(app)
every_question = pytest.mark.parametrize("kind", QUESTIONS, ids=lambda kind: kind.question)


def comment_before(declared: str) -> str:
    """The comment above a line of the .proto, as one line."""
    lines = PROTO[: PROTO.index(declared)].splitlines()[:-1]
    comment: list[str] = []
    while lines and lines[-1].strip().startswith("//"):
        comment.insert(0, lines.pop().strip().removeprefix("//").strip())
    return " ".join(comment)


def method_of(kind: type[Request]) -> str:
    return next(method for method, known in METHODS.items() if known is kind)


def defaults(kind: type[Request]) -> dict[str, Any]:
    return {f.name: f.default for f in fields(typing.cast(Any, kind)) if f.default is not MISSING}


def test_there_is_a_file_for_each_question_and_a_question_for_each_answer() -> None:
    asked = {kind.question for kind in QUESTIONS}
    assert asked == {path.stem for path in (ROOT / "store" / "query").glob("[!_]*.py")}
    shared = {"checks", "columns", "named", "request"}
    assert asked == {p.stem for p in (ROOT / "store" / "requests").glob("[!_]*.py")} - shared


@every_question
def test_a_question_declares_itself(kind: type[Request]) -> None:
    assert kind.cost in typing.get_args(Cost)
    assert len(kind.answer.names) == len(set(kind.answer.names)) > 0
    assert kind.question == method_of(kind).lower()
    for name, default in defaults(kind).items():
        assert getattr(kind, name) == default


@every_question
def test_the_function_of_its_name_answers_it(kind: type[Request]) -> None:
    hints = typing.get_type_hints(_answering(kind.question))
    _, asked = [name for name in hints if name != "return"]
    assert hints[asked] is kind


@every_question
def test_the_wire_contract_names_the_columns_of_its_answer(kind: type[Request]) -> None:
    said = comment_before(f"rpc {method_of(kind)}(")
    assert ", ".join(kind.answer.names) in said or "the columns of Similar" in said


@every_question
def test_the_wire_contract_says_what_is_left_out(kind: type[Request]) -> None:
    """Of each field with a default other than nothing: `left out: 20`, in some letters' case."""
    message = PROTO[PROTO.index(f"message {method_of(kind)}Request {{") :].partition("\n}")[0]
    for name, default in defaults(kind).items():
        if default is None or default == ():
            continue
        line = "oneof limit {" if name == "k" and "oneof" in message else f" {name} ="
        above = message[: message.index(line)].splitlines()[:-1]
        comment: list[str] = []
        while above and above[-1].strip().startswith("//"):
            comment.insert(0, above.pop().strip().removeprefix("//").strip())
        left_out = re.search(r"left out: `?([\w.]+[\w])`?", " ".join(comment), re.I)
        left_out = left_out or re.search(r"left out: `?(\w)`?", " ".join(comment), re.I)
        assert left_out, f"{name}: {comment}"
        said = left_out[1].lower()
        assert said == str(default).lower().removesuffix(".0") or said.endswith(f"_{default}")


def method_in_python(kind: type[Request]) -> Any:
    for face in (Collection, Dictionary, Lake):
        if hasattr(face, kind.question):
            return getattr(face, kind.question)
    raise AssertionError(f"Python cannot ask {kind.question}")


@every_question
def test_python_asks_it_with_its_defaults(kind: type[Request]) -> None:
    asked, declared = inspect.signature(method_in_python(kind)).parameters, defaults(kind)
    for name in set(asked) & set(declared):
        given = asked[name].default
        assert given == declared[name] or (given in (None, ()) and declared[name] in (None, ()))
    if "k" in declared:
        assert asked["k"].default == declared["k"]


@every_question
def test_the_command_line_asks_it_with_its_defaults(kind: type[Request]) -> None:
    command = COMMANDS.commands[COMMAND_OF.get(kind.question, kind.question)]
    asked = {parameter.name: parameter for parameter in command.params}
    for name, default in defaults(kind).items():
        if name in asked and default not in (None, ()):
            assert asked[name].default == default
    if "k" in defaults(kind):
        assert asked["k"].default == defaults(kind)["k"]
