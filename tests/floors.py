"""The wings of the tree, top floor first; `python -m tests.floors` prints them as a table.

With `--write` the table in CONTRIBUTING.md is replaced by it.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "CONTRIBUTING.md"
CLIENT = "client"  # the folder that is `saelake` itself

# Each wing, top floor first, and what it is about. A wing within another is listed above or below
# the rest of it; the files of a folder that no other line names are on the folder's own floor.
WINGS: Mapping[str, str] = {
    "client/__main__": "`python -m saelake`",
    "client/cli/app": "the command `saelake`",
    "client/cli/demo": "the demo: a corpus, a model, and questions",
    "client/cli": "one file for each group of commands",
    "client/cli/options": "options that several commands have",
    "client/cli/show": "answers on a terminal",
    "client/web": "the page and the API: clients of a server",
    "client/web/pages": "one file for each page",
    "client/web/agents": "tools for agents",
    "client/web/api": "every question as JSON over HTTP",
    "client/web/failures": "errors as answers over HTTP",
    "client/web/asking": "questions of a browser",
    "client/web/security": "what keeps other pages from acting here",
    "client/web/look": "how answers look on a page",
    "client/web/statuses": "which HTTP status tells of which error",
    "client/web/lakes": "the lake as each caller may see it",
    "client/web/settings": "what a page is served with",
    "client/judging": "documents judged by a rubric in words",
    "client/aio": "the same, awaited: `saelake.aio`",
    "client/explaining/hypotheses": "what differs between two sets of texts, in words, tested",
    "client/explaining/naming": "clusters and families named in words, each name judged",
    "client/explaining/retrieving": "documents for a phrase, by features that a model chooses",
    "client/explaining/claims": "what is claimed of texts: judged blind, tested, reported",
    "client/explaining": "evidence for features, prompts, replies, and scores of labels",
    "client": "connect, lake, collection, dictionary: `import saelake`",
    "client/making": "what making a lake is asked, what of, and in which stages",
    "client/served": "servers as a client sees them, and when they are asked again",
    "client/language": "language models behind a server: asked, paid for once, and read",
    "client/answers": "what comes back: frozen values over Arrow tables",
    "client/answers/plots": "answers as charts that Altair draws",
    "client/answers/text": "names and labels, in one line",
    "workers": "the two ways to encode: a corpus, and kept activations",
    "workers/outside": "codes that other systems made, as a collection",
    "workers/ray": "workers, and those who own pieces, on a Ray cluster",
    "workers/fleet": "who encodes what: schedule, driver, workers, pools",
    "workers/kept": "activations that are kept, and read again",
    "workers/texts": "models that read a question's text",
    "workers/encoder": "from text to codes, on one device or several",
    "workers/dictionaries": "one file for each published format",
    "workers/corpus": "files and data sets, as documents",
    "store/service": "the gRPC server alone",
    "store/service/access": "who asks a server, and what they may ask",
    "store/service/telemetry": "what a server tells of its calls: logs, metrics, traces",
    "store/service/handlers": "grpc's handlers, whatever is a stream",
    "store/service/limits": "what one server gives at most",
    "store/service/caller": "who asks, for as long as a call is answered",
    "store/service/lanes": "where answers are computed, and who is next",
    "store/service/jobs": "jobs of a server: whose turn it is, and their processes",
    "store/service/begun": "processes that a server begins",
    "store/engine": "every question to its answer",
    "store/query": "one file for each question",
    "store/health": "is it right, and mended",
    "store/growth": "every verb that writes",
    "store/query/parts": "what several questions are made of",
    "store/labels": "what features are called",
    "store/snapshot": "one state of a collection, and what was read of it",
    "store/activations": "kept activations",
    "store/index": "postings, segments, impacts, levels, bitmaps, statistics, vectors",
    "store/codes": "the codes of a collection, and maps over them",
    "store/documents": "import, filters, deletions",
    "store/lake": "names, tags, jobs, registered dictionaries",
    "store/wire": "what client and server share",
    "proto": "messages",
    "store/requests/commands": "one value for each command that changes a lake",
    "store/requests": "one value for each question",
    "store/predicates": "filters as text, and what they mean for columns",
    "store/arrays": "compiled loops, statistics, memory",
    "store/tables": "tables and files",
    "store/format": "schemas, values, lists",
    "store/requests/waited": "whether an answer is waited for, and how far it is",
    "store/reports": "what the verbs that write return",
    "store/errors": "the errors",
    "store": "",
}

# Where a library may be imported: a file or a wing.
SPEAKERS: Mapping[str, tuple[str, ...]] = {
    "lance": tuple(
        f"store/tables/{n}"
        for n in ("tables", "cells", "opening", "drafts", "evolution", "columns", "mirrored")
    ),
    "faiss": ("store/index/vectors",),
    "numba": ("store/arrays/kernels",),
    "llvmlite": ("store/arrays/kernels",),
    "pacmap": ("store/growth/layouts",),
    "ray": ("workers/ray",),
    "grpc": ("store/service", "store/wire", "client/served", "client/aio"),
    "jwt": ("store/service/access/issued",),
    "cryptography": ("store/service/access/issued",),
    "grpc_status": ("store/wire/errors",),
    "grpc_health": ("store/service",),
    "grpc_reflection": ("store/service",),
    "prometheus_client": ("store/service/telemetry/metrics",),
    "opentelemetry": ("store/service/telemetry/traces", "store/wire/tracing"),
    "google": ("store/wire", "proto"),
    "typer": ("client/cli",),
    "rich": ("client/cli",),
    "altair": ("client/answers/plots",),
    "jinja2": ("client/web/look/templates",),
    "markupsafe": ("client/web/look",),
    "fastapi": ("client/web",),
    "starlette": ("client/web",),
    "uvicorn": ("client/web/serving",),
    "mcp": tuple(f"client/web/agents/{n}" for n in ("protocol", "pipes", "http")),
    "pydantic": ("client/web/api", "client/web/agents", "client/web/pages"),
    "pydantic_core": ("client/web/api",),
    "openai": ("client/language/speaking",),
    "httpx2": ("client/language/speaking",),
    "jsonschema": ("client/language/reading",),
    "accelerate": ("workers/encoder/devices",),
    "bitsandbytes": ("workers/encoder/quantization",),
    "torchao": ("workers/encoder/quantization",),
    "transformers": ("workers/encoder", "workers/texts"),
    "datasets": ("workers/corpus",),
}


@dataclass(frozen=True, slots=True)
class Import:
    """That a file imports a module, and whether it does so as soon as it is imported itself."""

    module: str
    at_once: bool


@cache
def files() -> Mapping[str, Path]:
    """Every file of the package, by its place without the suffix: `store/tables/files`."""
    found = (
        path
        for top in (CLIENT, "workers", "store", "proto")
        for path in sorted((ROOT / top).rglob("*.py"))
        if "_pb2" not in path.name and path.name != "generate.py"
    )
    return {place_of(path): path for path in found}


def place_of(path: Path) -> str:
    """The place of a file: a package's is its folder."""
    place = path.relative_to(ROOT).with_suffix("").as_posix()
    return place.removesuffix("/__init__")


def imported_place(module: str) -> str | None:
    """The place of a module of the package; None for those of other libraries, and for a name."""
    if module.partition(".")[0] != "saelake":
        return None
    parts = module.split(".")[1:]
    place = "/".join(
        parts if parts[:1] in (["store"], ["workers"], ["proto"]) else [CLIENT, *parts]
    )
    return place if place in files() else None


@cache
def imports(place: str) -> tuple[Import, ...]:
    """What a file imports, at once or within a function; not what only a type checker reads."""
    return tuple(_imports(ast.parse(files()[place].read_text()), at_once=True))


def _imports(tree: ast.AST, *, at_once: bool) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            inner = [name for name in names if imported_place(name)]
            yield from (Import(name, at_once) for name in inner or [node.module])
        else:
            later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or (
                isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
            )
            yield from _imports(node, at_once=at_once and not later)


def arrows() -> Iterator[tuple[str, str]]:
    """Each import of one file of the package by another."""
    for place in files():
        for imported in imports(place):
            to = imported_place(imported.module)
            if to is not None:
                yield place, to


@cache
def wing_of(place: str) -> str:
    """The wing that a file is in: the longest that its place begins with."""
    return max((w for w in WINGS if f"{place}/".startswith(f"{w}/")), key=len)


def libraries(place: str) -> frozenset[str]:
    """The other libraries that a file imports, in whatever way."""
    return frozenset(
        imported.module.partition(".")[0]
        for imported in imports(place)
        if imported.module.partition(".")[0] != "saelake"
    )


def table() -> str:
    """The floors as a Markdown table."""
    rows = ["| wing | files | what it is | imports |", "|---|---:|---|---|"]
    for wing, about in WINGS.items():
        if not about:
            continue
        inside = [place for place in files() if wing_of(place) == wing]
        below = {wing_of(to) for place, to in arrows() if wing_of(place) == wing} - {wing}
        named = ", ".join(name for name in WINGS if name in below and WINGS[name])
        rows.append(f"| {wing} | {len(inside)} | {about} | {named} |")
    return "\n".join(rows)


def write() -> None:
    """Replace the table in CONTRIBUTING.md, between its two markers."""
    before, begin, rest = PAGE.read_text().partition("<!-- floors -->\n")
    _, end, after = rest.partition("<!-- /floors -->")
    PAGE.write_text(f"{before}{begin}\n{table()}\n\n{end}{after}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        print(table())
