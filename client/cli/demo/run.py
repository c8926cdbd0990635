"""The demo from beginning to end: build a lake, serve it, ask it, say what to type next."""

import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from shlex import quote
from shutil import which

from rich.rule import Rule
from rich.text import Text

from saelake.answers.differences import Diff
from saelake.answers.features import Features
from saelake.answers.found import FoundDocuments
from saelake.answers.lookups import Document, Tokens
from saelake.answers.text import size
from saelake.cli import build, maps, naming
from saelake.cli.ask import known_features
from saelake.cli.demo import docstrings, model
from saelake.cli.demo.tour import Step, first_feature, tour
from saelake.cli.show import analyses, lookups
from saelake.cli.show.screen import out, say
from saelake.collection import Collection
from saelake.connection import connect
from saelake.store.errors import NotFound
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.texts import model_texts
from saelake.web.serving import WebDoor

CORPUS = "docstrings"
COLLECTION = f"{CORPUS}/{model.DICTIONARY}"


def run(folder: Path, *, port: int = 0, keep_serving: bool | None = None) -> None:
    """Run the demo in this folder; a second time the lake is there already.

    The server stays up until Ctrl-C when `keep_serving`, which by default is on a terminal.
    """
    begun = time.monotonic()
    make_lake(folder)
    say(f"The lake is ready after {time.monotonic() - begun:.0f} s. Starting its server …")
    settings = ServerSettings(
        uri=str(folder),
        address=Address(port=port),
        texts=model_texts(),
        rehearses=True,
        doors=(WebDoor(address=Address(port=0)),),
    )
    with BackgroundServer(settings) as server, connect(server.target) as lake:
        collection = lake[COLLECTION]
        out.print(Text(f"\nAsking {server.address} about {_described(collection)}"))
        for step in tour(collection):
            show(step, collection, folder)
        _say_what_next(folder)
        if out.is_terminal if keep_serving is None else keep_serving:
            say(f"The server is up on {server.address}. Ctrl-C stops it.")
            say(f"Look at it: http://{server.door_addresses[0]}{place_of(collection)}")
            with suppress(KeyboardInterrupt):
                threading.Event().wait()
        else:
            say(f"Look at it: {typed('page', '--lake', str(folder))}")


def make_lake(folder: Path) -> None:
    """Import, encode, index, label and map the docstrings, or what of that is still to be done."""
    weights = model.model()
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"{CORPUS}.parquet"
    if not source.exists():
        say("Reading the docstrings of the standard library and of installed packages …")
        n_docstrings = docstrings.write(source)
        say(f"Found {n_docstrings:,}; they are in {source}")
    say("Running all-MiniLM-L6-v2 over them, and its dictionary of 4,096 features …")
    build.ingest(
        [str(source)],
        place=connect(folder),
        corpus=CORPUS,
        model=str(weights),
        dictionary=[str(model.dictionary())],
    )
    with connect(folder) as lake:
        is_labelled = len(lake[COLLECTION].dictionary.labels(k=1)) > 0
        is_mapped = _is_mapped(lake[COLLECTION])
    if not is_labelled:
        naming.label(COLLECTION, place=connect(folder))
    if not is_mapped:
        maps.project(COLLECTION, place=connect(folder))


def _is_mapped(collection: Collection) -> bool:
    try:
        return len(collection.map(k=1)) > 0
    except NotFound:
        return False


def place_of(collection: Collection) -> str:
    """Where on the page the demo begins: the first feature that fires on the tour's word."""
    return f"/c/{collection.name}/features/{first_feature(collection)}"


def _described(collection: Collection) -> str:
    about = collection.info()
    return (
        f"{about.n_documents:,} docstrings: {about.n_tokens or 0:,} tokens, "
        f"{about.n_codes or 0:,} codes, {size(about.size_bytes)}"
    )


def typed(*arguments: str) -> str:
    """The command as one would type it in this folder."""
    return " ".join([_program(), *(_quoted(argument) for argument in arguments)])


def _program() -> str:
    if which("saelake"):
        return "saelake"
    begun = Path(sys.argv[0])
    if begun.name == "__main__.py":
        return f"{os.path.relpath(sys.executable)} -m saelake"
    return os.path.relpath(begun)


def _quoted(argument: str) -> str:
    """The argument in the quotes that read best, where a shell needs some."""
    plain, quoted = not set('"$`\\!') & set(argument), quote(argument)
    return f'"{argument}"' if plain and quoted != argument else quoted


def show(step: Step, collection: Collection, folder: Path) -> None:
    """Print a question, the command that asks it, and its answer."""
    out.print()
    out.print(Rule(style="dim"))
    out.print(Text(step.question, style="bold"))
    command = typed(*step.arguments, "--lake", str(folder))
    out.print(Text(f"$ {command}", style="cyan"), soft_wrap=True)
    out.print(Text(f"answered in {1e3 * step.elapsed_s:.0f} ms\n", style="dim"))
    match step.answer:
        case Tokens() as hits:
            out.print(lookups.tokens(hits, out))
        case Features() as found:
            out.print(lookups.features(found))
        case Document() as document:
            strongest = [a.feature for a in document.strongest(lookups.FEATURES_SHOWN)]
            usual = known_features(collection, strongest)
            out.print(lookups.document(document, usual, None, out))
        case FoundDocuments() as found:
            out.print(analyses.found(found))
        case Diff() as diff:
            out.print(analyses.diff(diff, step.arguments[1:3], out))


def _say_what_next(folder: Path) -> None:
    out.print()
    out.print(Rule(style="dim"))
    out.print(Text("What to type next", style="bold"))
    lake = ("--lake", str(folder))
    for command, purpose in (
        (typed("features", COLLECTION, *lake, "--token", "angle"), "features of another word"),
        (
            typed("tokens", COLLECTION, "12", *lake, "--where", "package = 'asyncio'"),
            "in a package",
        ),
        (
            typed("similar", COLLECTION, *lake, "--text", "sort a list in place"),
            "documents like a text",
        ),
        (typed("cluster", COLLECTION, *lake, "-n", "6"), "what is there"),
        (typed("serve", *lake), "then --server localhost:50051 in place of --lake"),
        (typed("ingest", "FILE", "--model", "MODEL", "--dictionary", "SAE"), "your own corpus"),
    ):
        out.print(Text.assemble(f"  {command}", (f"   # {purpose}", "dim")), soft_wrap=True)
