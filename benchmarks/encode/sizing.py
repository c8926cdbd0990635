"""What an encode needs, by formula: tokens a second, bytes, memory, time and cost.

Nothing is run here. docs/sizing.md explains the formulas and says which constants were measured.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import typer
from rich.console import Console

from benchmarks.common.report import Cell, Table

GIB = 2**30

# Measured: the rows of benchmarks/results that docs/sizing.md names.
CODES_BYTES = {"16-bit": 4.25, "8-bit": 2.94}  # of the codes table, a code
INDEXED_BYTES = {"16-bit": 6.15, "8-bit": 4.61}  # with postings and features
TEXT_BYTES = 4.04  # a token
TOKENISED_PER_S = 900e3  # tokens, on two cores as the next two
PACKED_PER_S = 60e6  # codes
WRITTEN_PER_S = 47.5e6  # codes
HOST_BYTES = 600 << 20  # torch, transformers, Lance and a small model

# Assumed: what a GPU holds beside weights and the memory setting.
CONTEXT_BYTES = GIB // 2  # CUDA's own
BATCH_TOKENS = 16_384  # saelake's default on a GPU
BATCH_WIDTHS = 24  # numbers of d_in alive at once, a token of a batch: a gated MLP's three parts

Values = Literal["16-bit", "8-bit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model, cut at a hook point, and a dictionary there.

    `model_params` are those of the blocks up to the hook, which a token is multiplied with;
    `loaded_params` these and the
    embeddings, which is all that is loaded. `k` is the mean number of codes a token.
    """

    name: str
    model_params: float
    loaded_params: float
    d_in: int
    d_sae: int
    k: float


EXAMPLES = (
    Subject(
        name="GPT-2 small, block 8",
        model_params=63.8e6,
        loaded_params=103.2e6,
        d_in=768,
        d_sae=24_576,
        k=32,
    ),
    Subject(
        name="Llama 3 8B, block 19",
        model_params=4.36e9,
        loaded_params=4.89e9,
        d_in=4096,
        d_sae=65_536,
        k=32,
    ),
    Subject(
        name="Gemma 2 27B, block 22",
        model_params=13.02e9,
        loaded_params=14.2e9,
        d_in=4608,
        d_sae=131_072,
        k=100,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is encoded, how, and on what.

    `utilisation` is the share of `gpu_tflops` that a run reaches, `price` that of a GPU with its
    host for an hour, `keep_activations` the share of tokens whose activations are kept.
    """

    tokens: float = 1e9
    document_tokens: float = 500
    shard_documents: int = 1000
    values: Values = "16-bit"
    keep_activations: float = 0
    gpus: int = 8
    workers_per_gpu: int = 1
    memory_bytes: int = 512 << 20
    gpu_tflops: float = 989
    utilisation: float = 0.4
    price: float = 2.5


@dataclass(frozen=True, slots=True)
class Sizing:
    """A job with a subject, and what follows from the two."""

    subject: Subject
    job: Job

    @property
    def forward_flops(self) -> float:
        """Floating-point operations a token up to the hook, without those of attention scores."""
        return 2 * self.subject.model_params

    @property
    def encode_flops(self) -> float:
        """Those of the dictionary's encode."""
        return 2 * self.subject.d_in * self.subject.d_sae

    @property
    def device_tokens_per_s(self) -> float:
        """What one GPU could do."""
        reached = self.job.gpu_tflops * 1e12 * self.job.utilisation
        return reached / (self.forward_flops + self.encode_flops)

    @property
    def host_tokens_per_s(self) -> float:
        """What the hosts of one GPU's workers could take in: as much as their slowest stage."""
        codes_per_s = min(PACKED_PER_S, WRITTEN_PER_S)
        return self.job.workers_per_gpu * min(TOKENISED_PER_S, codes_per_s / self.subject.k)

    @property
    def tokens_per_s(self) -> float:
        """What one GPU with its workers does."""
        return min(self.device_tokens_per_s, self.host_tokens_per_s)

    @property
    def codes_bytes(self) -> float:
        """Of the codes table, a token."""
        return self.subject.k * CODES_BYTES[self.job.values]

    @property
    def indexed_bytes(self) -> float:
        """Of the codes table and what `index` adds, a token."""
        return self.subject.k * INDEXED_BYTES[self.job.values]

    @property
    def activations_bytes(self) -> float:
        """Of kept activations in 16 bits, a token of the corpus."""
        return 2 * self.subject.d_in * self.job.keep_activations

    @property
    def lake_bytes(self) -> float:
        """Of the whole lake."""
        return self.job.tokens * (TEXT_BYTES + self.indexed_bytes + self.activations_bytes)

    @property
    def gpu_bytes(self) -> float:
        """Of one GPU's memory: 16-bit weights, W_dec in 32 bits, and what is under way."""
        subject = self.subject
        weights = 2 * subject.loaded_params + (2 + 4) * subject.d_in * subject.d_sae
        batch = 2 * BATCH_WIDTHS * subject.d_in * BATCH_TOKENS
        return self.job.workers_per_gpu * (weights + batch + self.job.memory_bytes + CONTEXT_BYTES)

    @property
    def host_bytes(self) -> float:
        """Of one worker's memory: its weights pass through it when they are loaded."""
        return HOST_BYTES + 2 * self.subject.loaded_params + self.job.memory_bytes

    @property
    def n_shards(self) -> float:
        """How many shards, each of which is committed once."""
        return self.job.tokens / self.job.document_tokens / self.job.shard_documents

    @property
    def seconds(self) -> float:
        """From the first token to the last, on all GPUs."""
        return self.job.tokens / (self.job.gpus * self.tokens_per_s)

    @property
    def shards_per_minute(self) -> float:
        """How often the driver commits."""
        return 60 * self.n_shards / self.seconds

    @property
    def cost(self) -> float:
        """Of all GPUs for as long."""
        return self.job.gpus * self.seconds / 3600 * self.job.price


ROWS: Mapping[str, Callable[[Sizing], float]] = {
    "GFLOP a token: forward": lambda s: s.forward_flops / 1e9,
    "GFLOP a token: encode": lambda s: s.encode_flops / 1e9,
    "tokens/s that a GPU can do": lambda s: s.device_tokens_per_s,
    "tokens/s that its host can take in": lambda s: s.host_tokens_per_s,
    "tokens/s of a GPU and its host": lambda s: s.tokens_per_s,
    "bytes a token: codes": lambda s: s.codes_bytes,
    "bytes a token: codes and index": lambda s: s.indexed_bytes,
    "bytes a token: activations": lambda s: s.activations_bytes,
    "GB of the lake": lambda s: s.lake_bytes / 1e9,
    "GiB of a GPU's memory": lambda s: s.gpu_bytes / GIB,
    "GiB of a worker's memory": lambda s: s.host_bytes / GIB,
    "shards": lambda s: s.n_shards,
    "commits a minute": lambda s: s.shards_per_minute,
    "hours": lambda s: s.seconds / 3600,
    "$": lambda s: s.cost,
    "$ a billion tokens": lambda s: s.cost / (s.job.tokens / 1e9),
}


def table(subjects: Sequence[Subject], job: Job) -> Table:
    """The sizing of each subject, a column each."""
    sizings = {subject.name: Sizing(subject, job) for subject in subjects}
    rows: list[dict[str, Cell]] = [
        {"": label, **{name: digits(of(sizing)) for name, sizing in sizings.items()}}
        for label, of in ROWS.items()
    ]
    return Table(title=title(job), rows=rows)


def digits(value: float) -> str:
    """The value with three digits: no more of them mean anything."""
    if not value:
        return "0"
    places = 2 - math.floor(math.log10(abs(value)))
    return f"{round(value, places):,.{max(places, 0)}f}"


def title(job: Job) -> str:
    """What is encoded, and on what."""
    workers = f"{job.workers_per_gpu} worker{'s' if job.workers_per_gpu > 1 else ''}"
    return (
        f"{job.tokens:,.0f} tokens, {job.gpus} GPUs of {job.gpu_tflops:g} TFLOP/s at "
        f"{job.utilisation:.0%}, {workers} on each, ${job.price:.2f} an hour"
    )


def main(
    model_params: Annotated[
        float | None, typer.Option(help="of the blocks up to the hook, as 4.36e9")
    ] = None,
    loaded_params: Annotated[
        float | None, typer.Option(help="of those blocks and the embeddings, which are loaded")
    ] = None,
    d_in: int | None = None,
    d_sae: int | None = None,
    k: Annotated[float | None, typer.Option(help="codes a token, on average")] = None,
    tokens: float = 1e9,
    document_tokens: Annotated[float, typer.Option(help="tokens a document")] = 500,
    shard_documents: int = 1000,
    values: Values = "16-bit",
    keep_activations: Annotated[float, typer.Option(help="share of the tokens")] = 0,
    gpus: int = 8,
    workers_per_gpu: int = 1,
    memory_mib: Annotated[int, typer.Option(help="the encode's --memory")] = 512,
    gpu_tflops: Annotated[float, typer.Option(help="dense, 16-bit, as its data sheet says")] = 989,
    utilisation: Annotated[float, typer.Option(help="the share of them that is reached")] = 0.4,
    price: Annotated[float, typer.Option(help="of a GPU with its host, an hour")] = 2.5,
    markdown: Annotated[bool, typer.Option("--markdown", help="as docs/sizing.md has it")] = False,
) -> None:
    """Tokens a second, bytes, memory and cost of an encode: of three examples, or of yours."""
    given = (model_params, d_in, d_sae, k)
    if any(given) and not all(given):
        raise typer.BadParameter("give all of --model-params, --d-in, --d-sae and --k, or none")
    yours = Subject(
        name="yours",
        model_params=model_params or 0,
        loaded_params=loaded_params or model_params or 0,
        d_in=d_in or 0,
        d_sae=d_sae or 0,
        k=k or 0,
    )
    job = Job(
        tokens=tokens,
        document_tokens=document_tokens,
        shard_documents=shard_documents,
        values=values,
        keep_activations=keep_activations,
        gpus=gpus,
        workers_per_gpu=workers_per_gpu,
        memory_bytes=memory_mib << 20,
        gpu_tflops=gpu_tflops,
        utilisation=utilisation,
        price=price,
    )
    made = table([yours] if all(given) else EXAMPLES, job)
    if markdown:
        print(made.markdown(), end="")
    else:
        made.print(Console(width=120))
