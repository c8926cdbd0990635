"""Commands and reports are the same after they were messages."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from saelake.proto.v1 import lake_pb2 as pb
from saelake.store.errors import InvalidInput
from saelake.store.format.provenance import LabelMade, LabelScore
from saelake.store.reports import (
    AnnotateReport,
    CleanupReport,
    Compacted,
    CompactReport,
    DeleteReport,
    DropColumnReport,
    DropReport,
    ImportReport,
    JobReport,
    LabelsReport,
    Repaired,
    RepairReport,
    ReplaceReport,
    Tag,
    UntagReport,
)
from saelake.store.requests.commands.columns import AnnotateCommand, DropColumnCommand
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.documents import DeleteCommand, ImportCommand
from saelake.store.requests.commands.jobs import (
    CancelJobCommand,
    JobDictionary,
    StartEmbedCommand,
    StartEncodeCommand,
    StartIndexCommand,
    StartLabelCommand,
    StartProjectCommand,
    WatchJobCommand,
)
from saelake.store.requests.commands.labels import (
    DeleteLabelsCommand,
    ImportLabelsCommand,
    NewLabel,
    SetLabelsCommand,
)
from saelake.store.requests.commands.upkeep import (
    CleanupCommand,
    CompactCommand,
    DropCommand,
    RepairCommand,
    ReplaceCommand,
    TagCommand,
    UntagCommand,
)
from saelake.store.requests.request import Right
from saelake.store.wire.commands import (
    COMMANDS,
    from_message,
    input_type,
    output_type,
    pieces,
    to_message,
)

COMMAND: list[Command] = [
    SetLabelsCommand(dictionary="d", labels=(NewLabel(feature=-3, label="x"),)),
    SetLabelsCommand(
        dictionary="d", labels=(NewLabel(feature=3, label="x"),), explainer="me", expect=""
    ),
    SetLabelsCommand(
        dictionary="d",
        labels=(
            NewLabel(
                feature=3,
                label="x",
                scores=(
                    LabelScore(kind="detection", value=0.0),
                    LabelScore(kind="words", value=1, low=0.5, high=1.0, n=0, by="j", on="c"),
                ),
                made=LabelMade(),
            ),
            NewLabel(
                feature=4,
                label="y",
                made=LabelMade(
                    model="m",
                    prompt="p",
                    n_examples=2,
                    examples=("a", "b"),
                    prompt_tokens=0,
                    completion_tokens=7,
                    cost=0.0,
                    time=datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
                ),
            ),
        ),
    ),
    DeleteLabelsCommand(dictionary="d"),
    DeleteLabelsCommand(dictionary="d", explainer="me", features=()),
    DeleteLabelsCommand(dictionary="d", features=(1, -2)),
    DeleteCommand(corpus="c", where="a = 1", dry_run=True),
    DeleteCommand(corpus="c", ids=("a", "b"), expect=0),
    DropColumnCommand(corpus="c", column="v"),
    DropColumnCommand(corpus="c", column="v", imported=True),
    StartEncodeCommand(corpus="c", dictionaries=(JobDictionary(location="d"),)),
    StartEncodeCommand(
        corpus="c",
        dictionaries=(
            JobDictionary(location="d", name="n", hook="h", norm_factor=0.5),
            JobDictionary(location="e"),
        ),
        model="m",
        job="j",
        overlap=0,
        prepend_bos=False,
        values="8-bit",
        on_error="fail",
    ),
    StartIndexCommand(collection="c/d", job="j"),
    StartEmbedCommand(corpus="c"),
    StartEmbedCommand(corpus="c", model="owner/model", job="j"),
    StartLabelCommand(collection="c/d"),
    StartLabelCommand(collection="c/d", job="j"),
    StartProjectCommand(collection="c/d"),
    StartProjectCommand(collection="c/d", of="features", seed=7, job="j"),
    CancelJobCommand(job="j"),
    WatchJobCommand(job="j"),
    TagCommand(name="v1"),
    UntagCommand(name="v1"),
    CompactCommand(target="c"),
    RepairCommand(),
    RepairCommand(collection="c/d"),
    CleanupCommand(older_than_s=0.0),
    ReplaceCommand(old="d", new="e"),
    DropCommand(target="c/d"),
    CleanupCommand(former_labels=True),
]
WITH_ROWS: list[Command] = [
    ImportLabelsCommand(dictionary="d"),
    ImportLabelsCommand(dictionary="d", keep_others=True),
    AnnotateCommand(corpus="c"),
    AnnotateCommand(corpus="c", known_only=True, replace_imported=True, about="why"),
    ImportCommand(corpus="c", source="s"),
    ImportCommand(corpus="c", source="s", on_duplicate="fail", generated_ids=True, key="k"),
]
REPORTS: list[tuple[str, Any]] = [
    ("SetLabels", LabelsReport(dictionary="d", n_labels=3)),
    (
        "Import",
        ImportReport(
            corpus="c",
            n_documents=1,
            n_skipped=2,
            reasons={"no text": 2},
            first_doc=7,
            examples=("a, row 1: no text",),
        ),
    ),
    ("Delete", DeleteReport(corpus="c", n_documents=1, n_left=2, ids=("a",), dry_run=True)),
    ("DropColumn", DropColumnReport(corpus="c", column="v", was_there=True)),
    (
        "Annotate",
        AnnotateReport(
            corpus="c", columns=("v", "w"), new=("w",), n_documents=1, n_unknown=1, unknown=("a",)
        ),
    ),
    ("StartIndex", JobReport(id="j", kind="index", corpus="c", state="failed", problem="x")),
    (
        "StartProject",
        JobReport(
            id="j", kind="project", corpus="c", n_documents=9, n_fitted=7, n_clusters=2, n_labels=1
        ),
    ),
    (
        "Repair",
        RepairReport(
            repaired=(
                Repaired(
                    collection="c/d",
                    documents=("a", "b"),
                    n_files=1,
                    kept=("a",),
                    n_kept_files=2,
                    n_segments=3,
                    n_blocks=4,
                    features=True,
                ),
                Repaired(collection="c/e"),
            )
        ),
    ),
    ("WatchJob", JobReport(id="j", corpus="c", collections=("c/d",), started=1.25, notes=("a",))),
    ("Tag", Tag(name="v1", created=datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), n_tables=4)),
    ("Untag", UntagReport(name="v1")),
    (
        "Compact",
        CompactReport(tables=(Compacted(table="t", n_before=3, n_after=1, n_removed=0),)),
    ),
    ("Cleanup", CleanupReport(size_bytes=1 << 40, retired=("old",))),
    ("Replace", ReplaceReport(dictionary="d", collections=("c/d", "b/d"))),
    ("Drop", DropReport(dropped=("c/d", "c"))),
]


def test_every_command_is_a_method_and_has_a_right() -> None:
    methods = pb.DESCRIPTOR.services_by_name["Changes"].methods
    assert [method.name for method in methods] == list(COMMANDS)
    assert {type(command) for command in (*COMMAND, *WITH_ROWS)} == set(COMMANDS.values())
    for kind in COMMANDS.values():
        assert kind.right in get_args(Right)


@pytest.mark.parametrize("command", COMMAND, ids=lambda command: command.command)
def test_a_command_is_the_same_as_a_message(command: Command) -> None:
    sent = to_message(input_type(command.command), command).SerializeToString()
    received = input_type(command.command).FromString(sent)
    assert from_message(type(command), received) == command


@pytest.mark.parametrize("command", WITH_ROWS, ids=lambda command: command.command)
def test_rows_follow_their_command(command: Command) -> None:
    begin, *rest = pieces(command, [b"a", b"b"])
    assert from_message(type(command), begin.begin) == command  # type: ignore[attr-defined]
    assert [piece.arrow for piece in rest] == [b"a", b"b"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("method", "report"), REPORTS, ids=lambda value: str(value)[:12])
def test_a_report_is_the_same_as_a_message(method: str, report: Any) -> None:
    sent = to_message(output_type(method), report).SerializeToString()
    received = output_type(method).FromString(sent)
    assert from_message(type(report), received) == report


def test_a_command_says_which_corpora_it_is_about() -> None:
    about = {type(command).command: command.corpora for command in (*COMMAND, *WITH_ROWS)}
    of_one = (
        "Import",
        "Delete",
        "Annotate",
        "DropColumn",
        "StartEncode",
        "StartIndex",
        "StartEmbed",
        "StartLabel",
        "StartProject",
        "Compact",
        "Repair",
    )
    assert {name: about[name] for name in of_one} == dict.fromkeys(of_one, ("c",))
    assert [about[name] for name in ("SetLabels", "DeleteLabels", "ImportLabels")] == [()] * 3
    assert {about[name] for name in ("Tag", "Untag", "Cleanup", "Replace")} == {None}
    assert RepairCommand().corpora is None


def test_messages_have_the_fields_of_their_values() -> None:
    for method, kind in COMMANDS.items():
        own: Any = input_type(method).DESCRIPTOR
        own = own.fields_by_name["begin"].message_type if kind.has_rows else own
        value: Any = kind
        assert {f.name for f in own.fields} == {f.name for f in fields(value)}
        report: Any = kind.report
        told = {f.name for f in output_type(method).DESCRIPTOR.fields}
        assert told == {f.name for f in fields(report)}


def test_what_must_be_there_is_missed() -> None:
    score = pb.LabelScore(value=0.5)
    labels = [pb.NewLabel(feature=3, label="x", scores=[score])]
    with pytest.raises(InvalidInput, match="The field kind is missing"):
        from_message(SetLabelsCommand, pb.SetLabelsRequest(dictionary="d", labels=labels))


def test_what_is_no_choice_is_refused() -> None:
    message = pb.ImportRequest(corpus="c", source="s")
    message.on_duplicate = 77  # type: ignore[assignment]
    with pytest.raises(InvalidInput, match="no choice 77"):
        from_message(ImportCommand, message)
    assert from_message(ImportCommand, pb.ImportRequest(corpus="c", source="s")).key is None
