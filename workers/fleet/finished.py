"""Whether an encode has anything to do, found out without a model: this needs no torch.

A run that has encoded all leaves a receipt for each collection: what was asked, which files the
model and the dictionary were (see `footprint`), and with which settings the collection was made.
The same asked again of the same files is the same collection. It is finished if its tables still
have those settings, and all of the documents.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from saelake.store.activations.table import ActivationsTable, find_store
from saelake.store.codes.table import CodesTable
from saelake.store.documents.documents import Documents
from saelake.store.errors import NotFound, SaelakeError
from saelake.store.format.activations import KeptSettings
from saelake.store.format.schema import CollectionSettings
from saelake.store.growth.shards import ShardCommitter, TableSettings, begun_settings
from saelake.store.lake.lake import CollectionName, Lake, absolute
from saelake.store.lake.receipts import read_receipt, write_receipt
from saelake.store.snapshot.collection import open_codes
from saelake.workers.encoder.shard import plan
from saelake.workers.fleet.contexts import Notes
from saelake.workers.fleet.footprint import Footprint
from saelake.workers.fleet.naming import candidates, names_of
from saelake.workers.fleet.options import DictionaryChoice, EncodeOptions
from saelake.workers.fleet.progress import EncodeReport
from saelake.workers.kept.ranges import Range, complement, intersection

RULES = 1  # one more, whenever the same asked of the same files makes another collection
DECISIVE = (
    "window",
    "overlap",
    "max_tokens",
    "special_tokens",
    "prepend_bos",
    "chat",
    "values",
    "batch_invariant",
    "quantization",
)
LATER = {"quantization": None}  # decisive options that receipts of an earlier saelake lack


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeRequest:
    """What an encode was asked: by a `model`, or from the activations kept of a `source`."""

    lake: Lake
    corpus: str
    dictionaries: Sequence[DictionaryChoice]
    options: EncodeOptions
    model: str | None = None
    source: str | None = None

    def names(self) -> list[list[CollectionName]]:
        """What the collection of each dictionary may be called. Raises `InvalidInput`."""
        names_of(self.dictionaries)
        return [
            [CollectionName(self.corpus, name) for name in candidates(choice)]
            for choice in self.dictionaries
        ]

    def of(self, choice: DictionaryChoice) -> dict[str, Any]:
        """What decides the collection of one of the dictionaries, as JSON has it."""
        keep = self.options.keep_activations
        return {
            "rules": RULES,
            "model": None if self.model is None else absolute(self.model),
            "source": self._kept(),
            "dictionary": absolute(choice.location),
            "hook": choice.hook,
            "norm_factor": choice.norm_factor,
            "options": {name: getattr(self.options, name) for name in DECISIVE},
            "keep": None if keep is None else asdict(keep),
        }

    def _kept(self) -> Mapping[str, str] | None:
        """What is kept of the source's activations. Raises `NotFound`."""
        if self.source is None:
            return None
        codes, kept = self.tables()
        return {"source": codes.settings.to_json(), **kept.settings.to_metadata()}

    def tables(self) -> tuple[CodesTable, ActivationsTable]:
        """The source's codes, and its activations. Raises `NotFound`."""
        codes = CodesTable(open_codes(self.lake, CollectionName.parse(self.source or "")))
        kept = find_store(self.lake, codes.settings)
        if kept is None:
            raise NotFound(f"No activations are kept of {self.source}.", collection=self.source)
        return codes, kept

    def files(self, choice: DictionaryChoice) -> dict[str, Any] | None:
        """The files of the model and of a dictionary; None if not all are on this machine."""
        found = {"dictionary": Footprint.of_dictionary(choice.location)}
        if self.model is not None:
            found["model"] = Footprint.of_model(self.model)
        present = {name: asdict(files) for name, files in found.items() if files is not None}
        return present if len(present) == len(found) else None


class Receipts:
    """The receipts of a run: files are looked at when it begins, and receipts written at its end.

    So a file that changes meanwhile is known to have changed. What the hub has yet to give is
    looked at in the end: its files never change.
    """

    def __init__(self, asked: EncodeRequest) -> None:
        self._asked = asked
        self._before = [asked.files(choice) for choice in asked.dictionaries]

    def write(self, settings: Sequence[TableSettings], notes: Sequence[str]) -> None:
        """Say that these tables have all that was asked for, and what is to be said of them."""
        asked = self._asked
        made = {s.name: s for s in settings if isinstance(s, CollectionSettings)}
        kept = [s for s in settings if isinstance(s, KeptSettings)]
        for names, choice, files in zip(
            asked.names(), asked.dictionaries, self._before, strict=True
        ):
            files = files or asked.files(choice)
            if files is not None:
                name = next(name for name in names if str(name) in made)
                own = made[str(name)]
                beside = [k.collection.name for k in kept if k.are_of(own)]
                called = names[-1].dictionary
                said = [note for note in notes if note.startswith((f"{called} ", f"{called}:"))]
                receipt = {"asked": asked.of(choice), "files": files, "kept": beside, "said": said}
                write_receipt(asked.lake, name, {**receipt, "settings": own.to_json()})


def is_known(asked: EncodeRequest) -> bool:
    """Whether the model and dictionaries are those that these collections were encoded with."""
    with suppress(SaelakeError):  # which the encode itself raises
        return all(_receipts(asked))
    return False


def finished(asked: EncodeRequest) -> EncodeReport | None:
    """The report of an encode that has nothing to do; None if it has, or that is not sure."""
    with suppress(SaelakeError):  # which the encode itself raises
        receipts = _receipts(asked)
        made = [CollectionSettings.from_json(r["settings"]) for r in receipts if r]
        if all(receipts) and all(map(partial(_is_whole, asked), made, receipts)):
            said = [note for receipt in receipts for note in receipt.get("said", ())]
            return _report(made, Notes.of(made, asked.options, said))
    return None


def _report(made: Sequence[CollectionSettings], notes: Notes) -> EncodeReport:
    notes.warn()
    return EncodeReport(
        collections=tuple(settings.name for settings in made),
        n_documents=0,
        n_tokens=0,
        n_codes=0,
        n_failed=0,
        n_repeated=0,
        notes=notes.against,
    )


def _receipts(asked: EncodeRequest) -> list[Mapping[str, Any]]:
    """For each collection its receipt if that holds, or else an empty one."""
    asks = zip(asked.names(), asked.dictionaries, strict=True)
    found = ([_receipt(asked, name, choice) for name in names] for names, choice in asks)
    return [next(filter(None, receipts), {}) for receipts in found]


def _receipt(
    asked: EncodeRequest, name: CollectionName, choice: DictionaryChoice
) -> Mapping[str, Any]:
    receipt, wanted = read_receipt(asked.lake, name) or {}, asked.of(choice)
    try:
        # Activations that were kept are no reason to do more where none are asked for.
        asked_then = receipt["asked"]
        options = {**LATER, **asked_then["options"]}
        keep = wanted["keep"] and asked_then["keep"]
        if {**asked_then, "options": options, "keep": keep} != wanted or not _are_same(
            asked, choice, receipt
        ):
            return {}
        begun = begun_settings(asked.lake, name)
        made = CollectionSettings.from_json(receipt["settings"])
    except (KeyError, TypeError, ValueError):  # of a saelake that wrote other receipts
        return {}
    return {} if begun is None or made.differences(begun) else receipt


def _are_same(asked: EncodeRequest, choice: DictionaryChoice, receipt: Mapping[str, Any]) -> bool:
    before = {name: Footprint.from_json(files) for name, files in receipt["files"].items()}
    now = asked.files(choice)
    after = {name: Footprint.from_json(files) for name, files in (now or {}).items()}
    return before == after and all(files.is_newest for files in after.values())


def _is_whole(
    asked: EncodeRequest, settings: CollectionSettings, receipt: Mapping[str, Any]
) -> bool:
    """Whether the tables have every document that there is to encode."""
    lake, n_documents = asked.lake, Documents.open(asked.lake, asked.corpus).n_documents
    beside = map(CollectionName.parse, receipt["kept"] if asked.options.keep_activations else ())
    kept = [ActivationsTable.open(lake, name).settings for name in beside]
    lacking = _lacking(asked, n_documents)
    tables: list[TableSettings] = [*kept, settings]
    done = {s.name: sorted([*ShardCommitter(lake, s).done(), *lacking]) for s in tables}
    return not plan(n_documents, done, n_documents)


def _lacking(asked: EncodeRequest, n_documents: int) -> list[Range]:
    """The documents that a source lacks, so that they cannot be encoded from it."""
    if asked.source is None:
        return []
    codes, kept = asked.tables()
    have = intersection(codes.locations.ranges(), kept.locations.ranges())
    return complement(have, n_documents)
