"""Commands that write into a lake: import, encode, index, and ingest for all three."""

import re
import time
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from saelake.answers.answer import lasting, one_line
from saelake.cli.options.activations import (
    FromActivationsOption,
    KeepingCommand,
    KeepOption,
    KeptDtypeOption,
    keep_options,
)
from saelake.cli.options.lake import DEFAULT_LAKE, CollectionArgument, LakeOption
from saelake.cli.options.ray import ClusterCommand, cluster_options, cpu_cluster_options
from saelake.cli.options.shared import shares
from saelake.cli.show.progress import Counter, EncodeBar
from saelake.cli.show.screen import say
from saelake.connection import connect
from saelake.lake import Lake
from saelake.store.errors import InvalidInput
from saelake.workers.fleet.ray_cluster import RayCluster

if TYPE_CHECKING:
    from saelake.store.reports import ImportReport
    from saelake.workers.fleet.progress import EncodeReport

PANEL = "Build"
SOURCE, HOW, WINDOW = "What is read", "How it is encoded", "How texts become tokens"

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="Parquet, JSON lines, CSV, a folder of text files, or hf://owner/name:split.",
    ),
]
CorpusOption = Annotated[
    str | None, typer.Option(help="What to call it. [default: the file's name]")
]
TextColumnOption = Annotated[
    str, typer.Option(help="The column with the texts.", rich_help_panel=SOURCE)
]
IdColumnOption = Annotated[
    str | None,
    typer.Option(
        help="The column with the ids. [default: id or doc_id; else file and row number]",
        rich_help_panel=SOURCE,
    ),
]
SourceFormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="parquet, jsonl, csv, tsv or text, when the name does not tell.",
        rich_help_panel=SOURCE,
    ),
]
SplitOption = Annotated[
    str | None, typer.Option(help="The split of a data set.", rich_help_panel=SOURCE)
]
ModelOption = Annotated[str, typer.Option(help="A transformers model: a folder or a hub id.")]
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
        "[default: what the dictionary says]"
    ),
]
MaxTokensOption = Annotated[
    int | None,
    typer.Option(help="Only the first tokens of each document.", rich_help_panel=WINDOW),
]
WindowOption = Annotated[
    int | None,
    typer.Option(
        help="Tokens of one model run. [default: the dictionary's context, or the model's]",
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
        help="Begin windows with BOS. [default: what the dictionary says]",
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
    typer.Option(help="How values are stored: 8-bit is half the size.", rich_help_panel=HOW),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(help="cpu, cuda, cuda:1. [default: cuda if there is one]", rich_help_panel=HOW),
]
DtypeOption = Annotated[
    str | None,
    typer.Option(help="float32, bfloat16 or float16. [default: by device]", rich_help_panel=HOW),
]
BatchTokensOption = Annotated[
    int | None, typer.Option(help="Tokens of one batch.", rich_help_panel=HOW)
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

Choice = tuple[str, str | None, str | None]  # location, name, hook
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


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
    batch_tokens: BatchTokensOption = None,
    memory: MemoryOption = "512MiB",
    shard_documents: ShardOption = 1000,
    on_error: OnErrorOption = "skip",
    trust_remote_code: TrustOption = False,
    keep_activations: KeepOption = None,
    activations_dtype: KeptDtypeOption = "auto",
) -> dict[str, Any]:
    """What `keep_options` makes the arguments of `EncodeOptions` of."""
    return {
        "max_tokens": max_tokens,
        "window": window,
        "overlap": overlap,
        "special_tokens": special_tokens,
        "prepend_bos": prepend_bos,
        "chat": chat,
        "values": values,
        "device": device,
        "dtype": dtype,
        "batch_tokens": batch_tokens,
        "memory_bytes": parse_size(memory),
        "shard_documents": shard_documents,
        "on_error": on_error,
        "trust_remote_code": trust_remote_code,
        "keep_activations": keep_activations,
        "activations_dtype": activations_dtype,
    }


@shares("cluster", cluster_options)
@shares("options", encode_options)
def ingest(
    file: SourceArgument,
    *,
    model: ModelOption,
    dictionary: DictionaryOption,
    lake: LakeOption = None,
    corpus: CorpusOption = None,
    name: NameOption = None,
    hook: HookOption = None,
    text_column: TextColumnOption = "text",
    id_column: IdColumnOption = None,
    input_format: SourceFormatOption = None,
    split: SplitOption = None,
    options: dict[str, Any],
    cluster: RayCluster | None,
) -> None:
    """Import, encode and index a corpus. Run again, it continues where it stopped.

    Example: `saelake ingest reviews.parquet --model gpt2 --dictionary my-sae --name l8`
    """
    called = corpus or default_corpus(file)
    choices = paired(dictionary, name, hook)
    opened = connect(lake or DEFAULT_LAKE)
    _import(opened, file, called, text_column, id_column, input_format, split)
    report = _encode(opened, called, model, choices, options, cluster)
    for collection in report.collections:
        _index(opened, collection, None, cluster)
    say(finished(opened, report))


def import_(
    file: SourceArgument,
    *,
    lake: LakeOption = None,
    corpus: CorpusOption = None,
    text_column: TextColumnOption = "text",
    id_column: IdColumnOption = None,
    input_format: SourceFormatOption = None,
    split: SplitOption = None,
) -> None:
    """Bring documents into a lake, without a model. Documents that are there already are skipped.

    Example: `saelake import reviews.csv --corpus reviews --text-column review`
    """
    called = corpus or default_corpus(file)
    opened = connect(lake or DEFAULT_LAKE)
    report = _import(opened, file, called, text_column, id_column, input_format, split)
    say(f"Done: {report.n_documents:,} documents added to {called}{skipped(report)}")


@shares("cluster", cluster_options)
@shares("options", encode_options)
def encode(
    corpus: Annotated[str, typer.Argument(help="The imported corpus.")],
    *,
    model: OptionalModelOption = None,
    dictionary: DictionaryOption,
    from_activations: FromActivationsOption = None,
    lake: LakeOption = None,
    name: NameOption = None,
    hook: HookOption = None,
    options: dict[str, Any],
    cluster: RayCluster | None,
) -> None:
    """Encode what is not encoded yet of a corpus; several dictionaries share one model run.

    Example: `saelake encode reviews --model gpt2 --dictionary sae-l4 --dictionary sae-l8`
    """
    choices = paired(dictionary, name, hook)
    opened = connect(lake or DEFAULT_LAKE)
    report = _encode(opened, corpus, model, choices, options, cluster, from_activations)
    say(finished(opened, report))


@shares("cluster", cpu_cluster_options)
def index(
    collection: CollectionArgument,
    *,
    lake: LakeOption = None,
    memory: Annotated[str, typer.Option(help="Memory of each worker, as 512MiB or 2GiB.")] = "1GiB",
    cluster: RayCluster | None,
) -> None:
    """Index what is not indexed yet of a collection. Queries work without, but slower.

    Example: `saelake index reviews/l8`
    """
    _index(connect(lake or DEFAULT_LAKE), collection, parse_size(memory), cluster)


def _import(
    lake: Lake,
    file: str,
    corpus: str,
    text_column: str,
    id_column: str | None,
    input_format: str | None,
    split: str | None,
) -> "ImportReport":
    with Counter(f"Importing {file}", "rows") as counter:
        report = lake.import_corpus(
            file,
            corpus,
            text_column=text_column,
            id_column=id_column,
            format=input_format,
            split=split,
            on_progress=counter,
        )
    say(f"Imported {report.n_documents:,} documents into {corpus}{skipped(report)}")
    return report


def paired(
    dictionaries: list[str], names: list[str] | None, hooks: list[str] | None
) -> list[Choice]:
    """Each dictionary with its name and its hook. Raises `InvalidInput`."""
    for what, given in (("--name", names), ("--hook", hooks)):
        if given and len(given) != len(dictionaries):
            raise InvalidInput(
                f"{what} is given {len(given)} times and --dictionary {len(dictionaries)} times: "
                "give it once for each, in their order, or not at all."
            )
    return list(zip_longest(dictionaries, names or (), hooks or ()))


def _encode(
    lake: Lake,
    corpus: str,
    model: str | None,
    choices: list[Choice],
    options: dict[str, Any],
    cluster: RayCluster | None,
    from_activations: str | None = None,
) -> "EncodeReport":
    for job in lake.encodes(corpus):
        silent = lasting(time.time() - job.heartbeat.timestamp())
        say(
            f"Process {job.pid} on {one_line(job.host)} was encoding {corpus} {silent} ago. If it "
            "still does, both do the same work; each document is stored once."
        )
    loaded = "the model and the dictionary" if model else "the dictionary"
    say(f"Loading {loaded} …" if cluster is None else "Starting workers …")
    from saelake.workers.fleet.options import DictionaryChoice, EncodeOptions

    with EncodeBar(f"Encoding {corpus}", workers=cluster is not None) as bar:
        return lake.encode(
            corpus,
            model=model,
            dictionary=[
                DictionaryChoice(location=location, name=name, hook=hook)
                for location, name, hook in choices
            ],
            options=EncodeOptions(**keep_options(options)),
            from_activations=from_activations,
            cluster=cluster,
            on_progress=bar,
        )


def _index(
    lake: Lake, collection: str, memory_bytes: int | None, cluster: RayCluster | None
) -> None:
    with Counter(f"Indexing {collection}", "documents") as counter:
        report = lake.index(
            collection, memory_bytes=memory_bytes, cluster=cluster, on_progress=counter
        )
    say(f"Indexed {report.n_documents:,} documents of {collection}")


def default_corpus(location: str) -> str:
    """The corpus that a file becomes: its name without folders and extensions."""
    stem = Path(location.split("://")[-1].rstrip("/")).name.split(":")[0].split(".")[0]
    called = re.sub("-{2,}", "-", re.sub(r"[^A-Za-z0-9._-]+", "_", stem)).strip("-._")
    if not called:
        raise InvalidInput(f"{location!r} suggests no name: give one with --corpus.")
    return called


def parse_size(text: str) -> int:
    """The bytes of `512MiB`, `2GB` or `1000000`. Raises `InvalidInput`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?", text.strip().upper())
    n_bytes = int(float(found[1]) * UNITS[found[2]]) if found else 0
    if not n_bytes:
        raise InvalidInput(f"{text!r} is not a size: write 512MiB or 2GiB.")
    return n_bytes


def skipped(report: "ImportReport") -> str:
    """How many rows were left out, and why."""
    if not report.n_skipped:
        return ""
    reasons = ", ".join(f"{n:,} × {reason}" for reason, n in sorted(report.reasons.items()))
    return f" ({report.n_skipped:,} rows skipped: {reasons})"


def finished(lake: Lake, report: "EncodeReport") -> str:
    """The last line: what the collections hold now."""
    lines = []
    for row in lake.info():
        if row.name in report.collections:
            failed = f", {row.n_failed:,} of them failed" if row.n_failed else ""
            documents = (row.n_encoded or 0) + (row.n_failed or 0)
            lines.append(
                f"{row.name} has {documents:,} documents{failed}, {row.n_tokens or 0:,} tokens, "
                f"{row.n_codes or 0:,} codes"
            )
    return "Done: " + "; ".join(lines)
