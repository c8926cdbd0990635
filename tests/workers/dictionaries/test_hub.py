"""Dictionaries on the Hugging Face hub: its cache, and a server that answers as the hub does."""

import hashlib
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import huggingface_hub
import pytest
from torch import Tensor

from saelake.store.errors import AccessDenied, InvalidInput, NotFound, Unavailable
from saelake.workers.dictionaries.load import load_dictionary

Randn = Callable[..., Tensor]
Write = Callable[..., Path]

D_IN, D_SAE = 4, 16


def saelens(randn: Randn) -> dict[str, Any]:
    weights = {
        "W_enc": randn(D_IN, D_SAE),
        "b_enc": randn(D_SAE),
        "W_dec": randn(D_SAE, D_IN),
        "b_dec": randn(D_IN),
    }
    return {
        "cfg.json": {"architecture": "standard", "metadata": {}},
        "sae_weights.safetensors": weights,
    }


def within(folder: str, files: dict[str, Any]) -> dict[str, Any]:
    return {f"{folder}/{name}": content for name, content in files.items()}


@pytest.mark.parametrize("address", ["hf://owner", "hf://", "s3://bucket/x", "hf://a/b/../c"])
def test_addresses_that_cannot_be_meant(address: str) -> None:
    with pytest.raises(InvalidInput, match=r"expected hf://owner/repo\[/path\]\[@revision\]"):
        load_dictionary(address)


@pytest.mark.parametrize(
    ("location", "revision"),
    [
        ("hf://me/saes/a/b", None),
        ("hf://me/saes/a/b/", None),
        ("hf://me/saes/a/b/sae_weights.safetensors", None),
        ("hf://me/saes/a/b@v2", None),
        ("hf://me/saes@v2/a/b", None),
        ("hf://me/saes/a/b", "v2"),
        ("hf://me/saes/a/b@v2", "v2"),
    ],
)
def test_a_hub_dictionary_from_the_cache(
    location: str, revision: str | None, randn: Randn, hub: Write
) -> None:
    first = load_dictionary(hub("me/saes", within("a/b", saelens(randn))) / "a/b").fingerprint
    second = load_dictionary(
        hub("me/saes", within("a/b", saelens(randn)), revision="v2") / "a/b"
    ).fingerprint
    expected = second if "v2" in (revision, *location.replace("/", "@").split("@")) else first
    assert load_dictionary(location, revision=revision).fingerprint == expected


def test_a_dictionary_at_the_root_of_a_repository(randn: Randn, hub: Write) -> None:
    hub("me/sae", saelens(randn))
    assert load_dictionary("hf://me/sae").d_sae == D_SAE


@pytest.mark.parametrize(
    ("location", "revision"), [("hf://me/saes/a@v1", "v2"), ("hf://me/saes@v2/a@v1", None)]
)
def test_two_revisions_at_once(location: str, revision: str | None) -> None:
    with pytest.raises(InvalidInput, match="two revisions, v1 and v2"):
        load_dictionary(location, revision=revision)


def test_a_path_that_the_repository_does_not_have(randn: Randn, hub: Write) -> None:
    hub("me/saes", within("a", saelens(randn)))
    with pytest.raises(NotFound, match="no dictionary at me/saes/b; give"):
        load_dictionary("hf://me/saes/b")


def test_a_repository_that_is_not_cached_and_cannot_be_fetched(hub: Write) -> None:
    with pytest.raises(
        Unavailable, match="me/saes cannot be fetched, and it is not whole in the local"
    ):
        load_dictionary("hf://me/saes/a")


class HubServer(ThreadingHTTPServer):
    """The part of the hub's interface that a download needs, over the files in a folder.

    Attributes:
        refusal: the X-Error-Code to answer everything with, if any.
        sent: the files that were downloaded.
    """

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _HubRequest)
        self.root = root
        self.refusal: str | None = None
        self.sent: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _HubRequest(BaseHTTPRequestHandler):
    server: HubServer

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *args: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        if self.server.refusal:
            status = 403 if self.server.refusal == "GatedRepo" else 404
            self._send(status, b"{}", {"X-Error-Code": self.server.refusal}, body=body)
        elif path == "/api/models/me/saes/revision/main":
            self._send(200, json.dumps({"id": "me/saes", "sha": COMMIT}).encode(), {}, body=body)
        elif path.startswith(f"/api/models/me/saes/tree/{COMMIT}"):
            self._send(200, json.dumps(self._tree()).encode(), {}, body=body)
        else:
            name = path.removeprefix(f"/me/saes/resolve/{COMMIT}/")
            content = (self.server.root / name).read_bytes()
            self.server.sent += [name] if body else []
            etag = hashlib.sha1(content).hexdigest()
            self._send(200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}, body=body)

    def _tree(self) -> list[dict[str, Any]]:
        files = [path for path in self.server.root.rglob("*") if path.is_file()]
        return [
            {
                "type": "file",
                "path": path.relative_to(self.server.root).as_posix(),
                "size": path.stat().st_size,
                "oid": hashlib.sha1(path.read_bytes()).hexdigest(),
            }
            for path in files
        ]

    def _send(self, status: int, content: bytes, headers: dict[str, str], *, body: bool) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture
def server(
    randn: Randn, folder: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HubServer]:
    files = {
        **within("a/b", saelens(randn)),
        **within("a/c", saelens(randn)),
        "a/b/other.safetensors": {"x": randn(1)},
        "a/b/sub/sae_weights.safetensors": {"x": randn(1)},
        "a/config.json": {},
    }
    with HubServer(folder(files, at="repository")) as server:
        files_url = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        for name, value in {
            "HF_HUB_CACHE": str(tmp_path / "hub"),
            "HF_HUB_OFFLINE": False,
            "ENDPOINT": server.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": files_url,
        }.items():
            monkeypatch.setattr(huggingface_hub.constants, name, value)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("file", ["", "/sae_weights.safetensors"])
def test_only_a_dictionary_s_own_files_are_fetched(server: HubServer, file: str) -> None:
    dictionary = load_dictionary(f"hf://me/saes/a/b{file}")
    assert dictionary.fingerprint == load_dictionary(server.root / "a/b").fingerprint
    assert sorted(server.sent) == ["a/b/cfg.json", "a/b/sae_weights.safetensors", "a/config.json"]


def test_what_was_fetched_is_read_again_when_the_hub_is_gone(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = load_dictionary("hf://me/saes/a/b").fingerprint
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert load_dictionary("hf://me/saes/a/b").fingerprint == known
    assert len(server.sent) == 3


@pytest.mark.parametrize(
    ("refusal", "expected", "message"),
    [
        ("RepoNotFound", NotFound, "no repository me/saes at revision v9"),
        ("RevisionNotFound", NotFound, "no repository me/saes at revision v9"),
        ("GatedRepo", AccessDenied, "me/saes is gated: accept its terms"),
    ],
)
def test_what_the_hub_refuses(
    server: HubServer, refusal: str, expected: type[Exception], message: str
) -> None:
    server.refusal = refusal
    with pytest.raises(expected, match=message):
        load_dictionary("hf://me/saes/a/b@v9")
