"""What a lake answers: frozen values, and the sequences that they come in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from saelake.answers.answer import Answer, sample_of, state_of
from saelake.answers.column_info import ColumnInfo
from saelake.answers.jobs import Job
from saelake.answers.markup import HUES, Mark, legend, marked_html, view_html
from saelake.answers.plain import asked_feature, plain
from saelake.answers.text import described, named, one_line
from saelake.answers.view import Passage, View
from saelake.store.errors import NotFound
from saelake.store.format.poles import numbered, parted


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A token that fires.

    `position` counts the document's tokens as stored. `text` is a window of the document, in
    which the token's characters are `[token_start, token_start + token_length)`.
    """

    doc: int
    id: str
    position: int
    value: float
    token: str
    text: str
    token_start: int
    token_length: int
    metadata: Mapping[str, Any]

    @property
    def parts(self) -> tuple[str, str, str]:
        """The window before the token, the token, and the window after it."""
        end = self.token_start + self.token_length
        return self.text[: self.token_start], self.text[self.token_start : end], self.text[end:]

    @property
    def marked(self) -> str:
        """The window in one line, with the token in << >>."""
        return str(Passage(*self.parts))


class Tokens(Answer[Hit]):
    """The tokens that fire a feature or an expression, strongest first.

    Of a signed dictionary strongest is by magnitude, and values of negative poles are below 0.
    """

    called = "hits"

    def __init__(self, table: pa.Table, *, expression: str) -> None:
        super().__init__(table, Hit)
        self.expression = expression

    def _head(self) -> Mapping[str, Any]:
        return asked_feature(self.expression)

    def _rows(self) -> list[dict[str, Any]]:
        """The hits, in which the token stands by itself."""
        rows: list[dict[str, Any]] = self._table.drop(["token_start", "token_length"]).to_pylist()
        return rows

    def _view(self, rows: Sequence[Hit]) -> View:
        largest = max((abs(hit.value) for hit in rows), default=1.0) or 1.0
        return View(
            said=[f"{len(self)} hits of {self.expression}"],
            header=("value", "id", "text", "metadata"),
            rows=[
                (
                    hit.value,
                    hit.id,
                    Passage(*hit.parts, abs(hit.value) / largest, f"{hit.value:.4g}"),
                    described(hit.metadata),
                )
                for hit in rows
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentToken:
    """A token of a document: the characters [start, start + length) of its text."""

    position: int
    token_id: int
    start: int
    length: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureCodes:
    """A feature's codes in a document: `positions` uint32 (n,), where it fires, and `values`.

    The values are float32 (n,), and the strongest is `max`. `pole` is + or - where the dictionary
    is signed and the codes are of one pole.
    """

    feature: int
    pole: str | None = None
    max: float
    positions: npt.NDArray[np.uint32]
    values: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.positions)


class Document:
    """A document with its codes. `error` says why it has none, where it could not be encoded."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        row = table.select(["doc", "id", "text", "metadata", "error"]).to_pylist()[0]
        self.doc: int = row["doc"]
        self.id: str = row["id"]
        self.text: str = row["text"]
        self.metadata: Mapping[str, Any] = row["metadata"]
        self.error: str | None = row["error"]

    @property
    def sample(self) -> str | None:
        """Of which sample of its tokens the codes are; None where they are of all."""
        return sample_of(self._table)

    @property
    def state(self) -> str | None:
        """The state of the lake that the answer is of."""
        return state_of(self._table)

    def to_arrow(self) -> pa.Table:
        """The document as one row (see `Document` in lake.proto)."""
        return self._table

    def to_plain(self) -> dict[str, Any]:
        """The document as one of JSON; see `Answer.to_plain`."""
        sample = {} if self.sample is None else {"sample": self.sample}
        document: dict[str, Any] = plain({**self._table.to_pylist()[0], **sample})
        return document

    @cached_property
    def tokens(self) -> tuple[DocumentToken, ...]:
        """The document's tokens, in order."""
        return tuple(map(self.token, range(self.n_tokens)))

    @property
    def n_tokens(self) -> int:
        """How many tokens the document has."""
        return len(self._token_columns[0])

    def token(self, position: int) -> DocumentToken:
        """The token at a position, 0 the first; those of a long document are not all made for it.

        Raises `IndexError` for one that the document does not have.
        """
        token_id, start, length = (int(column[position]) for column in self._token_columns)
        return DocumentToken(
            position=position,
            token_id=token_id,
            start=start,
            length=length,
            text=self.text[start : start + length],
        )

    @cached_property
    def _token_columns(self) -> tuple[npt.NDArray[Any], ...]:
        return tuple(self._list(name) for name in ("token_ids", "token_starts", "token_lengths"))

    @property
    def features(self) -> npt.NDArray[np.uint32]:
        """The features that fire, ascending (n,); of a signed dictionary twice where both poles do.

        Then `poles` has the sign of each, and those of positive poles come first.
        """
        return self._list("features")

    @property
    def poles(self) -> tuple[str, ...] | None:
        """The sign of each of `features`, or None where the dictionary is not signed."""
        return tuple(self._list("poles")) if "poles" in self._table.schema.names else None

    def codes(self, feature: int | str) -> FeatureCodes:
        """Where this feature fires, or a pole of it (-243, "+243").

        Raises `NotFound` when it does not fire here.
        """
        number, pole = parted(numbered(feature) if isinstance(feature, str) else feature)
        signs = self.poles or ("+",) * len(self.features)
        found = [
            self._codes(int(index))
            for index in np.flatnonzero(self.features == number)
            if pole in ("", signs[index])
        ]
        if not found:
            raise NotFound(
                f"Feature {feature} does not fire in document {self.id}.", feature=feature
            )
        return found[0] if len(found) == 1 else _both(found)

    activations = codes  # its former name

    def strongest(self, k: int = 10) -> list[FeatureCodes]:
        """The `k` features with the largest maxima here (ties: the lower feature first).

        Of a signed dictionary the poles with the largest magnitudes.
        """
        order = np.argsort(-np.abs(self._list("max")), kind="stable")[:k]
        return [self._codes(int(index)) for index in order]

    def _codes(self, index: int) -> FeatureCodes:
        begin, end = self._offsets[index : index + 2]
        return FeatureCodes(
            feature=int(self.features[index]),
            pole=None if self.poles is None else self.poles[index],
            max=float(self._list("max")[index]),
            positions=self._list("positions")[begin:end],
            values=self._list("values")[begin:end],
        )

    @cached_property
    def _offsets(self) -> npt.NDArray[np.int64]:
        return np.append(0, np.cumsum(self._list("counts"), dtype=np.int64))

    def _list(self, name: str) -> npt.NDArray[Any]:
        return np.asarray(self._table[name].combine_chunks().flatten())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Document) and self._table.equals(other._table)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return str(self._view)

    def _repr_html_(self) -> str:
        names = [
            f"{named(codes.feature, codes.pole)}: {self.peak(codes)}" for codes in self._marked
        ]
        text = marked_html(self.text, self._marks())
        return f"<div>{legend(names)}{text}{view_html(self._view)}</div>"

    @property
    def _view(self) -> View:
        head = (
            f"{one_line(self.id)} (doc {self.doc}): {len(self.tokens)} tokens, "
            f"{len(self.features)} features"
        )
        return View(
            said=list(filter(None, (head, described(self.metadata), self.error, self.sample))),
            header=("feature", "max", "tokens", "peaks on"),
            rows=[
                (named(a.feature, a.pole), a.max, len(a), self.peak(a)) for a in self.strongest()
            ],
        )

    def peak(self, codes: FeatureCodes) -> str:
        """The token at which a feature fires most strongly, of either sign."""
        return self.token(int(codes.positions[int(np.argmax(np.abs(codes.values)))])).text

    @property
    def _marked(self) -> list[FeatureCodes]:
        return self.strongest(len(HUES))

    def _marks(self) -> list[Mark]:
        """The tokens on which the strongest features fire; of each token its strongest.

        The hue says which feature, the depth how strongly for that feature.
        """
        marks: dict[int, tuple[float, Mark]] = {}
        for hue, found in enumerate(self._marked):
            for position, value in zip(
                found.positions.tolist(), found.values.tolist(), strict=True
            ):
                if position in marks and abs(value) <= marks[position][0]:
                    continue
                token = self.tokens[position]
                place = Mark(
                    start=token.start,
                    length=token.length,
                    strength=abs(value) / (abs(found.max) or 1.0),
                    title=f"feature {named(found.feature, found.pole)}: {value:.4g}",
                    hue=hue,
                )
                marks[position] = abs(value), place
        return [marks[position][1] for position in sorted(marks)]


def _both(poles: Sequence[FeatureCodes]) -> FeatureCodes:
    """The codes of a feature's two poles, by position."""
    positions = np.concatenate([codes.positions for codes in poles])
    values = np.concatenate([codes.values for codes in poles])
    order = np.argsort(positions)
    return FeatureCodes(
        feature=poles[0].feature,
        max=max((codes.max for codes in poles), key=abs),
        positions=positions[order],
        values=values[order],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionInfo:
    """What is stored of a corpus, and of one collection of it.

    Counts leave out the `n_deleted` documents that are deleted. A corpus that is not encoded has
    no `dictionary`, and 0 or None in the columns about codes. `n_kept` tokens have dense
    activations, which other dictionaries at the hook point share; `tokens_from` says of which
    ones the codes were made, where no model was run. Of the `n_tokens` tokens `n_held` have codes
    or could: all, or a sample of `sample_fraction`, by the hash of `sample_seed` (None: not known).
    The same encode can reach `n_encodable` documents: those of which activations are kept. `jobs`
    are the runs of encode over it that go on, and the last one that ended, latest first. With
    `is_outdated`, what is indexed is from before both poles of signed features were counted, and
    not used: index again. `unit` is what has codes, of which there are `n_tokens`: tokens, spans,
    or documents. `maps` says of what there is one: documents, features. `columns` are the
    metadata of the corpus's documents.
    """

    corpus: str
    dictionary: str | None
    n_documents: int
    n_skipped: int
    n_deleted: int
    n_encoded: int | None
    n_failed: int | None
    n_tokens: int | None
    n_codes: int | None
    n_indexed: int | None
    n_segments: int | None
    size_bytes: int
    d_sae: int | None
    architecture: str | None
    model: str | None
    hook: str | None
    values: str | None
    tokens_from: str | None = None
    n_kept: int | None = None
    is_outdated: bool | None = None
    jobs: tuple[Job, ...] = ()
    n_held: int | None = None
    sample_fraction: float | None = None
    sample_seed: int | None = None
    n_encodable: int | None = None
    unit: str | None = None
    maps: tuple[str, ...] = ()
    columns: tuple[ColumnInfo, ...] = ()

    @classmethod
    def of(
        cls,
        *,
        jobs: Sequence[Mapping[str, Any]] = (),
        maps: Sequence[str] = (),
        columns: Sequence[Mapping[str, Any]] = (),
        **row: Any,
    ) -> "CollectionInfo":
        """What a row of the answer says; an older server says nothing of the lists."""
        return cls(
            jobs=tuple(map(Job.of, jobs or ())),
            maps=tuple(maps or ()),
            columns=tuple(ColumnInfo(**column) for column in columns or ()),
            **row,
        )

    @property
    def counted(self) -> str:
        """How many units have codes, as in `1,200 tokens` or `30 spans`; empty for none.

        Of documents nothing is said, as their number is.
        """
        if not self.n_tokens or self.unit == "document":
            return ""
        unit = self.unit or "token"
        return f"{self.n_tokens:,} {unit if self.n_tokens == 1 else f'{unit}s'}"

    @property
    def name(self) -> str:
        """`corpus/dictionary`, or the corpus alone."""
        return f"{self.corpus}/{self.dictionary}" if self.dictionary else self.corpus


class Info(Answer[CollectionInfo]):
    """What is in a lake."""

    called = "collections"

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, CollectionInfo.of)

    def _view(self, rows: Sequence[CollectionInfo]) -> View:
        return View(
            header=("collection", "documents", "tokens", "codes", "d_sae", "hook", "model"),
            rows=[
                (
                    i.name,
                    i.n_documents,
                    i.n_tokens or 0,
                    i.n_codes or 0,
                    i.d_sae or 0,
                    i.hook,
                    i.model,
                )
                for i in rows
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that must hold of a table: whether it does, and what was found."""

    table: str
    check: str
    ok: bool
    detail: str


class Verification(Answer[Check]):
    """Whether the tables of a lake agree with each other."""

    called = "checks"

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Check)

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return all(check.ok for check in self)

    @property
    def problems(self) -> Iterator[Check]:
        """The checks that do not hold."""
        return (check for check in self if not check.ok)

    def _head(self) -> Mapping[str, Any]:
        return {"ok": self.ok}

    def _view(self, rows: Sequence[Check]) -> View:
        return View(
            header=("", "table", "check", "found"),
            rows=[("ok" if c.ok else "DAMAGED", c.table, c.check, c.detail) for c in rows],
        )
