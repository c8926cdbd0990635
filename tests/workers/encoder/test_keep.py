"""Kept activations are those of a plain forward run, in 16 bits, and never infinite."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer

import saelake
from saelake.activations import KeptActivations
from saelake.store.documents.documents import import_documents
from saelake.store.errors import AlreadyExists, InvalidInput, NotFound, ValueOverflow
from saelake.store.format.activations import ROW_BYTES
from saelake.store.format.schema import MAX_PART_TOKENS
from saelake.store.lake.lake import Lake
from saelake.workers.corpus import open_source
from saelake.workers.encoder.options import KeepOptions
from saelake.workers.run import DictionaryChoice, EncodeOptions, EncodeReport, encode
from tests.tiny import D_MODEL, WORDS, save_corpus, save_dictionary, save_model

WINDOW = 32
N_DOCUMENTS = 40
HALF_STEP = 2.0**-10  # of float16, with a margin for the order of float sums
Vectors = dict[tuple[int, int], np.ndarray]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    save_model(folder / "llama", window=WINDOW)
    save_dictionary(folder / "topk")
    save_dictionary(folder / "again", seed=1)
    save_dictionary(folder / "early", hook="blocks.0.hook_resid_post")
    save_corpus(folder / "corpus.parquet", N_DOCUMENTS)
    return folder


@pytest.fixture
def lake(tmp_path: Path, parts: Path) -> Lake:
    return imported(tmp_path / "lake", parts / "corpus.parquet")


def imported(folder: Path, corpus: Path) -> Lake:
    lake = Lake(str(folder))
    import_documents(lake, "made", open_source(str(corpus)))
    return lake


def texts(folder: Path, *lines: str) -> Path:
    import pyarrow as pa

    pq.write_table(pa.table({"text": list(lines)}), folder / "texts.parquet")
    return folder / "texts.parquet"


def kept(
    lake: Lake, model: Path, *dictionaries: Path, keep: KeepOptions | None, **options: Any
) -> EncodeReport:
    return encode(
        lake,
        "made",
        model=str(model),
        dictionaries=[DictionaryChoice(location=str(location)) for location in dictionaries],
        options=EncodeOptions(**{"shard_documents": 7, "keep_activations": keep, **options}),
    )


def activations(lake: Lake, name: str = "made/topk", **selected: Any) -> KeptActivations:
    return saelake.connect(lake.uri)[name].activations(**selected)


def vectors(found: KeptActivations) -> Vectors:
    table = found.to_arrow().read_all()
    rows = np.array(table["vector"].to_pylist(), np.float32).reshape(-1, found.shape[1])
    places = zip(table["doc"].to_pylist(), table["position"].to_pylist(), strict=True)
    return dict(zip(places, rows, strict=True))


def forward_run(model: Path, corpus: Path, layer: int = 2) -> Vectors:
    """The hidden states of each token; windows are run without padding."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    module = AutoModel.from_pretrained(model, dtype=torch.float32).eval()
    found: Vectors = {}
    for doc, text in enumerate(pq.read_table(corpus)["text"].to_pylist()):
        ids = torch.tensor(tokenizer(text, add_special_tokens=False)["input_ids"])
        n_whole = len(ids) // WINDOW * WINDOW
        runs = [*torch.split(ids[:n_whole].view(-1, WINDOW), 256), ids[None, n_whole:]]
        with torch.no_grad():
            states = [
                module(run, output_hidden_states=True).hidden_states[layer].flatten(0, 1)
                for run in runs
                if run.numel()
            ]
        found |= {(doc, i): row.numpy() for i, row in enumerate(torch.cat(states))}
    return found


def assert_equal(found: Vectors, expected: Vectors, step: float = HALF_STEP) -> None:
    assert list(found) == list(expected)
    for place, row in expected.items():
        np.testing.assert_allclose(found[place], row, rtol=step, atol=1e-5)


def test_all_activations_are_those_of_a_forward_run(lake: Lake, parts: Path) -> None:
    report = kept(lake, parts / "llama", parts / "topk", keep=KeepOptions())
    found, expected = (
        activations(lake),
        forward_run(parts / "llama", parts / "corpus.parquet"),
    )
    assert found.shape == (len(expected), D_MODEL) == (report.n_tokens, D_MODEL)
    assert found.dtype == "float16"
    assert_equal(vectors(found), expected)
    assert repr(found).startswith(
        f"<KeptActivations made/topk: {len(expected):,} tokens × 16 float16"
    )


def test_a_share_is_kept_and_a_smaller_one_read(lake: Lake, parts: Path) -> None:
    kept(lake, parts / "llama", parts / "topk", keep=KeepOptions(fraction=0.5, seed=3))
    whole = vectors(activations(lake))
    expected = forward_run(parts / "llama", parts / "corpus.parquet")
    assert_equal(whole, {place: row for place, row in expected.items() if place in whole})
    assert abs(len(whole) / len(expected) - 0.5) < 0.1
    part = activations(lake, fraction=0.2)
    smaller = vectors(part)
    assert part.n_tokens == len(smaller) < len(whole)
    assert smaller.keys() <= whole.keys()
    with pytest.raises(InvalidInput, match="Only 50 %"):
        activations(lake, fraction=0.6)


def test_filters_choose_documents(lake: Lake, parts: Path) -> None:
    kept(lake, parts / "llama", parts / "topk", keep=KeepOptions(fraction=0.5))
    labels = pq.read_table(parts / "corpus.parquet")["label"].to_pylist()
    found = activations(lake, where="label = 'pos'")
    expected = [place for place in vectors(activations(lake)) if labels[place[0]] == "pos"]
    assert list(vectors(found)) == expected
    assert found.n_tokens == len(expected)
    part = activations(lake, where="label = 'pos'", fraction=0.1)
    assert part.n_tokens == len(vectors(part))


def test_shards_and_batches_do_not_change_the_sample(
    tmp_path: Path, lake: Lake, parts: Path
) -> None:
    other = imported(tmp_path / "other", parts / "corpus.parquet")
    keep = KeepOptions(fraction=0.3)
    kept(lake, parts / "llama", parts / "topk", keep=keep)
    kept(other, parts / "llama", parts / "topk", keep=keep, shard_documents=1, batch_tokens=64)
    assert_equal(vectors(activations(other)), vectors(activations(lake)), 2 * HALF_STEP)


def test_dictionaries_at_one_hook_share_what_is_kept(lake: Lake, parts: Path) -> None:
    dictionaries = [parts / name for name in ("topk", "again", "early")]
    kept(lake, parts / "llama", *dictionaries, keep=KeepOptions())
    assert [str(name) for name in lake.activation_stores()] == ["made/early", "made/topk"]
    late = vectors(activations(lake))
    assert_equal(vectors(activations(lake, "made/again")), late)
    early = forward_run(parts / "llama", parts / "corpus.parquet", layer=1)
    assert_equal(vectors(activations(lake, "made/early")), early)


def test_activations_are_kept_of_what_is_encoded_already(lake: Lake, parts: Path) -> None:
    kept(lake, parts / "llama", parts / "topk", keep=None)
    with pytest.raises(NotFound, match="--keep-activations"):
        activations(lake)
    report = kept(lake, parts / "llama", parts / "topk", keep=KeepOptions())
    assert (report.n_documents, report.n_codes) == (N_DOCUMENTS, 0)
    assert_equal(vectors(activations(lake)), forward_run(parts / "llama", parts / "corpus.parquet"))


def test_another_share_is_refused_and_nothing_made(lake: Lake, parts: Path) -> None:
    kept(lake, parts / "llama", parts / "topk", keep=KeepOptions(fraction=0.5))
    before = lake.tables()
    with pytest.raises(AlreadyExists, match=r"50 % as float16.*now 20 %"):
        kept(lake, parts / "llama", parts / "again", keep=KeepOptions(fraction=0.2))
    assert lake.tables() == before


def loud(model: Path, folder: Path, size: float) -> Path:
    """The model with activations about that large, of one word only."""
    save_model(folder)
    weights = load_file(folder / "model.safetensors")
    weights["embed_tokens.weight"][WORDS.index("w7")] *= size
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_large_activations_are_kept_as_bfloat16(tmp_path: Path, parts: Path) -> None:
    model = loud(parts / "llama", tmp_path / "loud", 1e5)
    corpus = texts(tmp_path, "w1 w7 w2", "w3")
    lake = imported(tmp_path / "lake", corpus)
    kept(lake, model, parts / "topk", keep=KeepOptions())
    found = activations(lake)
    assert found.dtype == "bfloat16"
    expected = forward_run(model, corpus)
    assert 65_504 < max(np.abs(row).max() for row in expected.values()) < 1e6
    rows = vectors(found)
    assert list(rows) == list(expected)
    for place, row in expected.items():
        np.testing.assert_allclose(rows[place], row, rtol=2.0**-8, atol=1e-5)
    (batch,) = found.dataloader(batch_size=100, shuffle=False)
    assert batch.vectors.dtype == torch.bfloat16
    np.testing.assert_array_equal(batch.vectors.float(), np.stack(list(rows.values())))


def test_float16_that_overflows_is_a_recorded_failure(tmp_path: Path, parts: Path) -> None:
    model = loud(parts / "llama", tmp_path / "loud", 1e5)
    lake = imported(tmp_path / "lake", texts(tmp_path, "w1 w7 w2", "w3 w4"))
    keep = KeepOptions(dtype="float16")
    with pytest.raises(ValueOverflow, match=r"Document 0: .*token 1 is too large for float16"):
        kept(lake, model, parts / "topk", keep=keep, on_error="fail")
    report = kept(lake, model, parts / "topk", keep=keep)
    assert report.n_failed == 1
    found = activations(lake)
    assert list(vectors(found)) == [(1, 0), (1, 1)]
    assert list(found.failed) == [0]
    assert "keep activations as bfloat16" in found.failed[0]


@pytest.mark.slow
def test_documents_of_many_rows_and_parts_come_whole(tmp_path: Path, parts: Path) -> None:
    n = MAX_PART_TOKENS + 2000
    assert n * 2 * D_MODEL < ROW_BYTES, "the test needs a row for each part"
    random = np.random.default_rng(0)
    corpus = texts(tmp_path, "w1", " ".join(random.choice(WORDS[4:], n)), "w2 w3")
    lake = imported(tmp_path / "lake", corpus)
    kept(lake, parts / "llama", parts / "topk", keep=KeepOptions(fraction=0.1))
    found = vectors(activations(lake))
    expected = forward_run(parts / "llama", corpus)
    assert max(position for _, position in found) > MAX_PART_TOKENS
    assert_equal(found, {place: row for place, row in expected.items() if place in found})


@pytest.mark.parametrize(
    "options", [{"fraction": 0.0}, {"fraction": 2.0}, {"dtype": "int8"}, {"seed": -1}]
)
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        KeepOptions(**options)
