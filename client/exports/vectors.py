"""Vectors as JSON lines, of documents or units, as `import-codes` and other systems read them."""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import pairwise
from os import PathLike
from typing import IO, TYPE_CHECKING, Literal, cast

import numpy as np
import pyarrow as pa

from saelake.answers.labels import Labels
from saelake.exports import Progress, whole
from saelake.store.errors import Conflict
from saelake.store.format.lists import Array, Lists, runs
from saelake.store.format.poles import Poles
from saelake.store.format.schema import NO_TOKEN

if TYPE_CHECKING:
    from saelake.store.query.parts.units import UnitCodes

VectorsOf = Literal["document", "unit"]
LINES_PER_WORD = 1024  # after which it is told how far an export is


class FeatureKeys:
    """The keys of features in JSON, quoted: their names, or else their numbers."""

    def __init__(self, names: Mapping[str, int]) -> None:
        self._known = {number: _quoted(name) for name, number in names.items()}

    @classmethod
    def of(cls, labels: Labels) -> "FeatureKeys":
        """Those that are labels of features."""
        return cls({label.label: label.feature for label in labels})

    def __call__(self, features: Array) -> list[str]:
        """Those of these features."""
        numbers, known = features.tolist(), self._known
        for number in set(numbers) - known.keys():
            known[number] = f'"{number}"'
        return [known[number] for number in numbers]


def write_vectors(
    path: str | PathLike[str], lines: Iterable[str], on_progress: Progress = None
) -> int:
    """Stream lines into a file, compressed where it is called .gz; how many there are."""
    n_lines = 0
    with whole(path) as partial, ExitStack() as opened:
        file: IO[bytes] = opened.enter_context(partial.open("wb"))
        if str(path).endswith(".gz"):
            zipped = gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1)
            file = cast("IO[bytes]", opened.enter_context(zipped))
        for line in lines:
            file.write(line.encode())
            n_lines += 1
            if on_progress and n_lines % LINES_PER_WORD == 0:
                on_progress(n_lines)
    return n_lines


def document_lines(
    rows: pa.RecordBatchReader, keys: FeatureKeys, texts: Iterator[tuple[int, str]] | None
) -> Iterator[str]:
    """A line for each document of an answer of embeddings; `texts` are by number, ascending."""
    for batch in rows:
        offsets, features, values = _once(Lists.of(batch["features"]), Lists.of(batch["max"]))
        vectors = _vectors(offsets, keys(features), values)
        docs, ids = batch["doc"].to_pylist(), batch["id"].to_pylist()
        for doc, own, vector in zip(docs, ids, vectors, strict=True):
            more = "" if texts is None else f', "text": {_quoted(_text_of(doc, own, texts))}'
            yield f'{{"id": {_quoted(own)}{more}, "vector": {vector}}}\n'


def numbered_texts(rows: pa.RecordBatchReader) -> Iterator[tuple[int, str]]:
    """The number and the text of each document of an answer of texts, in its order."""
    for batch in rows:
        yield from zip(batch["doc"].to_pylist(), batch["text"].to_pylist(), strict=True)


def unit_lines(units: Iterable["UnitCodes"], poles: Poles, keys: FeatureKeys) -> Iterator[str]:
    """A line for each unit, also of those on which nothing fires."""
    for some in units:
        named = keys(poles.features(some.pole))
        vectors = _vectors(some.offsets, named, some.strength * poles.signs(some.pole))
        columns = (some.position, some.start, some.end, some.token_id)
        places = zip(some.id, *(column.tolist() for column in columns), vectors, strict=True)
        for own, position, start, end, token, vector in places:
            known = "" if token == NO_TOKEN else f', "token_id": {token}'
            yield (
                f'{{"id": {_quoted(own)}, "position": {position}, "start": {start}, "end": {end}'
                f'{known}, "vector": {vector}}}\n'
            )


def _text_of(doc: int, own: str, texts: Iterator[tuple[int, str]]) -> str:
    text = next((text for number, text in texts if number == doc), None)
    if text is None:
        raise Conflict(
            f"Document {own!r} was deleted while its vector was exported. Export again.", id=own
        )
    return text


def _once(features: Lists, values: Lists) -> tuple[Array, Array, Array]:
    """Rows in which a feature is once, where two poles of it fire with the stronger: by feature."""
    row, number, value = features.rows, features.values.astype(np.int64), values.values
    order = np.lexsort((-np.abs(value), number, row))
    first = order[runs((row << 32 | number)[order])]
    bounds = np.searchsorted(row[first], np.arange(len(features.offsets)))
    return bounds, number[first], value[first]


def _vectors(offsets: Array, keys: list[str], values: Array) -> Iterator[str]:
    """Each row as a JSON object."""
    distinct, at = np.unique(values.astype(np.float32), return_inverse=True)
    texts = [_shortest(value) for value in distinct]
    pairs = [f"{key}: {texts[i]}" for key, i in zip(keys, at.tolist(), strict=True)]
    for begin, end in pairwise(offsets.tolist()):
        yield f"{{{', '.join(pairs[begin:end])}}}"


def _shortest(value: np.float32) -> str:
    """The shortest text that is read as this number again."""
    return np.format_float_positional(value, trim="-") if 1e-4 < abs(value) < 1e16 else str(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
