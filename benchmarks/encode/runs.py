"""One run of the encode benchmark in a fresh process: the bare loop, or saelake.

`python -m benchmarks.encode.runs bare|saelake WORKLOAD.json OUT`.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import torch

from benchmarks.common.measure import Stretch, print_result, size_bytes
from benchmarks.encode.bare import Tap, truncated
from benchmarks.encode.workload import Workload
from saelake.store.documents.documents import import_documents
from saelake.store.growth.index import DEFAULT_MEMORY_BYTES as INDEX_MEMORY_BYTES
from saelake.store.growth.index import index
from saelake.store.lake.lake import CollectionName, Lake
from saelake.workers.corpus import open_source
from saelake.workers.dictionaries.load import load_dictionary
from saelake.workers.encoder.batches import Batch, batches
from saelake.workers.encoder.models import Model, load_model
from saelake.workers.encoder.pages import pages
from saelake.workers.encoder.tokens import TokenSettings
from saelake.workers.fleet.options import DEFAULT_MEMORY_BYTES
from saelake.workers.fleet.worker import BYTES_PER_PAGE_TOKEN, CHUNK_SHARE
from saelake.workers.run import DictionaryChoice, EncodeOptions, EncodeProgress, encode

COLLECTION = CollectionName("corpus", "dictionary")


def bare(workload: Workload) -> None:
    """Forward as far as the hook, encode, drop the codes: what no encoder can be faster than.

    The batches are those that saelake makes of the same texts, made before the clock starts.
    """
    model = load_model(workload.model)
    dictionary = load_dictionary(workload.dictionary)
    ready = list(_batches(workload, model))
    tap = Tap(model.module, workload.module)
    n_tokens = n_codes = 0
    with truncated(model.module, workload.module):
        tap.kept(ready[0])
        stretch = Stretch()
        for batch in ready:
            x = tap.kept(batch)
            codes = dictionary.encode(x, chunk_bytes=DEFAULT_MEMORY_BYTES // CHUNK_SHARE)
            n_tokens, n_codes = n_tokens + codes.n_tokens, n_codes + codes.nnz
        taken = stretch.stop()
    print_result(**taken, n_tokens=n_tokens, n_codes=n_codes)


def _batches(workload: Workload, model: Model) -> Iterator[Batch]:
    settings = TokenSettings(
        window=workload.window,
        max_tokens=workload.max_tokens,
        prepend_bos=load_dictionary(workload.dictionary).prepend_bos or None,
    )
    texts = pq.read_table(workload.texts)["text"].to_pylist()
    documents = [(list(range(len(texts))), texts)]
    page_tokens = DEFAULT_MEMORY_BYTES // BYTES_PER_PAGE_TOKEN
    for page in pages(documents, model.tokenizer, settings, page_tokens=page_tokens):
        yield from batches(page.windows, workload.batch_tokens)


def saelake(workload: Workload, out: Path) -> None:
    """Import, encode and index the texts, from the Parquet file to committed tables."""
    lake = Lake(str(out / "lake"))
    stretch = Stretch()
    import_documents(lake, COLLECTION.corpus, open_source(workload.texts))
    imported = stretch.stop()
    loaded: list[Stretch] = []

    def on_progress(_progress: EncodeProgress) -> None:
        if not loaded:  # the model is loaded, and nothing read yet
            loaded.append(Stretch())

    report = encode(
        lake,
        COLLECTION.corpus,
        model=workload.model,
        dictionaries=[DictionaryChoice(location=workload.dictionary, name=COLLECTION.dictionary)],
        options=EncodeOptions(
            window=workload.window,
            max_tokens=workload.max_tokens,
            batch_tokens=workload.batch_tokens,
            values=workload.values,
            memory_bytes=workload.memory_bytes or DEFAULT_MEMORY_BYTES,
            shard_documents=workload.shard_documents,
        ),
        on_progress=on_progress,
    )
    encoded = loaded[0].stop()
    codes_bytes = size_bytes(Path(lake.codes(COLLECTION)))
    stretch = Stretch()
    index(lake, COLLECTION, memory_bytes=workload.memory_bytes or INDEX_MEMORY_BYTES)
    indexed = stretch.stop()
    print_result(
        **{**encoded, "seconds": imported["seconds"] + encoded["seconds"]},
        import_seconds=imported["seconds"],
        index_seconds=indexed["seconds"],
        index_peak_bytes=indexed["peak_bytes"],
        n_tokens=report.n_tokens,
        n_codes=report.n_codes,
        codes_bytes=codes_bytes,
        index_bytes=sum(
            size_bytes(Path(uri)) for uri in (lake.postings(COLLECTION), lake.features(COLLECTION))
        ),
    )


def main(kind: str, path: str, out: str) -> None:
    workload = Workload.read(path)
    torch.set_num_threads(workload.threads)
    if kind == "bare":
        bare(workload)
    else:
        saelake(workload, Path(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
