"""What a job is asked, of what a client may say: no path of its own is ever opened.

A dictionary is one that the lake knows by name, at the place it was registered with. Which models
there are is in `store.service.jobs.models`. Where the operator allows, both may be on the hub.
"""

from collections.abc import Mapping
from typing import Any

from saelake.store.codes.table import CodesTable
from saelake.store.documents.documents import Documents
from saelake.store.errors import InvalidInput, NotFound
from saelake.store.format.schema import CollectionSettings
from saelake.store.lake.dictionaries import RegisteredDictionary
from saelake.store.lake.jobs import JobRecord
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.reports import JobKind
from saelake.store.requests.commands.jobs import (
    JobCommand,
    JobDictionary,
    StartEmbedCommand,
    StartEncodeCommand,
    StartIndexCommand,
    StartLabelCommand,
    StartProjectCommand,
)
from saelake.store.service.jobs.models import JobModels
from saelake.store.snapshot.collection import open_codes

HUB_SCHEME = "hf://"


def asked_job(lake: Lake, command: JobCommand, models: JobModels) -> JobRecord:
    """The job of a command. Raises `NotFound`, `InvalidInput` and `AccessDenied`."""
    match command:
        case StartEncodeCommand():
            return _encode_job(lake, command, models)
        case StartEmbedCommand():
            return _embed_job(lake, command, models)
        case StartIndexCommand():
            return _job_of(lake, "index", command)
        case StartLabelCommand():
            return _job_of(lake, "label", command)
        case StartProjectCommand():
            return _job_of(lake, "project", command, of=command.of, seed=command.seed)


def _encode_job(lake: Lake, command: StartEncodeCommand, models: JobModels) -> JobRecord:
    Documents.open(lake, command.corpus)
    known = [RegisteredDictionary.find(lake, d.location) for d in command.dictionaries]
    dictionaries = [
        _at_the_hub(choice, models) if found is None else _known(lake, choice, found)
        for choice, found in zip(command.dictionaries, known, strict=True)
    ]
    asked: dict[str, Any] = {
        "kind": "encode",
        "corpus": command.corpus,
        "model": models.of_dictionaries([found for found in known if found], command.model),
        "dictionaries": dictionaries,
        "options": command.options,
    }
    return _record("encode", command.corpus, command.job, asked)


def _embed_job(lake: Lake, command: StartEmbedCommand, models: JobModels) -> JobRecord:
    Documents.open(lake, command.corpus)
    model = models.of_sentences(lake, command.corpus, command.model)
    asked = {"kind": "embed", "corpus": command.corpus, "model": model}
    return _record("embed", command.corpus, command.job, asked)


def _job_of(
    lake: Lake,
    kind: JobKind,
    command: StartIndexCommand | StartLabelCommand | StartProjectCommand,
    **more: Any,
) -> JobRecord:
    """The job that does something to a collection."""
    name = CollectionName.parse(command.collection)
    open_codes(lake, name)
    asked = {"kind": kind, "collection": str(name), **more}
    return _record(kind, name.corpus, command.job, asked, collections=(str(name),))


def _record(
    kind: JobKind, corpus: str, job_id: str | None, asked: Mapping[str, Any], **more: Any
) -> JobRecord:
    named: dict[str, Any] = {} if job_id is None else {"id": job_id}
    return JobRecord(kind=kind, corpus=corpus, state="queued", asked=asked, **named, **more)


def _known(lake: Lake, asked: JobDictionary, found: RegisteredDictionary) -> dict[str, Any]:
    """A dictionary of the lake, at its place, and used as it was before unless that is said."""
    if found.is_imported:
        raise InvalidInput(
            f"The codes of {found.name} were made elsewhere, so no text is encoded with it: import "
            "more of them where the lake is, with `saelake import-codes`.",
            dictionary=found.name,
        )
    if found.location is None:
        raise InvalidInput(
            f"The lake does not know where the dictionary {found.name} is: encode with it where "
            "the lake is.",
            dictionary=found.name,
        )
    used = _settings(lake, found.name)
    return {
        "location": found.location,
        "name": asked.name or found.name,
        "hook": asked.hook or found.hook,
        "norm_factor": asked.norm_factor or (used and used.norm_factor),
    }


def _settings(lake: Lake, dictionary: str) -> CollectionSettings | None:
    """With which settings some collection of the dictionary was made."""
    names = (name for name in lake.collections() if name.dictionary == dictionary)
    for name in names:
        try:
            return CodesTable.of(lake, open_codes(lake, name)).settings
        except NotFound:  # an encode whose first shard has not finished
            continue
    return None


def _at_the_hub(asked: JobDictionary, models: JobModels) -> dict[str, Any]:
    if not asked.location.startswith(HUB_SCHEME):
        raise NotFound(
            f"The lake has no dictionary {asked.location!r}, and a server opens no path that it is "
            "sent. See `saelake info`.",
            dictionary=asked.location,
        )
    models.check_hub(asked.location)
    return {
        "location": asked.location,
        "name": asked.name,
        "hook": asked.hook,
        "norm_factor": asked.norm_factor,
    }
