"""The labelled corpora: which documents, and which phrases name which of their labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """A Parquet file, the column that says what each document is, and phrases for its values."""

    name: str
    file: str
    label: str | None = None
    phrases: Mapping[str, str] | None = None

    def table(self, folder: Path, n: int) -> pa.Table:
        """`n` of the documents at random (always the same), or all, in the file's order."""
        whole = pq.read_table(folder / f"{self.file}.parquet")
        if whole.num_rows > n:
            chosen = np.random.default_rng(SEED).permutation(whole.num_rows)[:n]
            whole = whole.take(np.sort(chosen))
        return whole


LABELLED = (
    Corpus(
        name="imdb",
        file="imdb_6k",
        label="label",
        phrases={
            "a negative review": "neg",
            "a positive review": "pos",
            "the reviewer hated the film": "neg",
            "the reviewer loved the film": "pos",
        },
    ),
    Corpus(
        name="bbc_news",
        file="bbc_news",
        label="label",
        phrases={
            "an article about sports": "sport",
            "an article about business": "business",
            "an article about politics": "politics",
            "an article about technology": "tech",
            "an article about entertainment": "entertainment",
        },
    ),
    Corpus(
        name="ag_news",
        file="ag_news_test",
        label="label",
        phrases={
            "an article about sports": "Sports",
            "an article about business": "Business",
            "an article about science and technology": "Sci/Tech",
            "an article about world affairs": "World",
        },
    ),
    Corpus(
        name="arxiv",
        file="arxiv_20k",
        label="archive",
        phrases={
            "a paper about computer science": "cs",
            "a paper about mathematics": "math",
            "a paper about physics": "physics",
            "a paper about statistics": "stat",
            "a paper about biology": "q-bio",
            "a paper about finance": "q-fin",
        },
    ),
    Corpus(
        name="human_vs_model",
        file="human_vs_model",
        label="source",
        phrases={
            "a short story": "writing",
            "a news report": "xsum",
            "an encyclopedia article": "squad",
            "an answer to a medical question": "pubmed",
        },
    ),
)
JUDGED = Corpus(name="cranfield", file="cranfield")
