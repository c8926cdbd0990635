"""What a job is asked, of what a client may say: no path of its own is ever opened.

A dictionary is one that the lake knows by name, at the place it was registered with, and the model
the one that it was used with. Where the operator allows, both may be on the hub.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saelake.store.codes.table import CodesTable
from saelake.store.documents.documents import Documents
from saelake.store.errors import AccessDenied, InvalidInput, NotFound
from saelake.store.format.schema import CollectionSettings
from saelake.store.lake.dictionaries import RegisteredDictionary
from saelake.store.lake.jobs import JobRecord
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.requests.commands.jobs import (
    JobDictionary,
    StartEncodeCommand,
    StartIndexCommand,
)
from saelake.store.snapshot.collection import open_codes

HUB_SCHEME = "hf://"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def encode_job(lake: Lake, command: StartEncodeCommand, *, allows_hub: bool) -> JobRecord:
    """The job that encodes. Raises `NotFound`, `InvalidInput` and `AccessDenied`."""
    Documents.open(lake, command.corpus)
    known = [RegisteredDictionary.find(lake, d.location) for d in command.dictionaries]
    dictionaries = [
        _at_the_hub(choice, allows_hub) if found is None else _known(lake, choice, found)
        for choice, found in zip(command.dictionaries, known, strict=True)
    ]
    asked: dict[str, Any] = {
        "kind": "encode",
        "corpus": command.corpus,
        "model": _model(command, [found for found in known if found], allows_hub),
        "dictionaries": dictionaries,
        "options": command.options,
    }
    return _record("encode", command.corpus, command.job, asked)


def index_job(lake: Lake, command: StartIndexCommand) -> JobRecord:
    """The job that indexes. Raises `NotFound` and `InvalidInput`."""
    name = CollectionName.parse(command.collection)
    open_codes(lake, name)
    asked = {"kind": "index", "collection": str(name)}
    return _record("index", name.corpus, command.job, asked, collections=(str(name),))


def _record(
    kind: Any, corpus: str, job_id: str | None, asked: Mapping[str, Any], **more: Any
) -> JobRecord:
    named: dict[str, Any] = {} if job_id is None else {"id": job_id}
    return JobRecord(kind=kind, corpus=corpus, state="queued", asked=asked, **named, **more)


def _model(command: StartEncodeCommand, known: list[RegisteredDictionary], allows_hub: bool) -> str:
    """Where the model is."""
    places = list(dict.fromkeys(d.model_location or d.model or "" for d in known))
    if command.model is None and len(places) == 1 and places[0]:
        return places[0]
    if command.model is None:
        raise InvalidInput(
            "Say with which model: the dictionaries were not all used with one that the lake knows."
        )
    if command.model in places or command.model in (d.model for d in known):
        return next(d.model_location or command.model for d in known if _is_of(d, command.model))
    if not _HUB_ID.fullmatch(command.model) or Path(command.model).exists():
        raise InvalidInput(
            f"{command.model!r} is no model that a server may read: name the one that the "
            "dictionaries were used with, or leave it out.",
            model=command.model,
        )
    _check_hub(command.model, allows_hub)
    return command.model


def _is_of(dictionary: RegisteredDictionary, model: str) -> bool:
    """Whether a dictionary was used with this model, by its place or its name."""
    return model in (dictionary.model_location, dictionary.model)


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


def _at_the_hub(asked: JobDictionary, allows_hub: bool) -> dict[str, Any]:
    if not asked.location.startswith(HUB_SCHEME):
        raise NotFound(
            f"The lake has no dictionary {asked.location!r}, and a server opens no path that it is "
            "sent. See `saelake info`.",
            dictionary=asked.location,
        )
    _check_hub(asked.location, allows_hub)
    return {
        "location": asked.location,
        "name": asked.name,
        "hook": asked.hook,
        "norm_factor": asked.norm_factor,
    }


def _check_hub(what: str, allows_hub: bool) -> None:
    if not allows_hub:
        raise AccessDenied(
            f"This server fetches nothing from the hub, and so not {what}: its operator allows "
            "that with `saelake serve --allow-hub`.",
            location=what,
        )
