"""What is done to a lake behind a server, for the methods of `Lake` that do it here too."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from saelake.store import errors
from saelake.store.errors import Conflict, InvalidInput, SaelakeError
from saelake.store.format.provenance import made_row, score_rows
from saelake.store.reports import (
    ImportReport,
    IndexReport,
    JobReport,
    LabelsReport,
    MapReport,
    OnDuplicate,
)
from saelake.store.requests.commands.documents import ImportCommand
from saelake.store.requests.commands.jobs import (
    JobCommand,
    JobDictionary,
    StartEmbedCommand,
    StartEncodeCommand,
    StartIndexCommand,
    StartLabelCommand,
    StartProjectCommand,
    WatchJobCommand,
)
from saelake.store.requests.commands.labels import ImportLabelsCommand
from saelake.transport import Transport
from saelake.workers.fleet.options import DictionaryChoice, EncodeOptions
from saelake.workers.fleet.progress import EncodeProgress, EncodeReport

if TYPE_CHECKING:
    from saelake.store.documents.imports import Source

OF_THE_SERVER = ("device", "memory_bytes", "trust_remote_code", "keep_activations")
Progress = Callable[[int, int], object]  # how many of how many are done


def import_there(
    transport: Transport,
    corpus: str,
    source: "Source",
    *,
    on_duplicate: OnDuplicate,
    key: str | None,
    on_progress: Callable[[int], object],
) -> ImportReport:
    """Send the rows of a source, to be imported by one commit."""
    from saelake.store.documents.sending import sent_documents

    command = ImportCommand(
        corpus=corpus,
        source=source.name,
        on_duplicate=on_duplicate,
        generated_ids=source.generated_ids,
        key=key,
    )
    with ExitStack() as sending:
        rows = sending.enter_context(sent_documents(source, on_progress))
        report: ImportReport = transport.tell(command, rows)
    return report


def import_here(
    transport: Transport,
    corpus: str,
    source: "Source",
    *,
    on_duplicate: OnDuplicate,
    key: str | None,
    on_progress: Callable[[int], object],
) -> ImportReport:
    """Import the rows of a source into a lake that is in reach."""
    from saelake.store.documents.once import import_once

    lake = transport.local_lake
    assert lake is not None
    return import_once(
        lake, corpus, source, on_duplicate=on_duplicate, key=key, on_progress=on_progress
    )


def import_labels_there(
    transport: Transport,
    dictionary: str,
    labels: Iterable[Mapping[str, Any]],
    *,
    keep_others: bool = False,
) -> int:
    """Send labels (as `read_labels` has them); how many were taken."""
    rows = [
        {**row, "scores": score_rows(row["scores"]), "made": made_row(row["made"])}
        for row in labels
    ]
    sent = pa.Table.from_pylist(rows, ImportLabelsCommand.ROWS).to_reader()
    command = ImportLabelsCommand(dictionary=dictionary, keep_others=keep_others)
    report: LabelsReport = transport.tell(command, sent)
    return report.n_labels


def encode_command(
    corpus: str,
    choices: Sequence[DictionaryChoice],
    *,
    model: str | None,
    options: EncodeOptions | None,
    job: str | None = None,
) -> StartEncodeCommand:
    """What a server is to encode. Raises `InvalidInput` for options that are the server's."""
    given = {} if options is None else _given(options)
    check_sayable(**{name: given.get(name) for name in OF_THE_SERVER})
    return StartEncodeCommand(
        corpus=corpus,
        dictionaries=tuple(JobDictionary(**asdict(choice)) for choice in choices),
        model=model,
        job=job,
        **given,
    )


def check_sayable(**theirs: object) -> None:
    """Raise `InvalidInput` where anything is given that is the server's own: each is None."""
    given = [name for name, value in theirs.items() if value is not None]
    if given:
        raise InvalidInput(
            f"{', '.join(given)} cannot be said to a server: it has its own. Leave them out, or "
            "do this where the lake is."
        )


def _given(options: EncodeOptions) -> dict[str, Any]:
    """The options that are not as they are by themselves."""
    usual = EncodeOptions()
    values = {field.name: getattr(options, field.name) for field in fields(options)}
    return {name: value for name, value in values.items() if value != getattr(usual, name)}


def encode_there(
    transport: Transport,
    command: StartEncodeCommand,
    on_progress: Callable[[EncodeProgress], object],
) -> EncodeReport:
    """Have a server encode, and wait for it; the job goes on when this is interrupted."""

    begun = False

    def tell(job: JobReport) -> None:
        nonlocal begun
        if job.is_loading and begun:  # its process says it again, and once is enough
            return
        begun = True
        names = (field.name for field in fields(EncodeProgress))
        on_progress(EncodeProgress(**{name: getattr(job, name) for name in names}))

    job = _ended(transport, transport.tell(command), tell)
    names = (field.name for field in fields(EncodeReport))
    report = EncodeReport(**{name: getattr(job, name) for name in names})
    return replace(report, notes=(*job.notes, *job.warnings))


def index_there(transport: Transport, collection: str, on_progress: Progress) -> IndexReport:
    """Have a server index, and wait for it; the job goes on when this is interrupted."""
    job = _counted(transport, StartIndexCommand(collection=collection), on_progress)
    return IndexReport(
        collection=collection,
        n_documents=job.n_documents,
        n_postings=job.n_postings,
        n_segments=job.n_segments,
    )


def embed_there(transport: Transport, corpus: str, model: str | None, on_progress: Progress) -> int:
    """Have a server embed a corpus, as `index_there`; how many documents."""
    command = StartEmbedCommand(corpus=corpus, model=model)
    return _counted(transport, command, on_progress).n_documents


def label_there(transport: Transport, collection: str, on_progress: Progress) -> int:
    """Have a server label a collection, as `index_there`; how many features have a label."""
    return _counted(transport, StartLabelCommand(collection=collection), on_progress).n_labels


def project_there(
    transport: Transport, command: StartProjectCommand, on_progress: Progress
) -> MapReport:
    """Have a server make a map, as `index_there`."""
    job = _counted(transport, command, on_progress)
    return MapReport(
        collection=command.collection,
        of=command.of,
        n=job.n_documents,
        n_fitted=job.n_fitted,
        n_clusters=job.n_clusters,
    )


def _counted(transport: Transport, command: JobCommand, on_progress: Progress) -> JobReport:
    """The job of a command when it is done, of which is told how many of how many are."""

    def tell(job: JobReport) -> None:
        if not job.is_loading:
            on_progress(job.n_documents, job.n_total)

    job = _ended(transport, transport.tell(command), tell)
    on_progress(job.n_documents, job.n_total)  # of one that was done before anybody looked
    return job


def _ended(
    transport: Transport, begun: JobReport, tell: Callable[[JobReport], object]
) -> JobReport:
    """The job when it is done. Raises what it failed by, and `Conflict` where it was ended."""
    job = begun
    for job in transport.watch(WatchJobCommand(job=begun.id)):
        if job.state == "running":
            tell(job)
    if job.state == "failed":
        raise _class(job.error)(job.problem or "The job failed.", job=job.id)
    if job.state != "done":
        why = f": {job.problem}" if job.problem else "."
        raise Conflict(
            f"The job {job.id} was {job.state}{why} What it has committed is kept; the same "
            "command continues.",
            job=job.id,
        )
    return job


def _class(name: str | None) -> type[SaelakeError]:
    """The class of this name, or the root of all where it is none of ours."""
    found = vars(errors).get(name or "")
    if isinstance(found, type) and issubclass(found, SaelakeError):
        return found
    return SaelakeError
