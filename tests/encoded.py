"""A small lake made by real parts: a tiny model, a dictionary of it, and a sentence model."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow.parquet as pq

from saelake.store.documents.documents import import_documents
from saelake.store.engine import Engine
from saelake.store.growth.index import index
from saelake.store.lake.lake import CollectionName, Lake
from saelake.workers.corpus import open_source
from saelake.workers.run import DictionaryChoice, EncodeOptions, encode
from saelake.workers.texts.texts import ModelTexts
from tests.tiny import save_corpus, save_dictionary, save_model

NAME = CollectionName("words", "sae")


@dataclass(frozen=True)
class EncodedLake:
    """A lake with the collection `words/sae`, indexed; `parts` has what it was made of.

    The parts are `llama`, its dictionary `sae`, the sentence model `sentences`, and the corpus
    `words.parquet` of documents d0, d1, ….
    """

    lake: Lake
    parts: Path

    @cached_property
    def texts(self) -> list[str]:
        texts: list[str] = pq.read_table(self.parts / "words.parquet")["text"].to_pylist()
        return texts

    @cached_property
    def engine(self) -> Engine:
        return Engine(self.lake.uri, texts=ModelTexts())

    @property
    def sentences(self) -> str:
        """Where the sentence model is."""
        return str(self.parts / "sentences")


def make_encoded_lake(
    folder: Path, *, n_documents: int = 30, longest: int = 12, corpus: Path | None = None
) -> EncodedLake:
    """Encode a corpus of random words, or this one."""
    parts = folder / "parts"
    save_model(parts / "llama")
    save_dictionary(parts / "sae")
    save_model(parts / "sentences", bert=True)
    corpus = corpus or save_corpus(parts / "words.parquet", n_documents, longest=longest)
    lake = Lake(str(folder / "lake"))
    import_documents(lake, NAME.corpus, open_source(str(corpus)))
    encode(
        lake,
        NAME.corpus,
        model=str(parts / "llama"),
        dictionaries=[DictionaryChoice(location=str(parts / "sae"))],
        options=EncodeOptions(),
    )
    index(lake, NAME)
    return EncodedLake(lake, parts)
