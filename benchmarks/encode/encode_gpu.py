"""Encoding on a GPU, in the sizes of GPT-2 small and Llama 3 8B with random weights.

Contestants take turns in one process, over the same token ids:

- bare: the model cut off at the hook, the dictionary's encode, codes dropped.
- saelake: `PageEncoder.encode` and `PageEncoder.pack` as an encode runs them, each in a thread of
  its own, to packed Arrow rows in the host's memory. Tokenising and writing are left out.
- dense: delphi's way. The whole model, dense latents by scattering the top k, `nonzero`, and both
  to the host; without its count of firings, which copies the dense latents to the host as well.

Models, dictionaries and token ids are random: only the sizes count.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import typer
from torch import Tensor
from transformers import AutoModel, GPT2Config, LlamaConfig, PretrainedConfig

from benchmarks.common.report import Cell, Table, publish
from benchmarks.encode.bare import Tap, truncated
from saelake.store.format.schema import CollectionSettings
from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.dictionaries.encoders import LinearEncoder
from saelake.workers.dictionaries.nonlinearities import TopK
from saelake.workers.encoder.batches import Batch, Window, batches
from saelake.workers.encoder.encode import PageEncoder, Target
from saelake.workers.encoder.hooks import resolve_hook
from saelake.workers.encoder.models import Model
from saelake.workers.encoder.pack import Part
from saelake.workers.encoder.pages import Page
from saelake.workers.encoder.stages import ahead
from saelake.workers.fleet.options import DEFAULT_MEMORY_BYTES
from saelake.workers.fleet.worker import CHUNK_SHARE, PAGE_BATCHES

TARGET = 0.85
CONTESTANTS = ("bare", "saelake", "dense")
EMPTY = np.array([], np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """The sizes of a model, of a dictionary at one of its blocks, and of what is read."""

    name: str
    config: PretrainedConfig
    layer: int
    d_sae: int
    k: int
    length: int
    batch_tokens: int

    @property
    def hook(self) -> str:
        """The hook point's name."""
        return f"blocks.{self.layer}.hook_resid_post"


def gpt2(batch_tokens: int) -> Geometry:
    """GPT-2 small with 24,576 features after block 8, k = 32."""
    return Geometry(
        name="GPT-2 small",
        config=GPT2Config(),
        layer=8,
        d_sae=24_576,
        k=32,
        length=1024,
        batch_tokens=batch_tokens,
    )


def llama(batch_tokens: int) -> Geometry:
    """Llama 3 8B with 65,536 features after block 19, k = 32."""
    config = LlamaConfig(
        vocab_size=128_256,
        hidden_size=4096,
        intermediate_size=14_336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=8192,
    )
    return Geometry(
        name="Llama 3 8B",
        config=config,
        layer=19,
        d_sae=65_536,
        k=32,
        length=1024,
        batch_tokens=batch_tokens,
    )


def tiny(batch_tokens: int) -> list[Geometry]:
    """Toys of the same two families, for a processor."""
    llama_config = LlamaConfig(
        vocab_size=97,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
    )
    gpt2_config = GPT2Config(
        vocab_size=97,
        n_positions=64,
        n_embd=32,
        n_layer=3,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
    )
    return [
        Geometry(
            name=f"tiny {config.model_type}",
            config=config,
            layer=1,
            d_sae=256,
            k=8,
            length=32,
            batch_tokens=batch_tokens,
        )
        for config in (gpt2_config, llama_config)
    ]


def random_model(geometry: Geometry, device: torch.device, dtype: torch.dtype) -> Model:
    """A model of these sizes; its weights depend on nothing but the device."""
    torch.manual_seed(0)
    with device:
        module = AutoModel.from_config(geometry.config).to(dtype)
    module.config.use_cache = False
    return Model(
        name=geometry.name,
        module=module.eval().requires_grad_(requires_grad=False),
        tokenizer=None,  # token ids are made, not read
        config=geometry.config,
        window=geometry.length,
        d_model=geometry.config.hidden_size,
        fingerprint="random",
        tokenizer_fingerprint="random",
        revision=None,
        device=device,
        dtype=dtype,
    )


def random_dictionary(
    geometry: Geometry, device: torch.device, dtype: torch.dtype
) -> LoadedDictionary:
    """A top-k dictionary of these sizes."""
    torch.manual_seed(1)
    d_in = geometry.config.hidden_size
    weights = torch.randn(d_in, geometry.d_sae, device=device) / d_in**0.5
    encoder = LinearEncoder(
        W_enc=weights.to(dtype),
        b_enc=torch.zeros(geometry.d_sae, device=device, dtype=dtype),
        nonlinearity=TopK(k=geometry.k),
    )
    return LoadedDictionary(architecture="topk", format="random", encoder=encoder, W_dec=None)


def random_pages(geometry: Geometry, n_tokens: int) -> list[Page]:
    """Pages of documents of one window each, of `n_tokens` or a little more together."""
    ids = np.random.default_rng(0)
    per_page = PAGE_BATCHES * geometry.batch_tokens // geometry.length
    n_pages = -(-n_tokens // (per_page * geometry.length))
    vocabulary = geometry.config.vocab_size
    return [
        _page(ids.integers(0, vocabulary, (per_page, geometry.length), np.int32), page * per_page)
        for page in range(n_pages)
    ]


def _page(token_ids: npt.NDArray[np.int32], first: int) -> Page:
    length = token_ids.shape[1]
    starts, lengths = np.arange(length, dtype=np.uint32), np.ones(length, np.uint16)
    return Page(
        parts=tuple(
            Part(doc=first + i, token_ids=row, starts=starts, lengths=lengths)
            for i, row in enumerate(token_ids)
        ),
        windows=tuple(
            Window(
                document=i,
                prefix=EMPTY,
                content=row,
                suffix=EMPTY,
                keep_from=0,
                keep_to=length,
                position=0,
            )
            for i, row in enumerate(token_ids)
        ),
    )


@dataclass(frozen=True, slots=True)
class Work:
    """Pages, and the batches that saelake makes of them: ready, for those that need no pages."""

    pages: Sequence[Page]
    batches: Sequence[Batch]

    @classmethod
    def of(cls, pages: Sequence[Page], batch_tokens: int) -> "Work":
        """The work of these pages."""
        return cls(pages, [b for page in pages for b in batches(page.windows, batch_tokens)])

    @property
    def n_tokens(self) -> int:
        """How many tokens get codes."""
        return sum(page.n_tokens for page in self.pages)


class Bench:
    """A model, a dictionary and pages of a geometry, and the contestants over them."""

    def __init__(
        self,
        geometry: Geometry,
        *,
        device: torch.device,
        dtype: torch.dtype,
        n_tokens: int,
        chunk_bytes: int,
    ) -> None:
        self.geometry = geometry
        self.model = random_model(geometry, device, dtype)
        self.hook = resolve_hook(self.model.module, geometry.hook)
        self.dictionary = random_dictionary(geometry, device, _compute_dtype(device, dtype))
        pages = random_pages(geometry, n_tokens)
        self.work = Work.of(pages, geometry.batch_tokens)
        self.warm_up = Work.of(pages[:1], geometry.batch_tokens)
        self.chunk_bytes = chunk_bytes
        self.encoder = PageEncoder(
            self.model,
            [Target(settings=self._settings(), dictionary=self.dictionary, hook=self.hook)],
            batch_tokens=geometry.batch_tokens,
            chunk_bytes=chunk_bytes,
        )
        (self.collection,) = self.encoder.targets

    def _settings(self) -> CollectionSettings:
        return CollectionSettings(
            corpus="random",
            dictionary="random",
            fingerprint="random",
            architecture="topk",
            d_in=self.dictionary.d_in,
            d_sae=self.dictionary.d_sae,
            signed=False,
            model=self.model.name,
            model_fingerprint="random",
            hook=self.hook.name,
            window=self.geometry.length,
        )

    def bare(self, work: Work) -> int:
        """How many codes the bare loop found."""
        n_codes = 0
        with truncated(self.model.module, self.hook.module_path):
            tap = Tap(self.model.module, self.hook.module_path)
            for batch in work.batches:
                codes = self.dictionary.encode(tap.kept(batch), chunk_bytes=self.chunk_bytes)
                n_codes += codes.nnz
            tap.close()
        return n_codes

    def saelake(self, work: Work) -> int:
        """How many codes were packed into Arrow rows."""
        names = [self.collection]
        encoded = ahead((self.encoder.encode(page, names) for page in work.pages), depth=1)
        packed = ahead((self.encoder.pack(page, self.collection) for page in encoded), depth=1)
        return sum(len(rows["values"].flatten()) for rows in packed)

    def dense(self, work: Work) -> int:
        """How many codes were found in dense latents."""
        tap = Tap(self.model.module, self.hook.module_path)
        n_codes = 0
        for batch in work.batches:
            latents = self._latents(tap.dense(batch))
            locations = torch.nonzero(latents.abs() > 1e-5)
            values = latents[latents.abs() > 1e-5]
            n_codes += min(len(locations.cpu()), len(values.cpu()))
        tap.close()
        return n_codes

    @torch.inference_mode()
    def _latents(self, x: Tensor) -> Tensor:
        """delphi's `sae_dense_latents`, `(rows, length, d_sae)`."""
        encoder = self.dictionary.encoder
        assert isinstance(encoder, LinearEncoder)
        assert encoder.b_enc is not None
        flat = x.reshape(-1, x.shape[-1]).to(encoder.W_enc.dtype)
        pre = torch.addmm(encoder.b_enc, flat, encoder.W_enc).relu()
        strongest = pre.topk(self.geometry.k, sorted=False)
        latents = torch.zeros_like(pre).scatter_(-1, strongest.indices, strongest.values)
        return latents.reshape(*x.shape[:-1], -1)

    def contestant(self, name: str) -> Callable[[Work], int]:
        """The run of that name."""
        return {"bare": self.bare, "saelake": self.saelake, "dense": self.dense}[name]


def _compute_dtype(device: torch.device, dtype: torch.dtype) -> torch.dtype:
    """What a dictionary computes in: a processor has no fast matrix product of half floats."""
    return torch.float32 if device.type == "cpu" else dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run of one contestant; `peak_bytes` are the device's, 0 on a processor."""

    seconds: float
    n_codes: int
    peak_bytes: int


def timed(run: Callable[[Work], int], work: Work) -> Result:
    """A run over the work, to its last effect on the device."""
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    begin = time.perf_counter()
    n_codes = run(work)
    if cuda:
        torch.cuda.synchronize()
    return Result(
        seconds=time.perf_counter() - begin,
        n_codes=n_codes,
        peak_bytes=torch.cuda.max_memory_allocated() if cuda else 0,
    )


def race(bench: Bench, rounds: int) -> Table:
    """The contestants in turn, after a page each that is not counted."""
    results: dict[str, list[Result]] = {name: [] for name in CONTESTANTS}
    for name in CONTESTANTS:
        bench.contestant(name)(bench.warm_up)
    for _ in range(rounds):
        for name in CONTESTANTS:
            results[name].append(timed(bench.contestant(name), bench.work))
    n_tokens = bench.work.n_tokens
    bare = [result.seconds for result in results["bare"]]
    rows: list[dict[str, Cell]] = [
        {
            "": name,
            "tokens/s": n_tokens / statistics.median(r.seconds for r in runs),
            "of bare": statistics.median(b / r.seconds for b, r in zip(bare, runs, strict=True)),
            "codes": runs[0].n_codes,
            "peak GiB": max(r.peak_bytes for r in runs) / 2**30,
        }
        for name, runs in results.items()
    ]
    geometry = bench.geometry
    title = (
        f"{geometry.name}, block {geometry.layer}, {geometry.d_sae:,} features, k = {geometry.k}, "
        f"{n_tokens:,} tokens"
    )
    return Table(title=title, rows=rows, note=f"saelake is meant to reach {TARGET} of bare")


def check_device(name: str, *, toys: bool) -> torch.device:
    """The device, if the benchmark means anything there."""
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise typer.BadParameter(
            "torch finds no CUDA device here. Run this on a machine with a GPU, or only try its "
            "code with --device cpu --tiny."
        )
    if device.type == "cpu" and not toys:
        raise typer.BadParameter("a processor is too slow for these sizes: add --tiny.")
    return device


def main(
    device: str = "cuda",
    toys: Annotated[bool, typer.Option("--tiny", help="toy sizes, to try the code")] = False,
    geometry: Annotated[str, typer.Option(help="gpt2, llama or all")] = "all",
    tokens: Annotated[int, typer.Option(help="tokens of each run")] = 1 << 20,
    batch_tokens: int = 16_384,
    chunk_mib: Annotated[int, typer.Option(help="the dense chunk of an encode")] = (
        DEFAULT_MEMORY_BYTES // CHUNK_SHARE >> 20
    ),
    rounds: int = 3,
) -> None:
    """Race saelake's encode on a GPU against the bare loop and delphi's way."""
    place = check_device(device, toys=toys)
    if toys:
        chosen = tiny(batch_tokens)
    else:
        makers = {"gpt2": gpt2, "llama": llama}
        names = list(makers) if geometry == "all" else [geometry]
        chosen = [makers[name](batch_tokens) for name in names]
    tables = []
    for each in chosen:
        bench = Bench(
            each,
            device=place,
            dtype=torch.bfloat16,
            n_tokens=tokens,
            chunk_bytes=chunk_mib << 20,
        )
        tables.append(race(bench, rounds))
        del bench
        torch.cuda.empty_cache()
    name = torch.cuda.get_device_name(place) if place.type == "cuda" else "none"
    publish("encode-gpu", tables, facts={"GPU": name, "dtype": "bfloat16"})
