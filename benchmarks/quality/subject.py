"""A labelled corpus in a lake: made if it is not there, and read as the measures need it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from scipy import sparse

from benchmarks.quality.corpora import Corpus
from benchmarks.quality.words import Words
from saelake import Collection, DictionaryChoice, EncodeOptions, FoundDocuments, Lake
from saelake.store.index.vectors import Vectors
from saelake.store.lake.lake import Lake as StoredLake

Array = npt.NDArray[Any]
NAME = "quality"  # of the dictionary


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What corpora are made of."""

    corpora: Path
    model: str
    dictionary: str
    n_documents: int
    max_tokens: int


@dataclass(frozen=True)
class Subject:
    """A corpus with its texts and labels, and its collection."""

    corpus: Corpus
    lake: Lake
    file: Path

    @cached_property
    def collection(self) -> Collection:
        """The corpus, encoded."""
        return self.lake[f"{self.corpus.name}/{NAME}"]

    @cached_property
    def texts(self) -> list[str]:
        """The texts, by document number."""
        texts: list[str] = pq.read_table(self.file)["text"].to_pylist()
        return texts

    @cached_property
    def labels(self) -> Array:
        """The labels, by document number."""
        return np.array(pq.read_table(self.file)[self.corpus.label].to_pylist())

    @cached_property
    def words(self) -> Words:
        """The texts as bags of words."""
        return Words(self.texts)

    @cached_property
    def dense(self) -> Array:
        """The sentence embeddings, of length 1, by document number."""
        vectors = Vectors.open(StoredLake(self.lake.uri).vectors(self.corpus.name))
        assert vectors is not None
        return vectors.index.vectors

    @cached_property
    def features(self) -> sparse.csr_matrix:
        """The SAE embeddings, max-pooled."""
        table = self.collection.embeddings().read_all().combine_chunks()
        features, values = table["features"].combine_chunks(), table["max"].combine_chunks()
        shape = (table.num_rows, self.collection.info().d_sae)
        parts = (np.asarray(a) for a in (values.flatten(), features.flatten(), features.offsets))
        return sparse.csr_matrix(tuple(parts), shape)

    def scores(self, found: FoundDocuments) -> Array:
        """A score for each document that has the order of a ranking; those not in it come last."""
        scores = np.zeros(len(self.texts))
        scores[[hit.doc for hit in found]] = np.arange(len(found), 0, -1)
        return scores


def made(lake: Lake, corpora: Sequence[Corpus], how: Making) -> list[Subject]:
    """The corpora, each imported, encoded, embedded and labelled, as far as they were not."""
    options = EncodeOptions(max_tokens=how.max_tokens)
    choice = DictionaryChoice(location=how.dictionary, name=NAME)
    subjects = []
    for corpus in corpora:
        file = Path(lake.uri).parent / f"{corpus.name}.parquet"
        if not file.exists():
            pq.write_table(corpus.table(how.corpora, how.n_documents), file)
        print(f"making {corpus.name}", flush=True)
        lake.ingest(
            str(file), corpus.name, model=how.model, dictionary=choice, id_column="doc_id",
            options=options,
        )  # fmt: skip
        lake.label(f"{corpus.name}/{NAME}", model=how.model)
        subjects.append(Subject(corpus, lake, file))
    return subjects
