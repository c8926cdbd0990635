"""Kept activations: how they are best stored, and whether reading them beats the model.

The first table is the study of candidate layouts. The second keeps the activations of real texts
and loads them again, beside the bare model cut off at the hook on the same batches, which is what
computing them again takes. The outcome is docs/decisions/011-activations.md.
"""

import os
import tempfile
from pathlib import Path
from typing import Annotated

import pyarrow.parquet as pq
import typer

import saelake
from benchmarks.common.measure import elapsed_s
from benchmarks.common.places import DATA
from benchmarks.common.report import Cell, Table, publish
from benchmarks.decisions.d011_activations import layouts_table
from benchmarks.encode.bare import Tap, truncated
from benchmarks.encode.course import Subject
from saelake.activations import KeptActivations
from saelake.workers.dictionaries.load import load_dictionary
from saelake.workers.encoder.batches import Batch, batches
from saelake.workers.encoder.hooks import resolve_hook
from saelake.workers.encoder.models import load_model
from saelake.workers.encoder.options import KeepOptions
from saelake.workers.encoder.pages import pages
from saelake.workers.encoder.tokens import TokenSettings
from saelake.workers.fleet.options import EncodeOptions

ROUNDS = 3
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
    subject, tables = Subject.named("minilm"), []
    with tempfile.TemporaryDirectory() as folder:
        if tokens:
            tables.append(layouts_table(Path(folder), tokens, length, width))
        tables.append(_against_the_model(Path(folder), subject, corpus, documents))
    publish("activations", tables, facts={"cores": os.cpu_count()})


def _against_the_model(folder: Path, subject: Subject, corpus: Path, n_documents: int) -> Table:
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
    return min(elapsed_s(lambda: sum(len(batch.doc) for batch in loader)) for _ in range(ROUNDS))


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
        return min(elapsed_s(lambda: [tap.kept(batch) for batch in ready]) for _ in range(2))
