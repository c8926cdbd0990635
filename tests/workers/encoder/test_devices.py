"""A model that is spread over several devices gives what it gives on one."""

from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

import saelake
from saelake.store.errors import ModelError
from saelake.workers.encoder.devices import device_at, devices_of, runs, spread
from saelake.workers.encoder.hooks import resolve_hook
from saelake.workers.encoder.models import Model, load_model
from saelake.workers.encoder.reader import ActivationReader
from saelake.workers.run import EncodeOptions
from tests.small_models import CONFIGS, batch_of, randomise
from tests.tiny import save_corpus, save_dictionary, save_model
from tests.workers.encoder.test_models import saved

HOOKS = ["blocks.0.hook_resid_post", "blocks.2.hook_resid_post"]
META = [torch.device("meta"), torch.device("cpu")]
# Of their devices, accelerate takes the word "cpu" and the device of that name for two.
TWICE: list[Any] = ["cpu", torch.device("cpu")]


def least_of_all(sizes: list[int], n: int) -> int:
    """The smallest that the largest run can be, by trying every way to cut."""
    cuts = [c for k in range(n) for c in combinations(range(1, len(sizes)), k)]
    return min(max(sum(sizes[a:b]) for a, b in pairwise((0, *c, len(sizes)))) for c in cuts)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.integers(1, 5))
def test_the_fullest_device_has_as_little_as_can_be(sizes: list[int], n: int) -> None:
    places = runs(sizes, n)
    assert places == sorted(places)
    assert len(places) == len(sizes)
    assert set(places) == set(range(places[-1] + 1)) <= set(range(n))
    total = [sum(s for s, p in zip(sizes, places, strict=True) if p == q) for q in range(n)]
    assert max(total) == least_of_all(sizes, n)


def test_blocks_of_one_size_are_shared_out_as_weights_of_a_large_model_are() -> None:
    gib = 1 << 30
    assert runs([3 * gib] + [2 * gib] * 30 + [3 * gib], 4) == sorted([0, 1, 2, 3] * 8)
    assert runs([2 * gib] * 3, 2) == [0, 0, 1]


def outline(family: str) -> Any:
    with torch.device("meta"):
        return transformers.AutoModel.from_config(CONFIGS[family])


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_every_part_has_one_place_and_blocks_stay_in_order(family: str) -> None:
    module = outline(family)
    placed = spread(module, None, META, family)
    tensors = [name for name, _ in (*module.named_parameters(), *module.named_buffers())]
    for name in tensors:
        assert sum(name == part or name.startswith(f"{part}.") for part in placed) == 1, name
        assert device_at(placed, name, torch.device("cuda")).type in ("meta", "cpu")
    devices = list(placed.values())
    assert set(devices) == set(META)
    assert devices == sorted(devices, key=META.index)


def test_blocks_that_are_not_loaded_have_no_place() -> None:
    placed = spread(outline("llama"), 2, META, "a model")
    assert [part for part in placed if part.startswith("layers.")] == ["layers.0", "layers.1"]
    assert (placed["embed_tokens"], placed["layers.1"]) == (META[0], META[1])
    assert device_at(placed, "layers.1.mlp.up_proj", META[0]) == META[1]
    assert device_at({}, "layers.1", META[0]) == META[0]


def test_a_model_without_blocks_is_not_spread() -> None:
    with pytest.raises(ModelError, match="which modules of a model are its blocks"):
        spread(_Unlike(transformers.GPT2Config()), None, META, "a model")


class _Unlike(transformers.PreTrainedModel):  # type: ignore[misc]
    """A model that is built like no other."""

    config_class = transformers.GPT2Config

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.linear = torch.nn.Linear(2, 2)


@pytest.mark.parametrize("places", [TWICE, ["cpu", "disk"]], ids=["twice", "disk"])
@pytest.mark.parametrize("family", ["bert", "gemma2", "gpt2", "llama"])
def test_a_spread_model_reads_what_a_whole_one_reads(
    tmp_path: Path, family: str, places: list[Any]
) -> None:
    torch.manual_seed(0)
    module = transformers.AutoModel.from_config(CONFIGS[family])
    randomise(module)
    whole = load_model(str(saved(tmp_path / "model", module)), device="cpu")
    placed = spread(whole.module, None, places, family)
    dispatched = transformers.AutoModel.from_pretrained(
        tmp_path / "model",
        device_map=placed,
        offload_folder=tmp_path / "off",
        dtype=torch.float32,
    )
    assert hasattr(dispatched, "_hf_hook")  # moves what goes from a device to the next
    read = reader(replace(whole, module=dispatched.eval(), placed=placed))
    want = reader(whole)(batch_of([5, 3]))
    for _ in range(2):  # the first run ends in the middle of the model
        found = read(batch_of([5, 3]))
        assert all(torch.equal(found[hook], want[hook]) for hook in HOOKS)


def reader(model: Model) -> ActivationReader:
    return ActivationReader(model, [resolve_hook(model.module, hook) for hook in HOOKS])


def test_devices_are_of_one_kind_and_each_is_named_once(tmp_path: Path) -> None:
    cpu = torch.device("cpu")
    assert devices_of("cpu") == devices_of("cpu, cpu") == devices_of("cpu,cpu:0") == (cpu,)
    with pytest.raises(ModelError, match="one kind, not over cpu and meta"):
        devices_of("cpu,meta")
    with pytest.raises(ModelError, match="device cuda:98 cannot be used here"):
        load_model(str(saved(tmp_path / "tiny")), device="cuda:98,cuda:99")


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_two_gpus_read_what_one_reads(tmp_path: Path, family: str) -> None:
    torch.manual_seed(0)
    module = transformers.AutoModel.from_config(CONFIGS[family])
    randomise(module)
    folder = str(saved(tmp_path / "model", module))
    one = load_model(folder, device="cuda:0", hooks=HOOKS)
    two = load_model(folder, device="cuda:0,cuda:1", hooks=HOOKS)
    assert {parameter.device.index for parameter in two.module.parameters()} == {0, 1}
    found, want = reader(two)(batch_of([5, 3])), reader(one)(batch_of([5, 3]))
    for hook in HOOKS:
        place = two.device_at(resolve_hook(two.module, hook).module_path)
        assert found[hook].device == place
        torch.testing.assert_close(found[hook].cpu(), want[hook].cpu())


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_gpus_make_the_codes_of_one(tmp_path: Path) -> None:
    save_model(tmp_path / "model")
    for n in (0, 1):
        save_dictionary(tmp_path / f"sae{n}", hook=f"blocks.{n}.hook_resid_post")
    save_corpus(tmp_path / "corpus.parquet", 20)
    made: list[list[Any]] = []
    for device in ("cuda:0", "cuda:0,cuda:1"):
        lake = saelake.connect(tmp_path / f"lake of {len(made)}")
        lake.import_corpus(str(tmp_path / "corpus.parquet"), "made")
        lake.encode(
            "made",
            model=str(tmp_path / "model"),
            dictionary=[str(tmp_path / "sae0"), str(tmp_path / "sae1")],
            options=EncodeOptions(device=device, dtype="float32"),
        )
        made.append([lake[f"made/sae{n}"].codes().read_all() for n in (0, 1)])
    for one, two in zip(*made, strict=True):
        assert one.select(["position", "feature"]) == two.select(["position", "feature"])
