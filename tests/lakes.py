"""Small lakes of random codes, made without a model, and their brute-force contents."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from saelake.store.codes import poles as codes_by_pole
from saelake.store.codes.terse import terse
from saelake.store.documents.imports import SourceBatch, import_documents
from saelake.store.errors import NotFound
from saelake.store.format.activations import KeptDtype, KeptSettings, kept_schema
from saelake.store.format.poles import Poles, numbered
from saelake.store.format.sampling import TokenSample
from saelake.store.format.schema import (
    DICTIONARIES_COLUMNS,
    MAX_PART_TOKENS,
    N_TIERS,
    CollectionSettings,
    codes_schema,
    terse_schema,
)
from saelake.store.growth.index import index
from saelake.store.growth.shards import ShardCommitter, ShardWriter
from saelake.store.index.layout import LISTED
from saelake.store.index.segments import PostingsTable, Segment
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.tables.changes import Change, Draft
from saelake.store.tables.tables import Table, address, drop, overwrite, read
from saelake.workers.encoder.pack import PageCodes, Part, pack

MADE = CollectionName("made", "random")
WORDS = ["rain", "sun", "film", "slow", "good", "bad", "the", "of", "über", "日本", "it's", "end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One non-zero code, as brute force sees it."""

    doc: int
    position: int
    feature: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeLake:
    """A lake on disk, and everything that is in its collection `made/random`.

    Of a signed dictionary everything is by pole (see `by_pole`): `codes` have poles for features,
    with strengths, and `n_features` is how many poles there are. `failed` are the (document, part)
    that could not be encoded.
    """

    lake: Lake
    name: CollectionName
    texts: Sequence[str]
    labels: Sequence[str]
    words: Sequence[Sequence[str]]
    codes: Sequence[Code]
    n_features: int
    signed: bool = False
    failed: Collection[tuple[int, int]] = ()
    part_tokens: int = MAX_PART_TOKENS

    @property
    def poles(self) -> Poles:
        """The poles of its dictionary."""
        return Poles(self.n_features // 2 if self.signed else self.n_features, self.signed)

    def named(self, pole: int) -> int:
        """The number by which a question asks for one pole."""
        return numbered(self.poles.name(pole))

    def unsigned(self, rows: Any) -> Any:
        """Rows of an answer, by pole: the number of a pole for each feature, and strengths."""
        return by_pole(rows, self.poles.d_sae) if self.signed else rows

    def tokens(self) -> dict[int, npt.NDArray[np.float32]]:
        """The codes (n_tokens, n_features) of the documents that were encoded, dense.

        Without the tokens of parts that failed.
        """
        matrices = [np.zeros((len(words), self.n_features), np.float32) for words in self.words]
        for code in self.codes:
            matrices[code.doc][code.position, code.feature] = code.value
        encoded = {}
        for doc, matrix in enumerate(matrices):
            part = np.arange(len(matrix)) // self.part_tokens
            kept = ~np.isin(part, [failed for other, failed in self.failed if other == doc])
            if kept.any() or (doc, 0) not in self.failed:
                encoded[doc] = matrix[kept]
        return encoded

    def embeddings(self, pooling: str = "max") -> npt.NDArray[np.float32]:
        """All documents' SAE embeddings (n_documents, n_features), dense; NaN where there is none.

        A feature that does not fire has 0, also where what it has elsewhere is less.
        """
        dense = np.full((len(self.texts), self.n_features), np.nan, np.float32)
        for doc, codes in self.tokens().items():
            dense[doc] = _pooled(codes, pooling)
        return dense


def by_pole(rows: Any, d_sae: int) -> Any:
    """What an answer about a signed dictionary says, as if its poles were features.

    That is what questions count below the faces, and what brute force here does.
    """
    if isinstance(rows, list | tuple):
        return [by_pole(row, d_sae) for row in rows]
    if not isinstance(rows, dict):
        return rows
    made = {name: by_pole(value, d_sae) for name, value in rows.items()}
    for end in ("", "_a", "_b"):
        if (pole := made.pop(f"pole{end}", None)) is not None:
            made[f"feature{end}"] += d_sae * (pole == "-")
            for name in {"value", "max", "mean", "sum"} & set(made):
                assert made[name] is None or made[name] == 0 or (made[name] < 0) == (pole == "-")
                made[name] = None if made[name] is None else abs(made[name])
    if (poles := made.pop("poles", None)) is not None:
        features = zip(made["features"], poles, strict=True)
        made["features"] = [feature + d_sae * (pole == "-") for feature, pole in features]
    return made


def _pooled(codes: npt.NDArray[np.float32], pooling: str) -> npt.NDArray[np.float64]:
    """Codes (n_tokens, n_features) as one embedding (n_features,), from the definition."""
    found: npt.NDArray[np.float64]
    match pooling:
        case "max":
            strongest = np.where(codes != 0, codes, -np.inf).max(axis=0, initial=-np.inf)
            found = np.where(np.isfinite(strongest), strongest, 0)
        case "binary":
            found = np.asarray((codes > 0).any(axis=0), np.float64)
        case "sum":
            found = codes.sum(axis=0, dtype=np.float64)
        case _:
            found = codes.sum(axis=0, dtype=np.float64) / max(len(codes), 1)
    return found


@dataclass(frozen=True, slots=True)
class Rows:
    """A source of rows that are in memory."""

    texts: Sequence[str]
    labels: Sequence[str]
    columns: Mapping[str, pa.Array] = field(default_factory=dict)
    name: str = "made"
    generated_ids: bool = False
    first: int = 0

    @property
    def schema(self) -> pa.Schema:
        own = [("label", pa.string()), ("length", pa.int32())]
        return pa.schema([*own, *((name, column.type) for name, column in self.columns.items())])

    def batches(self) -> Iterator[SourceBatch]:
        rows = pa.RecordBatch.from_pydict(
            {
                "row": pa.array(range(len(self.texts)), pa.uint64()),
                "id": [f"d{i + self.first}" for i in range(len(self.texts))],
                "text": list(self.texts),
                "label": list(self.labels),
                "length": pa.array([len(t) for t in self.texts], pa.int32()),
                **self.columns,
            }
        )
        yield SourceBatch(file="made", first_row=0, rows=rows)


def settings(
    *,
    n_features: int,
    signed: bool = False,
    by_pole: bool | None = None,
    values: str = "16-bit",
    name: CollectionName = MADE,
) -> CollectionSettings:
    return CollectionSettings(
        corpus=name.corpus,
        dictionary=name.dictionary,
        fingerprint=f"f-{name.dictionary}",
        architecture="topk",
        d_in=8,
        d_sae=n_features,
        signed=signed,
        by_pole=signed if by_pole is None else by_pole,
        model="none",
        model_fingerprint="m",
        hook="blocks.0.hook_resid_post",
        window=16,
        values=values,
    )


def make_lake(
    folder: Path,
    *,
    seed: int = 0,
    n_documents: int = 40,
    n_features: int = 12,
    tokens: tuple[int, int] = (0, 12),
    density: float = 0.3,
    n_fragments: int = 3,
    n_indexed: int = 2,
    signed: bool = False,
    by_pole: bool | None = None,
    values: str = "16-bit",
    levels: int = 6,
    name: CollectionName = MADE,
    columns: Mapping[str, pa.Array] | None = None,
    failed: Collection[tuple[int, int]] = (),
    is_terse: bool = True,
) -> MadeLake:
    """A lake of random codes with many equal values; the last fragments are left unindexed.

    `columns` are more metadata columns; `failed` are the (document, part) without codes. With
    `by_pole` False a signed lake has rows as they were before they had poles, and without
    `is_terse` a lake has them as they were before they were terse.
    """
    random = np.random.default_rng(seed)
    lengths = random.integers(*tokens, n_documents, endpoint=True)
    words = [list(random.choice(WORDS, n)) for n in lengths]
    texts = [" ".join(w) or "-" for w in words]
    labels = list(random.choice(["pos", "neg"], n_documents))
    lake = Lake(str(folder))
    import_documents(lake, name.corpus, Rows(texts, labels, columns or {}))
    chosen = settings(
        n_features=n_features, signed=signed, by_pole=by_pole, values=values, name=name
    )
    _register(lake, chosen)
    schema = terse_schema(chosen) if is_terse else codes_schema(chosen)
    Table.open_or_create(lake.codes(name), schema)
    found: list[Code] = []
    bounds = np.linspace(0, n_documents, n_fragments + 1).astype(int)
    order = np.argsort(random.random(n_fragments)) if n_fragments > 1 else np.array([0])
    for step, piece in enumerate(order):
        docs = range(bounds[piece], bounds[piece + 1])
        found += _add_fragment(lake, name, chosen, docs, words, random, density, levels, failed)
        if step + 1 <= n_indexed:
            index(lake, name)
    return MadeLake(
        lake=lake,
        name=name,
        texts=texts,
        labels=labels,
        words=words,
        codes=found,
        n_features=2 * n_features if signed else n_features,
        signed=signed,
        failed=failed,
        part_tokens=MAX_PART_TOKENS,
    )


def reordered(
    made: MadeLake, order: Sequence[int], folder: Path, columns: Mapping[str, pa.Array]
) -> MadeLake:
    """A lake of the same documents and codes, imported in another order; not indexed."""
    place = {doc: number for number, doc in enumerate(order)}
    codes = [replace(code, doc=place[code.doc]) for code in made.codes]
    codes.sort(key=lambda code: (code.doc, code.position, code.feature))
    texts, labels = [made.texts[doc] for doc in order], [made.labels[doc] for doc in order]
    words = [made.words[doc] for doc in order]
    taken = {name: column.take(pa.array(order)) for name, column in columns.items()}
    lake = Lake(str(folder))
    import_documents(lake, made.name.corpus, Rows(texts, labels, taken))
    chosen = settings(n_features=made.n_features, name=made.name)
    _register(lake, chosen)
    parts = [part for doc in range(len(order)) for part in _parts(doc, words[doc], ())]
    row, position, feature = (
        np.array([getattr(code, name) for code in codes], np.int32)
        for name in ("doc", "position", "feature")
    )
    page = PageCodes(row, position, feature, np.array([c.value for c in codes], np.float32))
    batch = pack(parts, page, schema=codes_schema(chosen), codec=chosen.codec)
    commit_shard(lake, chosen, batch, 0, len(order))
    return replace(made, lake=lake, texts=texts, labels=labels, words=words, codes=codes)


def lake_of(
    folder: Path,
    tokens: Sequence[npt.NDArray[np.float32]],
    *,
    columns: Mapping[str, pa.Array],
    name: CollectionName = MADE,
    words: Sequence[Sequence[str]] | None = None,
    signed: bool = False,
) -> Lake:
    """A lake of documents with these codes, (n_tokens, n_features) of each, and these columns.

    Of words by chance, where none are given. Of a signed dictionary codes are those of poles.
    """
    random = np.random.default_rng(0)
    if words is None:
        words = [list(random.choice(WORDS, len(codes))) for codes in tokens]
    labels = ["pos"] * len(tokens)
    texts = [" ".join(w) or "-" for w in words]
    lake = Lake(str(folder))
    import_documents(lake, name.corpus, Rows(texts, labels, columns))
    n_features = tokens[0].shape[1] // (2 if signed else 1)
    chosen = settings(n_features=n_features, signed=signed, name=name)
    _register(lake, chosen)
    parts = [part for doc, w in enumerate(words) for part in _parts(doc, w, ())]
    found = [np.nonzero(codes) for codes in tokens]
    rows = np.repeat(np.arange(len(tokens)), [len(positions) for positions, _ in found])
    values = np.concatenate([c[f] for c, f in zip(tokens, found, strict=True)])
    position, feature = (
        np.concatenate([f[axis] for f in found]).astype(np.int32) for axis in (0, 1)
    )
    codes = PageCodes(rows.astype(np.int32), position, feature, values)
    batch = pack(parts, codes, schema=codes_schema(chosen), codec=chosen.codec)
    commit_shard(lake, chosen, batch, 0, len(tokens))
    return lake


def index_as_before(lake: MadeLake, patch: pytest.MonkeyPatch) -> None:
    """Index a signed lake as before poles: by largest values, as if they had no signs."""
    with patch.context() as before:
        before.setattr(
            CollectionSettings, "poles", property(lambda s: Poles(s.d_sae, signed=False))
        )
        before.setattr(codes_by_pole, "_is_as_stored", lambda *_: True)
        index(lake.lake, lake.name)


def list_postings(made: MadeLake) -> None:
    """Write the segments of a lake again as an earlier saelake did: later tiers as lists."""
    uri = made.lake.postings(made.name)
    postings = PostingsTable(Table.open(uri))
    schema = postings.table.schema
    for name in ("size", "packed"):
        schema = schema.remove(schema.get_field_index(name))
    rows = [_listed_rows(postings, segment, schema) for segment in postings.segments]
    drop(uri)
    table = Table.open_or_create(uri, schema)
    for batch in rows:
        draft = table.write([batch], one_fragment=True)
        table = table.commit(partial(_adding, draft))


def _adding(draft: Draft, _: Table) -> Change:
    return Change(add=draft)


def _listed_rows(postings: PostingsTable, segment: Segment, schema: pa.Schema) -> pa.RecordBatch:
    n_rows = segment.n_rows - 1
    addresses = [address(segment.fragment, row) for row in range(n_rows)]
    kept = postings.table.take_addresses(addresses, ["feature", "tier", "strongest", "covers"])
    columns: dict[str, list[Any]] = {
        name: column.to_pylist()
        for name, column in zip(kept.column_names, kept.columns, strict=True)
    }
    columns |= {name: [] for name in LISTED}
    for row in range(n_rows):
        feature, tier = divmod(row, N_TIERS)
        (found,) = postings.read([feature], tier, [segment])
        found = found[np.argsort(found.doc)][slice(0, 0) if tier == 0 else slice(None)]
        gaps = np.diff(found.doc.astype(np.int64), prepend=0)
        arrays = gaps, found.max, found.position, found.start, found.length
        for name, array in zip(LISTED, arrays, strict=True):
            columns[name].append(array.tolist())
    return pa.RecordBatch.from_pydict(columns, schema)


def add_documents(made: MadeLake, n: int, *, seed: int = 5, encoded: bool = True) -> MadeLake:
    """The lake with `n` more documents, their codes in a fragment that no segment covers."""
    random = np.random.default_rng(seed)
    first = len(made.texts)
    words = [list(random.choice(WORDS, random.integers(1, 12))) for _ in range(n)]
    texts = [" ".join(w) for w in words]
    labels = list(random.choice(["pos", "neg"], n))
    import_documents(made.lake, made.name.corpus, Rows(texts, labels, first=first))
    grown = replace(
        made,
        texts=[*made.texts, *texts],
        labels=[*made.labels, *labels],
        words=[*made.words, *words],
    )
    return encode_documents(grown, range(first, first + n), seed=seed) if encoded else grown


def encode_documents(made: MadeLake, docs: range, *, seed: int = 6) -> MadeLake:
    """The lake with random codes of these documents, as a shard that no segment covers."""
    chosen = settings(n_features=made.n_features, name=made.name)
    random = np.random.default_rng(seed)
    batch, codes = _packed(chosen, docs, made.words, random, 0.3, 6, ())
    commit_shard(made.lake, chosen, batch, docs.start, docs.stop)
    return replace(made, codes=[*made.codes, *codes])


def commit_shard(
    lake: Lake, chosen: CollectionSettings, rows: pa.RecordBatch, start: int, stop: int
) -> None:
    """Write and commit the rows of the documents [start, stop)."""
    writer = ShardWriter(lake, chosen, buffer_bytes=1 << 20)
    writer.add(rows)
    shard = writer.finish(start, stop)
    assert ShardCommitter(lake, chosen).commit([shard]) == [shard]


def add_dictionary(
    made: MadeLake,
    dictionary: str,
    *,
    seed: int = 1,
    n_features: int = 9,
    density: float = 0.3,
    signed: bool = False,
    failed: Collection[tuple[int, int]] = (),
) -> MadeLake:
    """The corpus encoded by another dictionary, in one fragment that no segment covers."""
    name = CollectionName(made.name.corpus, dictionary)
    chosen = settings(n_features=n_features, signed=signed, name=name)
    _register(made.lake, chosen)
    random = np.random.default_rng(seed)
    docs = range(len(made.words))
    codes = _add_fragment(made.lake, name, chosen, docs, made.words, random, density, 6, failed)
    n_counted = 2 * n_features if signed else n_features
    return replace(made, name=name, codes=codes, n_features=n_counted, signed=signed, failed=failed)


def _register(lake: Lake, chosen: CollectionSettings) -> None:
    row = {
        "name": chosen.dictionary,
        "d_sae": chosen.d_sae,
        "signed": chosen.signed,
        "vocabulary": WORDS,
    }
    rows = pa.Table.from_pylist([row], schema=DICTIONARIES_COLUMNS)
    with suppress(NotFound):
        rows = pa.concat_tables([read(lake.dictionaries), rows])
    overwrite(lake.dictionaries, rows)


def _add_fragment(
    lake: Lake,
    name: CollectionName,
    chosen: CollectionSettings,
    docs: range,
    words: Sequence[Sequence[str]],
    random: np.random.Generator,
    density: float,
    levels: int,
    failed: Collection[tuple[int, int]],
) -> list[Code]:
    batch, codes = _packed(chosen, docs, words, random, density, levels, failed)
    table = Table.open_or_create(lake.codes(name), terse_schema(chosen))
    draft = table.write([terse(batch, table.schema)])
    table.commit(lambda _: Change(add=draft))
    return codes


def _packed(
    chosen: CollectionSettings,
    docs: range,
    words: Sequence[Sequence[str]],
    random: np.random.Generator,
    density: float,
    levels: int,
    failed: Collection[tuple[int, int]],
) -> tuple[pa.RecordBatch, list[Code]]:
    """Random codes of these documents, as rows and as brute force sees them."""
    parts = [part for doc in docs for part in _parts(doc, words[doc], failed)]
    chances = [random.random((len(p.token_ids), chosen.d_sae)) for p in parts]
    dense = [c < (0 if p.error else density) for c, p in zip(chances, parts, strict=True)]
    row = np.concatenate([np.full(d.sum(), i, np.int32) for i, d in enumerate(dense)])
    position, feature = (
        np.concatenate([np.nonzero(d)[axis] for d in dense]).astype(np.int32) for axis in (0, 1)
    )
    value = random.integers(1, levels, len(row), endpoint=True).astype(np.float32) / np.float32(2)
    if chosen.signed:
        value *= random.choice([-1, 1], len(row)).astype(np.float32)
    below = value < 0
    if chosen.by_pole:
        feature, value = feature + chosen.d_sae * below.astype(np.int32), np.abs(value)
    codes = PageCodes(row, position, feature, value)
    batch = pack(parts, codes, schema=codes_schema(chosen), codec=chosen.codec)
    stored = chosen.codec.decode(chosen.codec.encode(value))
    return batch, [
        Code(
            doc=parts[r].doc,
            position=int(p) + parts[r].part * MAX_PART_TOKENS,
            feature=int(f) % chosen.d_sae + chosen.d_sae * int(negative),
            value=abs(float(v)),
        )
        for r, p, f, v, negative in zip(row, position, feature, stored, below, strict=True)
    ]


def _parts(doc: int, words: Sequence[str], failed: Collection[tuple[int, int]]) -> Iterator[Part]:
    starts = np.cumsum([0, *(len(word) + 1 for word in words)])[:-1].astype(np.uint32)
    known = {word: number for number, word in enumerate(WORDS)}
    ids: npt.NDArray[np.int32] = np.array([known.get(w, len(known)) for w in words], np.int32)
    lengths = np.array([len(word) for word in words], np.uint16)
    for part, begin in enumerate(range(0, max(len(words), 1), MAX_PART_TOKENS)):
        cut = slice(begin, begin + MAX_PART_TOKENS)
        yield Part(
            doc=doc,
            part=part,
            token_ids=ids[cut],
            starts=starts[cut],
            lengths=lengths[cut],
            error="not finite" if (doc, part) in failed else None,
        )


def keep_activations(
    made: MadeLake, dtype: KeptDtype = "float16", fraction: float = 1.0
) -> list[dict[str, object]]:
    """Keep activations of the first two tokens of each document; the rows, of two fragments."""
    sample = TokenSample(fraction=fraction)
    kept = KeptSettings(collection=settings(n_features=made.n_features), sample=sample, dtype=dtype)
    table = Table.open_or_create(made.lake.activations(made.name), kept_schema(kept))
    number: object = np.float16(1.5) if dtype == "float16" else 7
    rows: list[dict[str, object]] = []
    for doc in range(len(made.words)):
        positions = [p for p in (0, 1) if sample.has(np.array([doc]), np.array([p]))[0]]
        rows.append(
            {
                "error": None,
                "doc": doc,
                "part": 0,
                "n_tokens": len(positions),
                "positions": positions,
                "token_ids": [3 + p for p in positions],
                "vectors": [[number] * kept.d_in for _ in positions],
            }
        )
    half = len(rows) // 2
    for part in (rows[:half], rows[half:]):
        _append(table, part)
    return rows


def _append(table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    draft = table.write([pa.RecordBatch.from_pylist(rows, table.schema)])
    table.commit(lambda _: Change(add=draft))
