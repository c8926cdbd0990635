"""A corpus through a tokenizer with holes, and through one with tokens that the model lacks."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaModel

import saelake
from saelake.lake import Lake
from saelake.store.errors import ModelError
from saelake.store.lake.dictionaries import vocabulary_of
from saelake.store.lake.lake import CollectionName
from saelake.store.lake.lake import Lake as StoredLake
from saelake.store.tables.tables import overwrite, read
from saelake.workers.encoder.options import KeepOptions
from saelake.workers.run import EncodeOptions
from tests.tiny import D_MODEL, D_SAE, WORDS, save_dictionary, save_model
from tests.workers.encoder.test_vocabulary import holed

NEW = "<think>"


def made(folder: Path, model: Path, texts: list[str], **options: object) -> Lake:
    if not (folder / "sae").exists():
        save_dictionary(folder / "sae")
    pq.write_table(
        pa.table({"id": [f"d{i}" for i in range(len(texts))], "text": texts}), folder / "c.parquet"
    )
    lake = saelake.connect(folder / "lake")
    lake.import_corpus(str(folder / "c.parquet"), "c")
    lake.encode(
        "c",
        model=str(model),
        dictionary=str(folder / "sae"),
        options=EncodeOptions(**options),  # type: ignore[arg-type]  # by name
    )
    lake.index("c/sae")
    return lake


@pytest.fixture
def with_holes(tmp_path: Path) -> Lake:
    """A lake by a tokenizer of five tokens, of which the last has the id 40."""
    torch.manual_seed(0)
    shape = {"hidden_size": D_MODEL, "intermediate_size": 24, "num_hidden_layers": 3}
    config = LlamaConfig(vocab_size=64, num_attention_heads=2, initializer_range=0.5, **shape)
    LlamaModel(config).save_pretrained(tmp_path / "model")
    tokenizer = holed({"<unk>": 0, "<s>": 1, "the": 2, "fox": 3, "dog": 40})
    tokenizer.save_pretrained(tmp_path / "model")
    return made(tmp_path, tmp_path / "model", ["the fox dog dog", "dog the fox"] * 5)


def peaks(lake: Lake) -> set[str]:
    rows = lake["c/sae"].features(k=D_SAE).to_arrow().to_pylist()
    return {token["token"] for row in rows for token in row["top_tokens"]}


def fired(lake: Lake, token_id: int) -> set[int]:
    rows = lake["c/sae"].codes().read_all().to_pylist()
    return {row["feature"] for row in rows if row["token_id"] == token_id}


def test_a_token_past_a_hole_is_found_by_its_name(with_holes: Lake) -> None:
    assert peaks(with_holes) == {"the", "fox", "dog"}
    found = with_holes["c/sae"].features(token="dog", k=D_SAE)
    assert found
    assert {row.feature for row in found} <= fired(with_holes, 40)
    stored = vocabulary_of(StoredLake(with_holes.uri), "sae")
    assert len(stored) == 64
    assert (stored[3], stored[4], stored[40], stored[63]) == ("fox", "<id 4>", "dog", "<id 63>")


def test_a_lake_whose_vocabulary_is_too_short_names_the_rest_by_number(with_holes: Lake) -> None:
    """As an earlier saelake registered it: as many ids as there are tokens."""
    lake = StoredLake(with_holes.uri)
    rows = read(lake.dictionaries).to_pylist()
    short = [{**row, "vocabulary": ["<unk>", "<s>", "the", "fox", ""]} for row in rows]
    overwrite(lake.dictionaries, pa.Table.from_pylist(short, read(lake.dictionaries).schema))
    assert vocabulary_of(lake, "sae")[4] == "<id 4>"
    overwrite(lake.features(_NAME), _without_names(read(lake.features(_NAME))))
    assert "" in peaks(with_holes)
    with_holes.index("c/sae")  # has nothing else to do
    assert peaks(with_holes) == {"the", "fox", "<id 40>"}
    assert with_holes["c/sae"].features(token="<id 40>", k=D_SAE)
    assert with_holes.verify("c/sae").ok


_NAME = CollectionName("c", "sae")


def _without_names(features: pa.Table) -> pa.Table:
    rows = features.to_pylist()
    for row in rows:
        for token in row["top_tokens"]:
            token["token"] = "" if token["token"] == "dog" else token["token"]
    return pa.Table.from_pylist(rows, features.schema)


@pytest.fixture
def larger(tmp_path: Path) -> Path:
    """A model whose tokenizer has a token more than it embeds."""
    save_model(tmp_path / "larger")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "larger")
    tokenizer.add_tokens([NEW])
    tokenizer.save_pretrained(tmp_path / "larger")
    return tmp_path / "larger"


TEXTS = ["w1 w2 w3", f"w4 {NEW} w5", "w6", "w7 " * 50 + NEW, "w8 w9"]
REASON = (
    f"the tokenizer of larger gives token {len(WORDS)}, but the model has tokens 0 to "
    f"{len(WORDS) - 1}: tokens were added, or it is the tokenizer of another model; put the "
    "model's own files back"
)


def test_a_document_with_a_token_that_the_model_lacks_fails_alone(
    tmp_path: Path, larger: Path
) -> None:
    lake = made(tmp_path, larger, TEXTS, keep_activations=KeepOptions(), shard_documents=2)
    (row,) = lake.info()
    assert (row.n_encoded, row.n_failed) == (3, 2)
    assert set(lake["c/sae"].codes().read_all()["doc"].to_pylist()) == {0, 2, 4}
    for doc in (1, 3):
        assert lake["c/sae"].document(doc=doc).error == REASON
    assert lake.verify("c/sae").ok
    assert vocabulary_of(StoredLake(lake.uri), "sae")[len(WORDS)] == NEW
    kept = lake["c/sae"].activations().to_arrow().read_all()
    assert set(kept["doc"].to_pylist()) == {0, 2, 4}


def test_its_kept_activations_fail_for_the_same_reason(tmp_path: Path, larger: Path) -> None:
    lake = made(tmp_path, larger, TEXTS, keep_activations=KeepOptions())
    save_dictionary(tmp_path / "other", seed=3)
    report = lake.encode("c", dictionary=str(tmp_path / "other"), from_activations="c/sae")
    assert (report.n_documents, report.n_failed) == (5, 2)
    assert lake["c/other"].document(doc=3).error == REASON


def test_on_error_fail_stops_at_such_a_document(tmp_path: Path, larger: Path) -> None:
    with pytest.raises(ModelError, match=rf"Document 1: the tokenizer of larger .*{len(WORDS)}"):
        made(tmp_path, larger, TEXTS, on_error="fail")


def test_where_no_document_can_be_read_the_run_stops(tmp_path: Path, larger: Path) -> None:
    with pytest.raises(ModelError, match="None of the first 20 documents can be encoded"):
        made(tmp_path, larger, [f"w1 {NEW}"] * 20)


def test_a_bos_that_the_model_lacks_stops_the_run(tmp_path: Path) -> None:
    """Each window would begin with it."""
    save_model(tmp_path / "larger")
    tokenizer = holed({"<unk>": 0, "w1": 5, "<s>": 900})
    tokenizer.bos_token = "<s>"
    tokenizer.save_pretrained(tmp_path / "larger")
    save_dictionary(tmp_path / "sae", prepend_bos=True)
    with pytest.raises(ModelError, match="gives token 900"):
        made(tmp_path, tmp_path / "larger", ["w1 w1"] * 3)
