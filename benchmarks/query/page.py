"""Pages in a browser: when something is painted first, and how many bytes that takes.

`python -m benchmarks page --lake demo-lake`, of the lake that `make demo` makes. The limit is the
same bytes from a server that has them in memory, in the same browser: what a page costs beyond it
is the question's answer and its template. Every view is in a browser context of its own, which has
nothing of the one before.
"""

import re
import shutil
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from benchmarks.common.needs import require
from benchmarks.common.places import ROOT
from benchmarks.common.report import Cell, Table, publish

PLACE = "/c/docstrings/minilm-l4-4096"
PAGES: Mapping[str, str] = {
    "feature": f"{PLACE}/features/12",
    "features": f"{PLACE}/features?token=fast",
    "tokens": f"{PLACE}/tokens?expression=12",
    "documents": f"{PLACE}/documents?text=sort+a+list",
    "compare": f"{PLACE}/compare",
}
PAINTED = """() => new Promise(found => new PerformanceObserver(list => {
    const [paint] = list.getEntriesByName("first-contentful-paint");
    if (paint) found(paint.startTime);
}).observe({type: "paint", buffered: true}))"""
READ = """() => [...performance.getEntriesByType("navigation"),
    ...performance.getEntriesByType("resource")].map(one => [one.name, one.transferSize])"""
Bytes = Mapping[str, tuple[str, bytes]]  # of a path, with what kind of file they are


@dataclass(frozen=True, slots=True)
class View:
    """A page as a browser saw it."""

    painted_ms: float
    read: Mapping[str, int]

    @property
    def n_bytes(self) -> int:
        """How many came over the wire."""
        return sum(self.read.values())


def main(
    lake: Annotated[Path, typer.Option(help="as `saelake demo` makes it")] = Path("demo-lake"),
    rounds: Annotated[int, typer.Option(help="processes that serve the page, one by one")] = 5,
    views: Annotated[int, typer.Option(help="of each page in a round, beside the first")] = 3,
) -> None:
    """When pages are painted first, and their bytes."""
    require("playwright")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise typer.BadParameter("A browser is needed: install Chromium.")
    from playwright.sync_api import sync_playwright

    firsts: list[float] = []
    painted: dict[str, list[float]] = {name: [] for name in PAGES}
    plain: dict[str, list[float]] = {name: [] for name in PAGES}
    n_bytes: dict[str, int] = {}
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        seen(chromium, "data:text/html,ready")
        for _ in range(rounds):
            with served(lake) as url:
                firsts.append(seen(chromium, url + PAGES["feature"]).painted_ms)
                for name, path in PAGES.items():
                    for _ in range(views):
                        view = seen(chromium, url + path)
                        painted[name].append(view.painted_ms)
                        with kept(copied(chromium, view)) as same:
                            plain[name].append(seen(chromium, same + path).painted_ms)
                    n_bytes[name] = view.n_bytes
        chromium.close()
    table = Table(
        title="First contentful paint, ms",
        rows=[_row(name, painted[name], plain[name], n_bytes[name]) for name in PAGES],
        note=f"Medians. The first page of a new process, a feature's: "
        f"{statistics.median(firsts):.0f} ms. Plain: the same bytes from a server that has them "
        "in memory. Bytes: all that the browser was sent, compressed where it is.",
    )
    publish("page", [table], facts={"rounds": rounds, "views": views})


def _row(name: str, page: list[float], plain: list[float], n_bytes: int) -> dict[str, Cell]:
    ours, least = statistics.median(page), statistics.median(plain)
    return {"page": name, "saelake": ours, "plain": least, "ratio": ours / least, "bytes": n_bytes}


def seen(chromium: Any, url: str) -> View:
    """A page, in a browser context that has seen nothing."""
    context = chromium.new_context()
    try:
        page = context.new_page()
        page.goto(url)
        painted = page.evaluate(PAINTED)
        page.wait_for_load_state("networkidle")
        return View(painted, dict(page.evaluate(READ)))
    finally:
        context.close()


def copied(chromium: Any, view: View) -> Bytes:
    """The files of a view, by their paths."""
    context = chromium.new_context()
    try:
        answers = {_path(url): context.request.get(url) for url in view.read}
        return {path: (a.headers["content-type"], a.body()) for path, a in answers.items()}
    finally:
        context.close()


@contextmanager
def served(lake: Path) -> Iterator[str]:
    """The page of a lake, from a process of its own; where it is, without a slash at its end."""
    options = ["--lake", str(lake.resolve()), "--no-open", "--port", "0"]
    command = [sys.executable, "-m", "saelake", "page", *options]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found, "the page did not start"
        try:
            yield found[0].rstrip("/")
        finally:
            process.terminate()


@contextmanager
def kept(files: Bytes) -> Iterator[str]:
    """A server that has these files in memory."""

    class Plain(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kind, contents = files[self.path]
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(contents)))
            self.end_headers()
            self.wfile.write(contents)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Plain) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _path(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")
