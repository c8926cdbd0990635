"""Every command to the verb that carries it out, as `store.engine` has what answers questions."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Any, get_type_hints

import pyarrow as pa

from saelake.store.documents.once import import_once
from saelake.store.documents.sent import SentDocuments
from saelake.store.errors import InvalidInput
from saelake.store.format.provenance import check_made, check_scores, made_in, scores_in
from saelake.store.format.streams import sent_batches, sent_schema
from saelake.store.growth.annotate import annotate, drop_column
from saelake.store.growth.clean_up import clean_up
from saelake.store.growth.compact import compact
from saelake.store.growth.delete import delete_documents
from saelake.store.growth.drop import drop_target
from saelake.store.growth.replace import replace_dictionary
from saelake.store.labels.imports import put_labels
from saelake.store.labels.written import delete_labels, set_labels
from saelake.store.lake.jobs import JobLog
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.lake.tags import delete_tag, make_tag
from saelake.store.reports import (
    AnnotateReport,
    CleanupReport,
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
from saelake.store.requests.checks import admit, checks
from saelake.store.requests.commands.columns import AnnotateCommand, DropColumnCommand
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.documents import DeleteCommand, ImportCommand
from saelake.store.requests.commands.jobs import (
    CancelJobCommand,
    JobCommand,
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
    SetLabelsCommand,
    check_explainer,
    check_label,
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
from saelake.store.snapshot.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A lake that is told what to do, and what begins jobs over it (None: nothing); thread-safe.

    `repair` is that of `store.health`, which stands above what writes.
    """

    lake: Lake
    repair: Callable[[Lake, CollectionName | None], Sequence[Repaired]]
    begin: Callable[[JobCommand], JobReport] | None = None
    _importing: Lock = field(default_factory=Lock)

    def carry_out(self, command: Command, rows: Path | None = None) -> Any:
        """Do what a command says; its report. `rows` is a file with the Arrow stream sent with it.

        Raises what the verb that it stands for does.
        """
        return _VERBS[type(command)](self, command, rows)

    def corpora(self, command: Command) -> tuple[str, ...] | None:
        """The corpora that a command is about, also by its job; None is the whole lake."""
        if isinstance(command, CancelJobCommand | WatchJobCommand):
            return (JobLog(self.lake).open(command.job).corpus,)
        return command.corpora

    def users(self, dictionary: str) -> frozenset[str]:
        """The corpora that have a collection of a dictionary."""
        found = self.lake.pinned().collections()
        return frozenset(name.corpus for name in found if name.dictionary == dictionary)

    def _set_labels(self, command: SetLabelsCommand, _: Path | None) -> LabelsReport:
        n = set_labels(
            self.lake,
            command.dictionary,
            command.labels,
            explainer=command.explainer,
            expect=command.expect,
        )
        return LabelsReport(dictionary=command.dictionary, n_labels=n)

    def _delete_labels(self, command: DeleteLabelsCommand, _: Path | None) -> LabelsReport:
        n = delete_labels(
            self.lake,
            command.dictionary,
            explainer=command.explainer,
            features=command.features,
        )
        return LabelsReport(dictionary=command.dictionary, n_labels=n)

    def _import_labels(self, command: ImportLabelsCommand, rows: Path | None) -> LabelsReport:
        labels = _labels(rows)
        n = put_labels(
            Session(self.lake),
            command.dictionary,
            labels,
            where="What was sent",
            keep_others=command.keep_others,
        )
        return LabelsReport(dictionary=command.dictionary, n_labels=n)

    def _import(self, command: ImportCommand, rows: Path | None) -> ImportReport:
        assert rows is not None
        source = SentDocuments(rows, command.source, generated_ids=command.generated_ids)
        with self._importing:  # one sent again waits for the first, and gets its report
            return import_once(
                self.lake,
                command.corpus,
                source,
                key=command.key,
                on_duplicate=command.on_duplicate,
            )

    def _delete(self, command: DeleteCommand, _: Path | None) -> DeleteReport:
        return delete_documents(
            self.lake,
            command.corpus,
            where=command.where,
            ids=command.ids,
            dry_run=command.dry_run,
            expect=command.expect,
        )

    def _annotate(self, command: AnnotateCommand, rows: Path | None) -> AnnotateReport:
        return annotate(
            self.lake,
            command.corpus,
            _values(rows),
            about=command.about,
            known_only=command.known_only,
            replace_imported=command.replace_imported,
        )

    def _drop_column(self, command: DropColumnCommand, _: Path | None) -> DropColumnReport:
        return drop_column(self.lake, command.corpus, command.column, imported=command.imported)

    def _start(self, command: JobCommand, _: Path | None) -> JobReport:
        if self.begin is None:
            raise InvalidInput(
                "There is nothing here that runs jobs beside this process: use encode, index, "
                "embed, label and project, which return when they are done."
            )
        return self.begin(command)

    def _cancel_job(self, command: CancelJobCommand, _: Path | None) -> JobReport:
        log = JobLog(self.lake)
        job = log.open(command.job)
        if job.asked is None:
            raise InvalidInput(
                f"No server runs the job {job.id}, but process {job.pid} on {job.host}: end it "
                "there, with Ctrl-C.",
                job=job.id,
            )
        if not job.has_ended:
            log.cancel(job.id)
        return job.report

    def _watch_job(self, command: WatchJobCommand, _: Path | None) -> JobReport:
        return JobLog(self.lake).open(command.job).report

    def _tag(self, command: TagCommand, _: Path | None) -> Tag:
        return make_tag(self.lake, command.name)

    def _untag(self, command: UntagCommand, _: Path | None) -> UntagReport:
        delete_tag(self.lake, command.name)
        return UntagReport(name=command.name)

    def _compact(self, command: CompactCommand, _: Path | None) -> CompactReport:
        return CompactReport(tables=compact(self.lake, command.target))

    def _repair(self, command: RepairCommand, _: Path | None) -> RepairReport:
        only = None if command.collection is None else CollectionName.parse(command.collection)
        return RepairReport(repaired=tuple(self.repair(self.lake, only)))

    def _cleanup(self, command: CleanupCommand, _: Path | None) -> CleanupReport:
        return clean_up(
            self.lake,
            older_than=timedelta(seconds=command.older_than_s),
            former_labels=command.former_labels,
        )

    def _replace(self, command: ReplaceCommand, _: Path | None) -> ReplaceReport:
        return replace_dictionary(self.lake, command.old, command.new)

    def _drop(self, command: DropCommand, _: Path | None) -> DropReport:
        return DropReport(dropped=drop_target(self.lake, command.target))


NEEDED = ImportLabelsCommand.NEEDED

_VERBS: Mapping[type[Command], Callable[[Told, Any, Path | None], Any]] = {
    SetLabelsCommand: Told._set_labels,
    DeleteLabelsCommand: Told._delete_labels,
    ImportLabelsCommand: Told._import_labels,
    ImportCommand: Told._import,
    DeleteCommand: Told._delete,
    AnnotateCommand: Told._annotate,
    DropColumnCommand: Told._drop_column,
    StartEncodeCommand: Told._start,
    StartIndexCommand: Told._start,
    StartEmbedCommand: Told._start,
    StartLabelCommand: Told._start,
    StartProjectCommand: Told._start,
    CancelJobCommand: Told._cancel_job,
    WatchJobCommand: Told._watch_job,
    TagCommand: Told._tag,
    UntagCommand: Told._untag,
    CompactCommand: Told._compact,
    RepairCommand: Told._repair,
    CleanupCommand: Told._cleanup,
    ReplaceCommand: Told._replace,
    DropCommand: Told._drop,
}


def _values(rows: Path | None) -> pa.Table:
    """The values of columns in a file that was sent. Raises `InvalidInput`."""
    try:
        assert rows is not None
        table = pa.Table.from_batches(sent_batches(rows), sent_schema(rows))
        table.validate(full=True)  # also that texts are UTF-8
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput("What was sent is no Arrow stream of values of columns.") from error
    return table


def _labels(rows: Path | None) -> list[dict[str, Any]]:
    """The labels in a file that was sent. Raises `InvalidInput`."""
    wanted = ImportLabelsCommand.ROWS
    try:
        assert rows is not None
        sent = pa.Table.from_batches(sent_batches(rows), sent_schema(rows))
        present = [n for n in wanted.names if n in sent.schema.names]
        table = sent.select([*present, *(n for n in NEEDED if n not in present)])
        table.validate(full=True)  # also that texts are UTF-8
        schema = pa.schema([wanted.field(name) for name in table.schema.names])
        labels: list[dict[str, Any]] = table.cast(schema).to_pylist()
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        columns = ", ".join(f"{name} ({wanted.field(name).type})" for name in NEEDED)
        raise InvalidInput(
            f"What was sent is no Arrow stream of labels, with the columns {columns}, and maybe "
            "scores and made."
        ) from error
    return [_checked(row) for row in labels]


def _checked(row: Mapping[str, Any]) -> dict[str, Any]:
    if None in (row[name] for name in NEEDED):
        said = {name: row[name] for name in NEEDED}
        raise InvalidInput(f"A label lacks something: {json.dumps(said)}.")
    check_explainer(row["explainer"])
    if row["label"].strip():
        check_label(row["label"])
    scores, made = scores_in(row.get("scores")), made_in(row.get("made"))
    for value in (*scores, *([made] if made else ())):
        admit(value, checks(get_type_hints(type(value))))
    check_scores(scores)
    check_made(made)
    return {**{name: row[name] for name in NEEDED}, "scores": scores, "made": made}
