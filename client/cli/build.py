"""Commands that write into a lake: import, encode, index, and ingest for all three."""

from contextlib import AbstractContextManager
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from saelake.cli.options.activations import (
    FromActivationsOption,
    KeepingCommand,
    KeepOption,
    KeptDtypeOption,
    keep_options,
)
from saelake.cli.options.lake import CollectionArgument, changes
from saelake.cli.options.ray import ClusterCommand, cluster_options, cpu_cluster_options
from saelake.cli.options.shared import shares
from saelake.cli.options.source import SourceArgument, source_options
from saelake.cli.show.screen import say
from saelake.cli.show.stages import Bars, added, besides, finished
from saelake.lake import Lake
from saelake.making.quantities import parse_size
from saelake.making.sources import shown
from saelake.making.stages import Stage, watched
from saelake.store.errors import InvalidInput
from saelake.workers.fleet.ray_cluster import RayCluster

if TYPE_CHECKING:
    from saelake.workers.fleet.options import DictionaryChoice, EncodeOptions

PANEL = "Build"
AskedLake = AbstractContextManager[Lake]
HOW, WINDOW = "How it is encoded", "How texts become tokens"

CorpusOption = Annotated[
    str | None, typer.Option(help="What to call it. [default: the file's name]")
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        help="A transformers model: a folder or a hub id. [with --server: what the dictionary was "
        "used with]"
    ),
]
OptionalModelOption = Annotated[
    str | None,
    typer.Option(help="A transformers model: a folder or a hub id; or --from-activations."),
]
DictionaryOption = Annotated[
    list[str],
    typer.Option(help="A dictionary: a folder, a file, or hf://owner/repo/path. May be repeated."),
]
NameOption = Annotated[
    list[str] | None,
    typer.Option(help="What to call the dictionary; once for each. [default: its folder's name]"),
]
HookOption = Annotated[
    list[str] | None,
    typer.Option(
        help="The hook point, as blocks.3.hook_resid_post or a module's path; once for each. "
        "[default: what the dictionary says; elsewhere it is called NAME-at-HOOK]"
    ),
]
NormFactorOption = Annotated[
    list[float] | None,
    typer.Option(
        help="What activations are multiplied with, for a dictionary that was trained on scaled "
        "ones (expected_average_only_in) and does not say by how much; once for each, 1 for none."
    ),
]
MaxTokensOption = Annotated[
    int | None,
    typer.Option(help="Only the first tokens of each document.", rich_help_panel=WINDOW),
]
WindowOption = Annotated[
    int | None,
    typer.Option(
        help="Tokens of one model run. [default: each dictionary's context, or the model's]",
        rich_help_panel=WINDOW,
    ),
]
OverlapOption = Annotated[
    int,
    typer.Option(help="Tokens that a window repeats of the one before.", rich_help_panel=WINDOW),
]
SpecialOption = Annotated[
    bool,
    typer.Option("--special-tokens", help="Keep codes of special tokens.", rich_help_panel=WINDOW),
]
BosOption = Annotated[
    bool | None,
    typer.Option(
        "--prepend-bos/--no-prepend-bos",
        help="Begin windows with BOS. [default: what each dictionary says, or the tokenizer does]",
        rich_help_panel=WINDOW,
    ),
]
ChatOption = Annotated[
    bool,
    typer.Option(
        "--chat", help="Apply the model's chat template to each text.", rich_help_panel=WINDOW
    ),
]
ValuesOption = Annotated[
    Literal["16-bit", "8-bit"],
    typer.Option(
        help="How values are stored: 8-bit is half the size, and within 4.4 % (9.1 % of a signed "
        "dictionary); below 0.00024 (2^-12) all become 0.00024.",
        rich_help_panel=HOW,
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        help="cpu, cuda, cuda:1; or several, as cuda:0,cuda:1, over which the model is spread. "
        "[default: cuda if there is one]",
        rich_help_panel=HOW,
    ),
]
DtypeOption = Annotated[
    str | None,
    typer.Option(help="float32, bfloat16 or float16. [default: by device]", rich_help_panel=HOW),
]
QuantizationOption = Annotated[
    Literal["int8", "fp8", "bnb-8bit", "bnb-4bit"] | None,
    typer.Option(
        help="Load the model's weights in fewer bits, and compute with them in --dtype: its "
        "activations are others then.",
        rich_help_panel=HOW,
    ),
]
BatchTokensOption = Annotated[
    int | None, typer.Option(help="Tokens of one batch.", rich_help_panel=HOW)
]
InvariantOption = Annotated[
    bool,
    typer.Option(
        "--batch-invariant",
        help="Run each window alone: in half precision codes near ties depend on what else is in "
        "a batch. Slower.",
        rich_help_panel=HOW,
    ),
]
MemoryOption = Annotated[
    str, typer.Option(help="Memory beside the weights, as 512MiB or 2GiB.", rich_help_panel=HOW)
]
ShardOption = Annotated[int, typer.Option(help="Documents of one commit.", rich_help_panel=HOW)]
OnErrorOption = Annotated[
    Literal["skip", "fail"],
    typer.Option(
        help="A document that cannot be encoded: record it and go on, or stop.",
        rich_help_panel=HOW,
    ),
]
TrustOption = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code", help="Run code that comes with the model.", rich_help_panel=HOW
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(cls=KeepingCommand, rich_help_panel=PANEL)(ingest)
    app.command("import", rich_help_panel=PANEL)(import_)
    app.command(cls=KeepingCommand, rich_help_panel=PANEL)(encode)
    app.command(cls=ClusterCommand, rich_help_panel=PANEL)(index)


def encode_options(
    *,
    max_tokens: MaxTokensOption = None,
    window: WindowOption = None,
    overlap: OverlapOption = 0,
    special_tokens: SpecialOption = False,
    prepend_bos: BosOption = None,
    chat: ChatOption = False,
    values: ValuesOption = "16-bit",
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    quantization: QuantizationOption = None,
    batch_tokens: BatchTokensOption = None,
    batch_invariant: InvariantOption = False,
    memory: MemoryOption = "512MiB",
    shard_documents: ShardOption = 1000,
    on_error: OnErrorOption = "skip",
    trust_remote_code: TrustOption = False,
    keep_activations: KeepOption = None,
    activations_dtype: KeptDtypeOption = "auto",
) -> "EncodeOptions":
    """How to encode, as these options say. Raises `InvalidInput`."""
    from saelake.workers.fleet.options import EncodeOptions

    return EncodeOptions(
        max_tokens=max_tokens,
        window=window,
        overlap=overlap,
        special_tokens=special_tokens,
        prepend_bos=prepend_bos,
        chat=chat,
        values=values,
        device=device,
        dtype=dtype,
        quantization=quantization,
        batch_tokens=batch_tokens,
        batch_invariant=batch_invariant,
        memory_bytes=parse_size(memory),
        shard_documents=shard_documents,
        on_error=on_error,
        trust_remote_code=trust_remote_code,
        keep_activations=keep_options(keep_activations, activations_dtype),
    )


@changes()
@shares("cluster", cluster_options)
@shares("options", encode_options)
@shares("reading", source_options)
def ingest(
    file: SourceArgument,
    *,
    model: ModelOption = None,
    dictionary: DictionaryOption,
    corpus: CorpusOption = None,
    name: NameOption = None,
    hook: HookOption = None,
    norm_factor: NormFactorOption = None,
    reading: dict[str, Any],
    options: "EncodeOptions",
    cluster: RayCluster | None,
    place: AskedLake,
) -> None:
    """Import, encode and index a corpus. Run again, it continues where it stopped.

    Example: `saelake ingest reviews.parquet --model gpt2 --dictionary my-sae --name l8`
    """
    choices = paired(dictionary, name, hook, norm_factor)
    with place as opened:
        with Bars(opened, has_workers=cluster is not None) as bars:
            made = opened.ingest(
                file,
                corpus,
                model=model,
                dictionary=choices,
                **reading,
                options=options,
                cluster=cluster,
                watcher=bars,
            )
        say(finished(opened, (collection.name for collection in made)))


@changes()
@shares("reading", source_options)
def import_(
    file: SourceArgument,
    *,
    corpus: CorpusOption = None,
    once: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="A name for this import: sent again, it adds nothing and says the same.",
        ),
    ] = None,
    reading: dict[str, Any],
    place: AskedLake,
) -> None:
    """Bring documents into a lake, without a model. Documents that are there already are skipped.

    Example: `saelake import reviews.csv --corpus reviews --text-column review`
    """
    with place as opened, Bars(opened) as bars:
        importing = partial(opened.import_corpus, file, corpus, key=once, **reading)
        report = watched(bars, Stage(name="import", of=shown(file)), importing)
    say(f"Done: {added(report)} added to {report.corpus}{besides(report)}")


@changes()
@shares("cluster", cluster_options)
@shares("options", encode_options)
def encode(
    corpus: Annotated[str, typer.Argument(help="The imported corpus.")],
    *,
    model: OptionalModelOption = None,
    dictionary: DictionaryOption,
    from_activations: FromActivationsOption = None,
    name: NameOption = None,
    hook: HookOption = None,
    norm_factor: NormFactorOption = None,
    options: "EncodeOptions",
    cluster: RayCluster | None,
    place: AskedLake,
) -> None:
    """Encode what is not encoded yet of a corpus; dictionaries of one context share a model run.

    Example: `saelake encode reviews --model gpt2 --dictionary sae-l4 --dictionary sae-l8`
    """
    choices = paired(dictionary, name, hook, norm_factor)
    loading = "the model and the dictionary" if model else "the dictionary"
    with place as opened:
        encoding = partial(
            opened.encode,
            corpus,
            model=model,
            dictionary=choices,
            from_activations=from_activations,
            options=options,
            cluster=cluster,
        )
        with Bars(opened, loading=loading, has_workers=cluster is not None) as bars:
            report = watched(bars, Stage(name="encode", of=corpus), encoding)
        say(finished(opened, report.collections))


@changes()
@shares("cluster", cpu_cluster_options)
def index(
    collection: CollectionArgument,
    *,
    memory: Annotated[
        str | None,
        typer.Option(help="Memory of each worker, as 512MiB or 2GiB. [default: 1GiB]"),
    ] = None,
    cluster: RayCluster | None,
    place: AskedLake,
) -> None:
    """Index what is not indexed yet of a collection. Queries work without, but slower.

    Example: `saelake index reviews/l8`
    """
    size = None if memory is None else parse_size(memory)
    with place as opened, Bars(opened) as bars:
        indexing = partial(opened.index, collection, memory_bytes=size, cluster=cluster)
        watched(bars, Stage(name="index", of=collection), indexing)


def paired(
    dictionaries: list[str],
    names: list[str] | None,
    hooks: list[str] | None,
    factors: list[float] | None,
) -> "list[DictionaryChoice]":
    """Each dictionary with its name, its hook and its norm factor. Raises `InvalidInput`."""
    for what, given in (("--name", names), ("--hook", hooks), ("--norm-factor", factors)):
        if given and len(given) != len(dictionaries):
            raise InvalidInput(
                f"{what} is given {len(given)} times and --dictionary {len(dictionaries)} times: "
                "give it once for each, in their order, or not at all."
            )
    from saelake.workers.fleet.options import DictionaryChoice

    together = zip_longest(dictionaries, names or (), hooks or (), factors or ())
    return [
        DictionaryChoice(location=d, name=name, hook=hook, norm_factor=factor)
        for d, name, hook, factor in together
    ]
