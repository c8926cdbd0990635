"""Dense embeddings of a corpus, document by document."""

from pathlib import Path

import numpy as np
import pytest

from saelake.store.documents.documents import Documents
from saelake.store.documents.imports import import_documents
from saelake.store.errors import ModelError, NotFound
from saelake.store.index.vectors import Vectors
from saelake.store.lake.lake import Lake
from saelake.workers.corpus import open_source
from saelake.workers.texts.embed import embed_corpus
from saelake.workers.texts.sentences import SentenceModel
from tests.tiny import D_MODEL, save_corpus, save_model

N_DOCUMENTS = 300  # more than are read at once


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    save_model(folder / "bert", bert=True)
    save_corpus(folder / "words.parquet", N_DOCUMENTS, longest=8)
    return folder


@pytest.fixture
def lake(parts: Path, tmp_path: Path) -> Lake:
    made = Lake(str(tmp_path / "lake"))
    import_documents(made, "words", open_source(str(parts / "words.parquet")))
    return made


def texts(parts: Path) -> list[str]:
    rows = next(iter(open_source(str(parts / "words.parquet")).batches())).rows
    return [str(text) for text in rows["text"].to_pylist()]


def stored(lake: Lake) -> Vectors:
    found = Vectors.open(lake.vectors("words"))
    assert found is not None
    return found


def test_every_document_has_its_texts_vector(parts: Path, lake: Lake) -> None:
    steps: list[tuple[int, int]] = []
    location = str(parts / "bert")
    n = embed_corpus(lake, "words", model=location, on_progress=lambda *at: steps.append(at))
    assert n == N_DOCUMENTS
    assert steps == sorted(steps)
    assert steps[-1] == (N_DOCUMENTS, N_DOCUMENTS)
    found = stored(lake)
    assert found.embedder == location
    assert found.width == D_MODEL
    np.testing.assert_array_equal(found.rows, np.arange(N_DOCUMENTS))
    alone = SentenceModel.load(location).embed(texts(parts)[:20])
    np.testing.assert_allclose(found.of(np.arange(20, dtype=np.uint64)), alone, atol=2e-6)


def test_embedding_again_replaces_and_takes_in_what_is_new(
    parts: Path, lake: Lake, tmp_path: Path
) -> None:
    embed_corpus(lake, "words", model=str(parts / "bert"))
    more = tmp_path / "more.jsonl"
    more.write_text('{"id": "new", "text": "w1 w2 w3", "label": "pos"}\n')
    import_documents(lake, "words", open_source(str(more)))
    assert embed_corpus(lake, "words", model=str(parts / "bert")) == N_DOCUMENTS + 1
    np.testing.assert_array_equal(stored(lake).rows, np.arange(N_DOCUMENTS + 1))


def test_nothing_changes_where_it_cannot_be_done(parts: Path, lake: Lake) -> None:
    embed_corpus(lake, "words", model=str(parts / "bert"))
    before = stored(lake)
    with pytest.raises(ModelError, match="nowhere"):
        embed_corpus(lake, "words", model=str(parts / "nowhere"))
    with pytest.raises(NotFound, match="no corpus 'other'"):
        embed_corpus(lake, "other", model=str(parts / "bert"))

    for stopped in (KeyboardInterrupt(), ModelError("out of memory")):

        def stop(*_: int, error: BaseException = stopped) -> None:
            raise error

        with pytest.raises(type(stopped)):
            embed_corpus(lake, "words", model=str(parts / "bert"), on_progress=stop)
    assert stored(lake).table.version == before.table.version
    np.testing.assert_array_equal(stored(lake).index.vectors, before.index.vectors)


def test_words_are_there_before_the_vectors_with_which_they_rank(parts: Path, lake: Lake) -> None:
    """Whatever kills it in between: who finds vectors ranks by words too."""

    def killed(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_corpus(lake, "words", model=str(parts / "bert"), on_progress=killed)
    assert Vectors.open(lake.vectors("words")) is None
    assert Documents.open(lake, "words").table.has_words("text")
