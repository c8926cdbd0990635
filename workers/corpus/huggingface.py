"""Hugging Face data sets: of the Hub, or saved with `save_to_disk`."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.errors import CorpusError, extra
from saelake.workers.corpus.files import Listing
from saelake.workers.corpus.source import unreadable

SCHEME = "hf://"
SAVED_MARKS = ({"dataset_dict.json"}, {"dataset_info.json", "state.json"})
DEFAULT_SPLIT = "train"
BATCH_ROWS = 256
_LOCATION = re.compile(r"hf://(?P<path>[^/:]+/[^/:]+)(/(?P<config>[^/:]+))?(:(?P<split>[^/]+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class HuggingFacePart:
    """One split, a `datasets.Dataset` or `IterableDataset`; class labels are read as their names.

    Arrow tables come out of both, so that media are not decoded: they stay bytes and paths.
    """

    name: str
    split: Any
    label_names: Mapping[str, pa.Array]

    def schema(self) -> pa.Schema:
        """The columns, with the types that its first rows have."""
        for batch in self._batches(1):
            return batch.schema
        raise CorpusError(f"{self.name} has no rows.", source=self.name)

    def batches(self, _: pa.Schema, /) -> Iterator[pa.RecordBatch]:
        """The rows."""
        return self._batches(BATCH_ROWS)

    def _batches(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        tables = self.split.with_format("arrow").iter(batch_size=n_rows)
        with unreadable(self.name):
            for table in tables:
                for batch in table.to_batches():
                    yield self._labelled(batch)

    def _labelled(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = [
            _names_of(column, self.label_names[name]) if name in self.label_names else column
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        ]
        return pa.record_batch(columns, names=batch.schema.names)


def hub_part(location: str, split: str | None) -> HuggingFacePart:
    """The split at `hf://owner/name[/config][:split]`, streamed. Raises `CorpusError`."""
    place = _LOCATION.fullmatch(location)
    if place is None:
        raise CorpusError(
            f"{location!r} is not a data set: write hf://owner/name, hf://owner/name:split or "
            "hf://owner/name/config:split.",
            location=location,
        )
    name = "/".join(filter(None, (place["path"], place["config"])))
    loaded = _loaded(
        name, lambda hf: hf.load_dataset(place["path"], place["config"], streaming=True)
    )
    return _part(loaded, name, split or place["split"])


def is_saved_data_set(listing: Listing) -> bool:
    """Whether a folder is what `save_to_disk` writes, of one split or of several."""
    names = {file.name.removeprefix(f"{listing.name}/") for file in listing.files}
    return any(marks <= names for marks in SAVED_MARKS)


def saved_part(folder: str, split: str | None) -> HuggingFacePart:
    """A split of what `save_to_disk` wrote to a folder. Raises `CorpusError`."""
    path = folder if "://" in folder else str(Path(folder).expanduser().absolute())
    name = PurePosixPath(path).name
    return _part(_loaded(name, lambda hf: hf.load_from_disk(path)), name, split)


def _loaded(name: str, load: Callable[[ModuleType], Any]) -> Any:
    with extra("datasets", "A Hugging Face data set"):
        import datasets
    try:
        return load(datasets)
    except (datasets.exceptions.DatasetsError, OSError, ValueError, RuntimeError) as error:
        raise CorpusError(
            f"The data set {name} cannot be loaded: {error}. Check its name, its configuration "
            "(hf://owner/name/config:split) and the connection.",
            source=name,
        ) from error


def _part(loaded: Any, name: str, split: str | None) -> HuggingFacePart:
    if not isinstance(loaded, Mapping):  # a single split
        return HuggingFacePart(name=name, split=loaded, label_names=_label_names(loaded))
    chosen = split or (next(iter(loaded)) if len(loaded) == 1 else DEFAULT_SPLIT)
    if chosen not in loaded:
        raise CorpusError(
            f"{name} has no split {chosen!r}, but {', '.join(loaded)}. Say which one, as in "
            f"hf://owner/name:{next(iter(loaded), DEFAULT_SPLIT)} or with --split.",
            source=name,
            split=chosen,
        )
    return _part(loaded[chosen], f"{name}:{chosen}", None)


def _label_names(split: Any) -> Mapping[str, pa.Array]:
    """The class names of the columns that hold class labels, in the order of their numbers."""
    features = split.features or {}
    labels = {k: v.names for k, v in features.items() if type(v).__name__ == "ClassLabel"}
    return {column: pa.array(names, pa.string()) for column, names in labels.items()}


def _names_of(labels: pa.Array, names: pa.Array) -> pa.Array:
    known = pc.if_else(pc.greater_equal(labels, 0), labels, None)  # -1 is an unknown label
    return names.take(known)
