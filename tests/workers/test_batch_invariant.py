"""In half precision codes near ties depend on the batch, and with `batch_invariant` they do not."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import transformers

import saelake
from saelake.lake import Lake
from saelake.store.errors import AlreadyExists, InvalidInput
from saelake.workers.run import EncodeOptions
from tests.tiny import WORDS, save_corpus, save_dictionary, save_model

WIDTH = 64


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that is wide enough for its matrix products to be cut in more than one way."""
    folder = tmp_path_factory.mktemp("parts")
    save_model(folder / "model", bert=True)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=WIDTH,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=128,
    )
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder / "model")
    save_dictionary(folder / "sae", d_in=WIDTH)
    save_corpus(folder / "corpus.parquet", 60)
    texts = pq.read_table(folder / "corpus.parquet")
    pq.write_table(texts.take(list(range(59, -1, -1))), folder / "reversed.parquet")
    return folder


def encoded(at: Path, parts: Path, corpus: str = "corpus", **options: object) -> Lake:
    lake = saelake.connect(at)
    lake.import_corpus(str(parts / f"{corpus}.parquet"), "made")
    lake.encode(
        "made",
        model=str(parts / "model"),
        dictionary=str(parts / "sae"),
        options=EncodeOptions(dtype="bfloat16", **options),  # type: ignore[arg-type]
    )
    return lake


def codes(lake: Lake) -> pa.Table:
    """The codes by document, whatever the order of import."""
    table = lake["made/sae"].codes().read_all().drop_columns("doc")
    return table.sort_by([(name, "ascending") for name in ("id", "position", "feature")])


def test_codes_depend_on_the_batch_unless_each_window_is_alone(tmp_path: Path, parts: Path) -> None:
    small, large = (codes(encoded(tmp_path / f"{n}", parts, batch_tokens=n)) for n in (128, 4096))
    assert not small.equals(large)
    alone = codes(encoded(tmp_path / "alone", parts, batch_invariant=True, batch_tokens=128))
    for corpus, n in (("corpus", 4096), ("reversed", 1000)):
        lake = encoded(
            tmp_path / f"{corpus} alone", parts, corpus, batch_invariant=True, batch_tokens=n
        )
        assert codes(lake).equals(alone)


def test_it_belongs_to_the_collection(tmp_path: Path, parts: Path) -> None:
    lake = encoded(tmp_path / "lake", parts, batch_invariant=True)
    with pytest.raises(AlreadyExists, match="batch_invariant = True"):
        encoded(tmp_path / "lake", parts)
    with pytest.raises(InvalidInput, match="leave out --batch-invariant"):
        lake.encode(
            "made",
            dictionary=str(parts / "sae"),
            from_activations="made/sae",
            options=EncodeOptions(batch_invariant=True),
        )
