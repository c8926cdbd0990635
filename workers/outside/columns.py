"""Which columns of a source of vectors are what."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from saelake.store.errors import CorpusError
from saelake.store.format.schema import Unit

IDS = ("id", "doc_id", "_id")
TEXTS = ("text", "content", "contents")
VECTOR = "vector"
# Columns of features and of their values, as SciPy and vector databases call them, and as we do.
PAIRS = (("indices", "values"), ("features", "values"), ("features", "max"))
START, END, POSITION, TOKEN_ID = PLACES = ("start", "end", "position", "token_id")
OTHERS = ("sign", "poles")  # of vectors that we export: which side of 0 a feature is on


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedColumns:
    """The columns that somebody named; None: those that are usual."""

    id: str | None = None
    text: str | None = None
    vector: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorColumns:
    """What the columns are: of the id, and of vectors or of features and values."""

    id: str
    vector: str | None
    pair: tuple[str, str] | None
    has_places: bool

    @classmethod
    def choose(
        cls, names: Collection[str], asked: AskedColumns, unit: Unit, source: str
    ) -> "VectorColumns":
        """The columns of a source with these names. Raises `CorpusError`."""
        has_places = START in names and END in names
        if unit == "document" and has_places:
            raise CorpusError(
                f"{source} has the columns {START!r} and {END!r}, so its rows are not of "
                "documents. Say what they are of: --unit span, or --unit token.",
                source=source,
            )
        if unit != "document" and not has_places:
            raise CorpusError(
                f"{source} has no columns {START!r} and {END!r}, which say where in its document "
                f"each {unit} is. Add them, as characters of the text, or import with --unit "
                "document.",
                source=source,
            )
        vector = asked.vector or (VECTOR if VECTOR in names else None)
        pair = next((p for p in PAIRS if set(p) <= set(names)), None)
        if vector is None and pair is None:
            raise CorpusError(
                f"{source} has no column {VECTOR!r}, and no columns 'indices' and 'values'; its "
                f"columns are {_listed(names)}. Say which one has the vectors: --vector-column.",
                source=source,
            )
        if vector is not None:
            _check(names, vector, "vectors", "--vector-column", source)
        return cls(
            id=_id_column(names, asked.id, source),
            vector=vector,
            pair=None if vector is not None else pair,
            has_places=has_places,
        )

    @property
    def of_vectors(self) -> Sequence[str]:
        """Those that no document has."""
        own = [self.vector] if self.vector is not None else [*(self.pair or ())]
        return [*own, *OTHERS, *(PLACES if self.has_places else ())]


def text_column(names: Collection[str], asked: str | None, source: str) -> str | None:
    """The column of the documents' texts; None where there is none. Raises `CorpusError`."""
    if asked is not None:
        _check(names, asked, "texts", "--text-column", source)
        return asked
    return next((name for name in TEXTS if name in names), None)


def _id_column(names: Collection[str], asked: str | None, source: str) -> str:
    if asked is not None:
        _check(names, asked, "ids", "--id-column", source)
        return asked
    found = next((name for name in IDS if name in names), None)
    if found is None:
        raise CorpusError(
            f"{source} has no column 'id'; its columns are {_listed(names)}. Say which one has the "
            "documents' ids: --id-column.",
            source=source,
        )
    return found


def _check(names: Collection[str], column: str, what: str, option: str, source: str) -> None:
    if column not in names:
        raise CorpusError(
            f"{source} has no column {column!r}; its columns are {_listed(names)}. Say with "
            f"{option} which one has the {what}.",
            source=source,
            column=column,
        )


def _listed(names: Collection[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
