"""Dense embeddings and a word index of a corpus, for questions that also rank by these."""

from collections.abc import Callable, Iterator

import numpy as np

from saelake.store.documents.documents import Documents
from saelake.store.format.lists import Array
from saelake.store.index.vectors import write_vectors
from saelake.store.lake.lake import Lake, absolute
from saelake.workers.texts.sentences import SentenceModel


def embed_corpus(
    lake: Lake,
    corpus: str,
    *,
    model: str,
    device: str | None = None,
    on_progress: Callable[[int, int], object] = lambda *_: None,
) -> int:
    """Embed every document of a corpus, and index its words, in place of what was before; how many.

    `on_progress` is told how many of how many documents are done. What questions find does not
    change until all are: the index of words, which no question reads without embeddings, is there
    before them, so that who finds these ranks by words too. Raises `ModelError` and `NotFound`.
    """
    Documents.open(lake, corpus)
    sentences = SentenceModel.load(model, device=device)
    Documents.open(lake, corpus).table.index_words("text")
    documents = Documents.open(lake, corpus)

    def batches() -> Iterator[tuple[Array, Array]]:
        for batch in documents.scan_texts(0, documents.n_documents):
            docs = np.asarray(batch["doc"])
            yield docs, sentences.embed(batch["text"].to_pylist())
            on_progress(int(docs[-1]) + 1, documents.n_documents)

    write_vectors(lake.vectors(corpus), sentences.width, absolute(model), batches())
    return documents.n_documents
