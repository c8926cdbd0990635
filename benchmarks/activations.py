"""Kept activations: how they are best stored, and whether reading them beats the model.

The first table writes the same random vectors in candidate layouts. The second keeps the
activations of real texts and loads them again, beside the bare model cut off at the hook on the
same batches, which is what computing them again takes. The outcome is
docs/decisions/011-activations.md.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer

import saelake
from benchmarks.bare import Tap, truncated
from benchmarks.course import DATA, Subject
from benchmarks.report import Cell, Table, publish
from saelake.activations import KeptActivations
from saelake.store.tables.tables import STORAGE_VERSION
from saelake.workers.dictionaries.load import load_dictionary
from saelake.workers.encoder.batches import Batch, batches
from saelake.workers.encoder.hooks import resolve_hook
from saelake.workers.encoder.models import load_model
from saelake.workers.encoder.options import KeepOptions
from saelake.workers.encoder.pages import pages
from saelake.workers.encoder.tokens import TokenSettings
from saelake.workers.fleet.options import EncodeOptions

ROUNDS = 3
DOCUMENTS_TAKEN = 64
BATCH_TOKENS = 2048

Row = dict[str, Cell]


def main(
    documents: Annotated[int, typer.Option(help="whole documents to keep activations of")] = 300,
    tokens: Annotated[int, typer.Option(help="random tokens in each layout; 0: none")] = 51_200,
    length: Annotated[int, typer.Option(help="tokens of a document in the layouts")] = 256,
    width: Annotated[int, typer.Option(help="numbers of a token in the layouts")] = 768,
    corpus: Path = DATA / "corpora" / "imdb_6k.parquet",
) -> None:
    """Bytes and speed of layouts; then the loader against the model."""
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        if tokens:
            rows = [_laid_out(Path(folder), *each) for each in layouts(tokens, length, width)]
            title = f"{tokens:,} tokens of {width} float16, {length} a document"
            tables.append(Table(title=title, rows=rows))
        tables.append(_against_the_model(Path(folder), corpus, documents))
    publish("activations", tables, facts={"cores": os.cpu_count()})


def layouts(n: int, length: int, width: int) -> Iterator[tuple[str, pa.Table, int]]:
    """The layouts: a name, a table, and how many of its rows a document has."""
    values = pa.array(np.random.default_rng(0).standard_normal(n * width).astype(np.float16))
    vectors = pa.FixedSizeListArray.from_arrays(values, width)
    starts = pa.array(np.arange(0, n + 1, length), pa.int32())
    flat = pa.array(np.arange(0, n + 1, length) * width, pa.int32())
    position = pa.array(np.tile(np.arange(length), n // length), pa.uint32())
    doc = np.arange(n // length, dtype=np.uint64)
    names = ["doc", "position", "vector"]
    by_token = [pa.array(np.repeat(doc, length)), position, vectors]
    yield "a row a token", pa.table(by_token, names=names), length
    positions = pa.ListArray.from_arrays(starts, position)
    listed = pa.ListArray.from_arrays(starts, vectors)
    yield "a row a document, vectors", pa.table([doc, positions, listed], names=names), 1
    numbers = pa.ListArray.from_arrays(flat, values)
    yield "a row a document, numbers", pa.table([doc, positions, numbers], names=names), 1


def _laid_out(folder: Path, name: str, table: pa.Table, rows: int) -> Row:
    uri = str(folder / f"{name}.lance")
    written = _elapsed_s(
        lambda: lance.write_dataset(table, uri, data_storage_version=STORAGE_VERSION)
    )
    dataset = lance.dataset(uri)
    n_bytes = sum(path.stat().st_size for path in Path(uri).rglob("*.lance"))
    n_tokens = len(table) if rows > 1 else len(table["position"].combine_chunks().values)
    payload = table["vector"].nbytes
    chosen = np.random.default_rng(1).choice(n_tokens // _length(table, rows), DOCUMENTS_TAKEN)
    taken = [row for doc in chosen.tolist() for row in range(doc * rows, (doc + 1) * rows)]
    scanned = min(_elapsed_s(lambda: _scan(dataset)) for _ in range(ROUNDS))
    took = min(_elapsed_s(lambda: dataset.take(taken)) for _ in range(ROUNDS))
    return {
        "layout": name,
        "bytes, of 2 × width": n_bytes / payload,
        "write MB/s": payload / written / 1e6,
        "scan MB/s": payload / scanned / 1e6,
        f"take {DOCUMENTS_TAKEN} documents, ms": 1e3 * took,
    }


def _length(table: pa.Table, rows: int) -> int:
    """The tokens of a document."""
    return rows if rows > 1 else len(table["position"][0])


def _scan(dataset: lance.LanceDataset) -> None:
    for _ in dataset.to_batches():
        pass


def _against_the_model(folder: Path, corpus: Path, n_documents: int) -> Table:
    subject = Subject.named("minilm")
    texts = folder / "texts.parquet"
    pq.write_table(pq.read_table(corpus).slice(0, n_documents), texts)
    lake = saelake.connect(folder / "lake")
    lake.import_corpus(str(texts), "made")
    keep = EncodeOptions(keep_activations=KeepOptions())
    model, sae = str(subject.model), str(subject.dictionary)
    lake.encode("made", model=model, dictionary=sae, options=keep)
    kept = lake[lake.collections()[0]].activations()
    size = sum(p.stat().st_size for p in (folder / "lake").glob("*.activations.lance/data/*"))
    rows: list[Row] = [_speed("the model, computing them again", _bare_s(subject, texts), kept)]
    rows.append(_speed("loader, shuffled", _loaded_s(kept, shuffle=True), kept))
    rows.append(_speed("loader, in order", _loaded_s(kept, shuffle=False), kept))
    first = rows[0]["tokens/s"]
    assert isinstance(first, float)
    rows = [{**row, "of the model": float(row["tokens/s"] or 0) / first} for row in rows]
    note = f"{size / kept.n_tokens / (2 * kept.shape[1]):.4f} of the limit of 2 bytes a number"
    return Table(title=f"MiniLM, {n_documents:,} documents, {kept!r}", rows=rows, note=note)


def _speed(name: str, seconds: float, kept: KeptActivations) -> Row:
    return {
        "": name,
        "tokens/s": kept.n_tokens / seconds,
        "MB/s": kept.n_tokens * 2 * kept.shape[1] / seconds / 1e6,
    }


def _loaded_s(kept: KeptActivations, *, shuffle: bool) -> float:
    loader = kept.dataloader(shuffle=shuffle)
    return min(_elapsed_s(lambda: sum(len(batch.doc) for batch in loader)) for _ in range(ROUNDS))


def _bare_s(subject: Subject, texts: Path) -> float:
    """Seconds of the model, cut off at the hook, on the batches of these texts."""
    model = load_model(str(subject.model))
    hook = resolve_hook(model.module, load_dictionary(str(subject.dictionary)).hook_name or "")
    lines = pq.read_table(texts)["text"].to_pylist()
    settings = TokenSettings(window=model.window)
    numbered = [(range(len(lines)), lines)]
    cut = pages(numbered, model.tokenizer, settings, page_tokens=1 << 14)
    ready: list[Batch] = [b for page in cut for b in batches(page.windows, BATCH_TOKENS)]
    tap = Tap(model.module, hook.module_path)
    with truncated(model.module, hook.module_path):
        return min(_elapsed_s(lambda: [tap.kept(batch) for batch in ready]) for _ in range(2))


def _elapsed_s(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun
