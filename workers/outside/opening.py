"""From locations, or data in Python, to a source of vectors: which formats there are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saelake.store.errors import CorpusError, InvalidInput, extra
from saelake.store.lake.lake import Lake
from saelake.workers.corpus.files import File, list_files
from saelake.workers.corpus.opening import STDIN, locations_of, source_name
from saelake.workers.corpus.parquet import ParquetPart
from saelake.workers.corpus.spooled import spooled_input
from saelake.workers.corpus.tables import part_of
from saelake.workers.outside.columns import AskedColumns
from saelake.workers.outside.ids import AskedIds, ids_of_rows
from saelake.workers.outside.jsonlines import JsonLinesVectors
from saelake.workers.outside.mappings import MappingVectors
from saelake.workers.outside.matrices import HeldMatrix, Matrix, MatrixVectors, StoredMatrix
from saelake.workers.outside.rows import VectorSource
from saelake.workers.outside.tables import TableVectors

ROWS, MATRIX = "rows", "the matrix"
NPZ = ".npz"
KINDS = "JSON lines (.jsonl), Parquet, a CSR matrix (.npz), or a folder of delphi's cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedVectors:
    """How a source of vectors is read: its columns, and what is said of some formats.

    `ids` and `by_number` say of which documents the rows of a matrix are; `tokenizer` is that with
    which a cache of delphi was made.
    """

    columns: AskedColumns = field(default_factory=AskedColumns)
    ids: AskedIds = None
    by_number: bool = False
    tokenizer: str | None = None


def open_vectors(lake: Lake, corpus: str, data: Any, asked: AskedVectors) -> VectorSource:
    """The vectors at a location or several, or of data in Python, to be imported into a corpus.

    - JSON lines (.jsonl, .ndjson, .json; also compressed; `-` is standard input): objects with `id`
      and `vector`, an object of features and values; or with lists `indices` and `values`.
    - Parquet with columns of lists, of a map, or of structs.
    - SciPy's CSR matrices (.npz), of which each row is a document's.
    - A folder of delphi's cache: `<run>/latents/<hookpoint>`.
    - In Python: rows as mappings, also from a generator; DataFrames, Arrow tables and readers; a
      SciPy matrix.

    Rows of units have `start` and `end`, characters of their document's text, and may have a
    `position` among the units, and a `token_id`. Raises `CorpusError` where nothing is at a
    location, or it is not clear what rows are of; and `InvalidInput` for other data.
    """
    source = _opened(lake, corpus, data, asked)
    if not isinstance(source, MatrixVectors) and (asked.ids is not None or asked.by_number):
        raise InvalidInput(
            f"{source.name} has an id in each row: --ids and --by-number are about matrices."
        )
    if asked.tokenizer is not None and not source.token_names:
        raise InvalidInput(f"{source.name} is no cache of delphi: leave the tokenizer out.")
    return source


def _opened(lake: Lake, corpus: str, data: Any, asked: AskedVectors) -> VectorSource:
    locations = locations_of(data)
    if locations is None:
        return _of_python(lake, corpus, data, asked)
    name = source_name(locations)
    if list(locations) == [STDIN]:
        spool, file = spooled_input()
        return JsonLinesVectors(name=name, files=[file], asked=asked.columns, spool=spool)
    if len(locations) == 1 and (cache := _cache(locations[0], asked)) is not None:
        return cache
    files = [file for location in locations for file in _files(location)]
    kinds = {_kind(file) for file in files}
    if len(kinds) != 1:
        raise CorpusError(f"{name} has files of several formats: import one after the other.")
    match kinds.pop():
        case "jsonl":
            return JsonLinesVectors(name=name, files=files, asked=asked.columns)
        case "parquet":
            parts = [ParquetPart(file) for file in files]
            return TableVectors(name=name, parts=parts, asked=asked.columns)
    if len(files) > 1:
        raise CorpusError(f"{name} are several matrices: import one after the other.")
    return _of_matrix(lake, corpus, StoredMatrix.open(files[0]), name, asked)


def _cache(location: str, asked: AskedVectors) -> VectorSource | None:
    """What delphi wrote into a folder, if it did."""
    folder = Path(location).expanduser()
    with suppress(OSError):
        if not folder.is_dir():
            return None
    with extra("workers", "A cache of delphi"):
        from saelake.workers.outside.delphi import DelphiVectors, is_delphi, token_names_of

        if not is_delphi(folder):
            return None
        names = [] if asked.tokenizer is None else token_names_of(asked.tokenizer)
    return DelphiVectors.open(folder, names)


def _files(location: str) -> Iterator[File]:
    for listing in list_files(location):
        found = [file for file in listing.files if _kind(file) is not None]
        if not found:
            raise CorpusError(
                f"{listing.name} has no vectors that can be read: give {KINDS}.",
                location=location,
            )
        yield from found


def _kind(file: File) -> str | None:
    if file.name.lower().endswith(NPZ):
        return "npz"
    return file.format if file.format in ("jsonl", "parquet") else None


def _of_python(lake: Lake, corpus: str, data: Any, asked: AskedVectors) -> VectorSource:
    if hasattr(data, "tocsr"):
        return _of_matrix(lake, corpus, HeldMatrix.of(data), MATRIX, asked)
    is_pandas = type(data).__module__.partition(".")[0] == "pandas"
    if is_pandas or hasattr(data, "__arrow_c_stream__") or hasattr(data, "to_batches"):
        return TableVectors(name=ROWS, parts=[part_of(data, ROWS)], asked=asked.columns)
    if isinstance(data, Iterable) and not isinstance(data, str | bytes | Mapping):
        return MappingVectors(name=ROWS, mappings=data, asked=asked.columns)
    raise InvalidInput(
        f"{type(data).__name__} has no vectors: give a path, rows as mappings (a list or a "
        "generator of dicts), a DataFrame or Arrow table, or a SciPy matrix."
    )


def _of_matrix(
    lake: Lake, corpus: str, matrix: Matrix, name: str, asked: AskedVectors
) -> VectorSource:
    if asked.columns != AskedColumns():
        raise InvalidInput(f"{name} is a matrix, and has no columns of ids, texts or vectors.")
    ids: Sequence[str] = ids_of_rows(
        lake,
        corpus,
        len(matrix.indptr) - 1,
        own=matrix.ids,
        asked=asked.ids,
        by_number=asked.by_number,
        name=name,
    )
    return MatrixVectors(name=name, matrix=matrix, ids=ids)
