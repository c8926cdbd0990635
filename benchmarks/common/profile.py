"""Statistics of a real collection, from which a synthetic one is made.

`python -m benchmarks profile LAKE COLLECTION --save FILE` measures and saves them.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from benchmarks.common.report import Cell, Table
from saelake.store.format.lists import Array, Lists
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.snapshot.collection import Collection

N_QUANTILES = 32  # intervals between the stored quantiles of a feature's values
N_LENGTHS = 1024
N_WORDS = 4096
SCAN_ROWS = 256
BISECTIONS = 48
BURSTS = (1e-4, 1e4)  # from one document that has all, to evenly over all documents
WORD = re.compile(r"[^\W\d_]+")

Floats = npt.NDArray[np.float32]


def depths() -> npt.NDArray[np.float64]:
    """The probabilities of the stored quantiles (N_QUANTILES + 1,), finer towards both ends."""
    return (1 - np.cos(np.linspace(0, np.pi, N_QUANTILES + 1))) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the codes of a collection look like.

    A feature fires `rate * length * g` times in a document, where g is of the gamma distribution
    with mean 1 and shape `burst`: the shape at which the expected document frequency is the
    measured one. `values` are quantiles of the feature's values at `depths()`.

    Attributes:
        source: the summary of the real collection.
        codes_per_token: the mean.
        lengths: uint16 (n,), even quantiles of the documents' tokens.
        rate: float32 (d_sae,), occurrences per token.
        burst: float32 (d_sae,).
        values: float16 (d_sae, N_QUANTILES + 1).
        words: the commonest words of the texts, the commonest first.
        word_counts: uint32 (n_words,).
    """

    source: Mapping[str, float]
    codes_per_token: float
    lengths: npt.NDArray[np.uint16]
    rate: Floats
    burst: Floats
    values: npt.NDArray[np.float16]
    words: Sequence[str]
    word_counts: npt.NDArray[np.uint32]

    @property
    def d_sae(self) -> int:
        """How many features there are; some may never fire."""
        return len(self.rate)

    def save(self, path: Path) -> None:
        """Write it as one `.npz` file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        said = {name: columns.pop(name) for name in ("source", "codes_per_token", "words")}
        np.savez_compressed(path, **columns, said=np.array(json.dumps(said)))

    @classmethod
    def load(cls, path: Path) -> "Profile":
        """The profile that `save` wrote."""
        with np.load(path) as stored:
            columns = {name: stored[name] for name in stored.files}
        return cls(**json.loads(str(columns.pop("said"))), **columns)

    @classmethod
    def of(cls, collection: Collection) -> "Profile":
        """The profile of a collection; holds all its values, so not for the largest."""
        lengths: list[Array] = []
        features: list[Array] = []
        values: list[Array] = []
        documents = np.zeros(collection.settings.d_sae, np.int64)
        for row in _rows(collection):
            lengths.append(row.lengths)
            features.append(row.feature)
            values.append(row.values)
            documents += np.bincount(row.document_features, minlength=len(documents))
        length, feature = np.concatenate(lengths), np.concatenate(features)
        rate = np.bincount(feature, minlength=len(documents)) / length.sum()
        words = _words(collection)
        return cls(
            source=summary(collection),
            codes_per_token=float(len(feature) / length.sum()),
            lengths=_even_quantiles(length, N_LENGTHS),
            rate=rate.astype(np.float32),
            burst=bursts(rate, documents / len(length), length),
            values=_value_quantiles(feature, np.concatenate(values), len(documents)),
            words=[word for word, _ in words],
            word_counts=np.array([n for _, n in words], np.uint32),
        )


def bursts(rate: Array, document_share: Array, lengths: Array) -> Floats:
    """The gamma shapes at which features are expected in these shares of the documents.

    With mean m = rate * length the count is negative binomial: P(0) = (1 + m / shape) ^ -shape.
    """
    expected = rate[:, None] * _even_quantiles(lengths, 64)[None, :].astype(np.float64)
    low, high = (np.full(len(rate), np.log(edge)) for edge in BURSTS)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        shape = np.exp(middle)[:, None]
        share = 1 - np.exp(-shape * np.log1p(expected / shape)).mean(axis=1)
        low, high = (
            np.where(share < document_share, middle, low),
            np.where(share < document_share, high, middle),
        )
    shapes: Floats = np.exp((low + high) / 2).astype(np.float32)
    return shapes


def _even_quantiles(values: Array, n: int) -> Array:
    ordered = np.sort(values)
    return ordered[np.linspace(0, len(ordered) - 1, min(n, len(ordered))).astype(np.int64)]


def _value_quantiles(feature: Array, values: Array, d_sae: int) -> npt.NDArray[np.float16]:
    order = np.lexsort((values, feature))
    values = values[order]
    starts = np.searchsorted(feature[order], np.arange(d_sae + 1))
    quantiles = np.zeros((d_sae, N_QUANTILES + 1))
    for number in np.flatnonzero(np.diff(starts)):
        quantiles[number] = np.quantile(values[starts[number] : starts[number + 1]], depths())
    return quantiles.astype(np.float16)


def _words(collection: Collection) -> list[tuple[str, int]]:
    counts: Counter[str] = Counter()
    for batch in collection.documents.table.scan(["text"]):
        for text in batch["text"].to_pylist():
            counts.update(WORD.findall(text.lower()))
    return counts.most_common(N_WORDS)


@dataclass(frozen=True, slots=True)
class _Rows:
    """A batch of codes rows: tokens and features of each, and every occurrence."""

    lengths: Array
    n_features: Array
    document_features: Array
    counts: Array
    codes: Array
    values: Array

    @property
    def feature(self) -> Array:
        """The feature of each occurrence."""
        return np.repeat(self.document_features, self.counts)


def _rows(collection: Collection) -> Iterator[_Rows]:
    columns = ["features", "counts", "values", "token_ids"]
    for batch in collection.codes.scan(columns, batch_rows=SCAN_ROWS):
        features, counts, values, tokens = (Lists.of(batch[name]) for name in columns)
        yield _Rows(
            tokens.lengths,
            features.lengths,
            features.values,
            counts.values,
            values.values,
            collection.codes.codec.decode(values.values),
        )


def summary(collection: Collection) -> dict[str, float]:
    """The statistics by which collections are compared, in one pass and bounded memory."""
    lengths: list[Array] = []
    n_features: list[Array] = []
    documents = np.zeros(collection.settings.d_sae, np.int64)
    occurrences = np.zeros_like(documents)
    repeats, values = np.zeros(1 << 16, np.int64), np.zeros(1 << 16, np.int64)
    for row in _rows(collection):
        lengths.append(row.lengths)
        n_features.append(row.n_features)
        documents += np.bincount(row.document_features, minlength=len(documents))
        total = np.bincount(row.document_features, row.counts, len(documents))
        occurrences += total.astype(np.int64)
        repeats += np.bincount(row.counts, minlength=len(repeats))
        values += np.bincount(row.codes.view(f"u{row.codes.itemsize}"), minlength=len(values))
    length, features = np.concatenate(lengths), np.concatenate(n_features)
    every_code = np.arange(len(values)).astype(collection.codes.codec.dtype)
    share = documents[documents > 0] / len(length)
    return {
        "documents": len(length),
        "tokens": int(length.sum()),
        "codes": int(occurrences.sum()),
        "postings": int(documents.sum()),
        "features that fire": int((documents > 0).sum()),
        "codes per token": float(occurrences.sum() / length.sum()),
        **_spread("tokens per document", length),
        **_spread("features per document", features),
        **_counted("occurrences in a document", np.arange(len(repeats)), repeats),
        **_spread("documents of a feature, %", 100 * share, (0.1, 0.25, 0.5, 0.75, 0.9)),
        **_counted(
            "value", collection.codes.codec.decode(every_code), values, (0.01, 0.5, 0.99, 1)
        ),
        "share of the top 1 % of features, %": _top_share(occurrences),
    }


def _spread(
    name: str, values: Array, at: Sequence[float] = (0.1, 0.5, 0.9, 0.99)
) -> dict[str, float]:
    quantiles = {f"{name}, p{100 * q:g}": float(np.quantile(values, q)) for q in at}
    return {f"{name}, mean": float(values.mean()), **quantiles}


def _counted(
    name: str, values: Array, counts: Array, at: Sequence[float] = (0.5, 0.9, 0.99, 0.999)
) -> dict[str, float]:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(counts[order])
    index = np.searchsorted(reached, np.array(at) * reached[-1])
    found = values[order][np.minimum(index, len(values) - 1)]
    mean = (values * counts).sum() / counts.sum()
    quantiles = {f"{name}, p{100 * q:g}": float(v) for q, v in zip(at, found, strict=True)}
    return {f"{name}, mean": float(mean), **quantiles}


def _top_share(occurrences: Array) -> float:
    ordered = np.sort(occurrences)[::-1]
    return float(100 * ordered[: max(len(ordered) // 100, 1)].sum() / ordered.sum())


def comparison(title: str, summaries: Mapping[str, Mapping[str, float]]) -> Table:
    """Summaries beside each other."""
    names = next(iter(summaries.values()))
    rows: list[dict[str, Cell]] = [
        {"": name, **{who: numbers[name] for who, numbers in summaries.items()}} for name in names
    ]
    return Table(title=title, rows=rows)


def main(
    lake: str,
    collection: str,
    save: Annotated[Path | None, typer.Option(help="also save the profile to this .npz")] = None,
) -> None:
    """Print what a collection's codes look like, and save what synthetic ones are made from."""
    from rich.console import Console

    opened = Collection(Lake(lake), CollectionName.parse(collection))
    comparison(collection, {collection: summary(opened)}).print(Console())
    if save:
        Profile.of(opened).save(save)
