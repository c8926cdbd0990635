"""Small lakes of random codes, made without a model, and their brute-force contents."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from saelake.store.importing import SourceBatch, import_documents
from saelake.store.indexing import index
from saelake.store.lake import CollectionName, Lake
from saelake.store.schema import (
    DICTIONARIES_COLUMNS,
    MAX_PART_TOKENS,
    CollectionSettings,
    codes_schema,
)
from saelake.store.tables import Change, Table, overwrite
from saelake.workers.pack import Activations, Part, pack

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
    """A lake on disk, and everything that is in its collection `made/random`."""

    lake: Lake
    name: CollectionName
    texts: Sequence[str]
    labels: Sequence[str]
    words: Sequence[Sequence[str]]
    codes: Sequence[Code]
    n_features: int


@dataclass(frozen=True, slots=True)
class _Rows:
    """A source of rows that are in memory."""

    texts: Sequence[str]
    labels: Sequence[str]
    name: str = "made"
    generated_ids: bool = False

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([("label", pa.string()), ("length", pa.int32())])

    def batches(self) -> Iterator[SourceBatch]:
        rows = pa.RecordBatch.from_pydict(
            {
                "row": pa.array(range(len(self.texts)), pa.uint64()),
                "id": [f"d{i}" for i in range(len(self.texts))],
                "text": list(self.texts),
                "label": list(self.labels),
                "length": pa.array([len(t) for t in self.texts], pa.int32()),
            }
        )
        yield SourceBatch(file="made", first_row=0, rows=rows)


def settings(
    *, n_features: int, signed: bool = False, values: str = "16-bit"
) -> CollectionSettings:
    return CollectionSettings(
        corpus="made",
        dictionary="random",
        fingerprint="f",
        architecture="topk",
        d_in=8,
        d_sae=n_features,
        signed=signed,
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
    values: str = "16-bit",
    levels: int = 6,
) -> MadeLake:
    """A lake of random codes with many equal values; the last fragments are left unindexed."""
    random = np.random.default_rng(seed)
    lengths = random.integers(*tokens, n_documents, endpoint=True)
    words = [list(random.choice(WORDS, n)) for n in lengths]
    texts = [" ".join(w) or "-" for w in words]
    labels = list(random.choice(["pos", "neg"], n_documents))
    lake = Lake(str(folder))
    import_documents(lake, "made", _Rows(texts, labels))
    chosen = settings(n_features=n_features, signed=signed, values=values)
    name = CollectionName("made", "random")
    _register(lake, chosen)
    found: list[Code] = []
    bounds = np.linspace(0, n_documents, n_fragments + 1).astype(int)
    order = np.argsort(random.random(n_fragments)) if n_fragments > 1 else np.array([0])
    for step, piece in enumerate(order):
        docs = range(bounds[piece], bounds[piece + 1])
        found += _add_fragment(lake, name, chosen, docs, words, random, density, levels)
        if step + 1 <= n_indexed:
            index(lake, name)
    return MadeLake(
        lake=lake,
        name=name,
        texts=texts,
        labels=labels,
        words=words,
        codes=found,
        n_features=n_features,
    )


def _register(lake: Lake, chosen: CollectionSettings) -> None:
    row = {"name": chosen.dictionary, "d_sae": chosen.d_sae, "vocabulary": WORDS}
    overwrite(lake.dictionaries, pa.Table.from_pylist([row], schema=DICTIONARIES_COLUMNS))


def _add_fragment(
    lake: Lake,
    name: CollectionName,
    chosen: CollectionSettings,
    docs: range,
    words: Sequence[Sequence[str]],
    random: np.random.Generator,
    density: float,
    levels: int,
) -> list[Code]:
    parts = [part for doc in docs for part in _parts(doc, words[doc])]
    dense = [random.random((len(p.token_ids), chosen.d_sae)) < density for p in parts]
    row = np.concatenate([np.full(d.sum(), i, np.int32) for i, d in enumerate(dense)])
    position, feature = (
        np.concatenate([np.nonzero(d)[axis] for d in dense]).astype(np.int32) for axis in (0, 1)
    )
    value = random.integers(1, levels, len(row), endpoint=True).astype(np.float32) / 2
    if chosen.signed:
        value *= random.choice([-1, 1], len(row)).astype(np.float32)
    codes = Activations(row, position, feature, value)
    schema = codes_schema(chosen)
    batch = pack(parts, codes, schema=schema, codec=chosen.codec)
    table = Table.open_or_create(lake.codes(name), schema)
    draft = table.write([batch])
    table.commit(lambda _: Change(add=draft))
    stored = chosen.codec.decode(chosen.codec.encode(value))
    return [
        Code(
            doc=parts[r].doc,
            position=int(p) + parts[r].part * MAX_PART_TOKENS,
            feature=int(f),
            value=float(v),
        )
        for r, p, f, v in zip(row, position, feature, stored, strict=True)
    ]


def _parts(doc: int, words: Sequence[str]) -> Iterator[Part]:
    starts = np.cumsum([0, *(len(word) + 1 for word in words)])[:-1].astype(np.uint32)
    ids: npt.NDArray[np.int32] = np.array([WORDS.index(word) for word in words], np.int32)
    lengths = np.array([len(word) for word in words], np.uint16)
    for part, begin in enumerate(range(0, max(len(words), 1), MAX_PART_TOKENS)):
        cut = slice(begin, begin + MAX_PART_TOKENS)
        yield Part(doc=doc, part=part, token_ids=ids[cut], starts=starts[cut], lengths=lengths[cut])
