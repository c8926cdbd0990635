"""The sizing formulas, their measured constants, and the page that shows them."""

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, Gemma2Config, PretrainedConfig

from benchmarks.__main__ import main
from benchmarks.encode import sizing
from benchmarks.encode.encode_gpu import gpt2, llama
from benchmarks.encode.sizing import EXAMPLES, Job, Sizing, Subject, digits, table

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/sizing.md").read_text()
GPT2, LLAMA, GEMMA = EXAMPLES
GEMMA_CONFIG = Gemma2Config(
    vocab_size=256_000,
    hidden_size=4608,
    intermediate_size=36_864,
    num_hidden_layers=46,
    num_attention_heads=32,
    num_key_value_heads=16,
    head_dim=128,
)


@pytest.fixture(autouse=True)
def arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """`main` leaves its command's arguments behind for the report."""
    monkeypatch.setattr(sys, "argv", sys.argv)


def measured(name: str, title: str) -> list[dict[str, Any]]:
    """The rows of a published table."""
    runs = json.loads((ROOT / f"benchmarks/results/2026-11-21-{name}.json").read_text())
    *_, rows = [t["rows"] for run in runs for t in run["tables"] if re.search(title, t["title"])]
    return list(rows)


def n_parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("subject", "config", "layer"),
    [(GPT2, gpt2(1).config, 8), (LLAMA, llama(1).config, 19), (GEMMA, GEMMA_CONFIG, 22)],
    ids=[subject.name for subject in EXAMPLES],
)
def test_examples_have_the_sizes_of_their_models(
    subject: Subject, config: PretrainedConfig, layer: int
) -> None:
    with torch.device("meta"):
        model = AutoModel.from_config(config)
    blocks: Any = model.h if config.model_type == "gpt2" else model.layers
    del blocks[layer + 1 :]  # which are not loaded
    assert subject.loaded_params == pytest.approx(n_parameters(model), rel=1e-3)
    assert subject.model_params == pytest.approx(n_parameters(blocks), rel=1e-3)
    assert subject.d_in == config.hidden_size


def test_bytes_a_code_are_those_that_were_measured() -> None:
    for row in measured("encode", "bytes a code"):
        assert sizing.CODES_BYTES[row["values"]] == round(row["codes table"], 2)
        assert sizing.INDEXED_BYTES[row["values"]] == round(row["with postings and features"], 2)


def test_the_hosts_speeds_are_those_that_were_measured() -> None:
    rows = {row[""]: row for row in measured("host", "docstrings")}
    found = [rows["tokenise"]["tokens/s"], rows["pack"]["codes/s"], rows["write"]["codes/s"]]
    constants = [sizing.TOKENISED_PER_S, sizing.PACKED_PER_S, sizing.WRITTEN_PER_S]
    assert found == pytest.approx(constants, rel=0.01)


def test_formulas_by_hand() -> None:
    subject = Subject(
        name="small", model_params=1e9, loaded_params=2e9, d_in=1000, d_sae=500_000, k=10
    )
    job = Job(
        tokens=3.6e6,
        document_tokens=100,
        shard_documents=10,
        gpus=2,
        gpu_tflops=30,
        utilisation=0.5,
        price=4,
        keep_activations=0.1,
        memory_bytes=1,
    )
    made = Sizing(subject, job)
    assert (made.forward_flops, made.encode_flops) == (2e9, 1e9)
    assert made.tokens_per_s == made.device_tokens_per_s == 5000
    assert (made.codes_bytes, made.indexed_bytes, made.activations_bytes) == (42.5, 61.5, 200)
    assert made.lake_bytes == pytest.approx(3.6e6 * (sizing.TEXT_BYTES + 61.5 + 200))
    assert made.gpu_bytes == 4e9 + 3e9 + 48_000 * 16_384 + 1 + sizing.CONTEXT_BYTES
    assert made.host_bytes == sizing.HOST_BYTES + 4e9 + 1
    assert (made.n_shards, made.seconds, made.shards_per_minute) == (3600, 360, 600)
    assert made.cost == pytest.approx(2 * 0.1 * 4)


def test_a_host_that_is_slower_than_its_gpu_sets_the_speed() -> None:
    alone = Sizing(GPT2, Job())
    assert alone.tokens_per_s == alone.host_tokens_per_s < alone.device_tokens_per_s
    four = Sizing(GPT2, Job(workers_per_gpu=4))
    assert four.tokens_per_s == alone.device_tokens_per_s
    assert four.gpu_bytes == 4 * alone.gpu_bytes
    dense = Subject(
        name="dense", model_params=1, loaded_params=1, d_in=1, d_sae=1, k=sizing.WRITTEN_PER_S
    )
    assert Sizing(dense, Job()).tokens_per_s == 1


def test_three_digits_are_shown() -> None:
    shown = [digits(value) for value in (0, 0.012345, 5.678, 42, 999.6, 1234.5, 2_391_234)]
    assert shown == ["0", "0.0123", "5.68", "42.0", "1,000", "1,230", "2,390,000"]


def test_the_page_has_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert table(EXAMPLES, Job()).markdown() in PAGE
    assert table([GPT2], Job(workers_per_gpu=4)).markdown() in PAGE
    with pytest.raises(SystemExit, match="0"):
        main(["sizing", "--markdown"])
    assert capsys.readouterr().out in PAGE


def test_the_command_of_the_page_is_the_second_example(capsys: pytest.CaptureFixture[str]) -> None:
    found = re.search(r"^\$ python -m benchmarks (sizing (?:[^\\\n]|\\\n)*)", PAGE, re.MULTILINE)
    assert found
    with pytest.raises(SystemExit, match="0"):
        main([*shlex.split(found[1].replace("\\\n", "")), "--markdown"])
    llama_column = {row[""]: row[LLAMA.name] for row in table([LLAMA], Job()).rows}
    printed = dict(re.findall(r"^\| (.+) \| (.+) \|$", capsys.readouterr().out, re.MULTILINE))
    assert {label: printed[str(label)] for label in llama_column} == llama_column


def test_half_of_a_dictionary_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["sizing", "--d-in", "768"])
    assert "--d-sae" in capsys.readouterr().err
