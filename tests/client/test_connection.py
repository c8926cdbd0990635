"""What `connect` takes, and what it says about what it cannot take."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

import saelake
from saelake.store.errors import InvalidInput, NotFound, SaelakeError, Unavailable


def test_a_path_is_a_lake_in_this_process(tmp_path: Path) -> None:
    with saelake.connect(tmp_path / "lake") as lake:
        assert not lake.is_remote
        assert lake.uri == str(tmp_path / "lake")
        assert repr(lake).splitlines()[0] == f"<Lake {tmp_path / 'lake'}>"
        assert "There is no lake" in repr(lake), "printing it says so, and raises nothing"


def test_nothing_is_asked_before_the_first_question() -> None:
    with saelake.connect("grpc://localhost:1") as lake:
        assert lake.is_remote
        narrowed = lake["imdb/sae"].where("a = 1")
        assert narrowed.filter == "a = 1"
        assert repr(narrowed).splitlines()[0] == "<Collection imdb/sae where a = 1>"


@pytest.mark.parametrize("target", ["", "grpc://", "grpcs://", "grpc:///"])
def test_a_target_without_a_name_is_refused(target: str) -> None:
    with pytest.raises(InvalidInput, match="grpc://HOST:PORT"):
        saelake.connect(target)


@pytest.mark.parametrize("target", [5, None, b"lake", ["lake"]])
def test_what_is_no_target_is_refused(target: object) -> None:
    with pytest.raises(InvalidInput, match=r"grpc://HOST:PORT, not"):
        saelake.connect(target)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ("localhost:50051", "grpc://localhost:50051"),
        ("gpu-1.example.org:443", "grpc://gpu-1.example.org:443"),
        ("[::1]:50051", r"grpc://\[::1\]:50051"),
        ("http://host:50051", "grpc://host:50051"),
        ("https://host", "grpcs://host"),
    ],
)
def test_a_server_without_its_scheme_is_not_taken_for_a_folder(target: str, meant: str) -> None:
    with pytest.raises(InvalidInput, match=f"write {meant}"):
        saelake.connect(target)


def test_a_folder_may_be_called_like_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "localhost:1").mkdir()
    assert not saelake.connect("localhost:1").is_remote
    assert not saelake.connect(tmp_path / "2026-11-21T10:00").is_remote


READS: list[Callable[[saelake.Lake], object]] = [
    list,
    len,
    saelake.Lake.info,
    saelake.Lake.verify,
    saelake.Lake.tags,
    lambda lake: "a/b" in lake,
    lambda lake: lake["a/b"].tokens(1),
    lambda lake: lake["a/b"].info(),
    lambda lake: lake["a/b"].activations(),
    lambda lake: lake.dictionary("b").labels(),
    lambda lake: lake.dictionary("b").neighbors(1),
    lambda lake: lake.dictionary("b").labels("rain"),
    lambda lake: lake.index("a/b"),
]


@pytest.mark.parametrize("read", READS)
def test_reading_a_lake_that_is_not_there_says_so_and_what_to_do(
    tmp_path: Path, read: Callable[[saelake.Lake], object]
) -> None:
    lake = saelake.connect(tmp_path / "nowhere")
    with pytest.raises(NotFound, match=r"There is no lake at .*nowhere\. Make one with `saelake"):
        read(lake)
    assert lake
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", [5, None, 2.5, ("a", "b"), "a", slice(0, 1)])
def test_what_names_no_collection_is_refused(name: object) -> None:
    with pytest.raises(InvalidInput, match="write corpus/dictionary"):
        saelake.connect("grpc://localhost:1")[name]  # type: ignore[index]


def test_a_collection_is_asked_and_not_gone_through() -> None:
    collection = saelake.connect("grpc://localhost:1")["imdb/sae"]
    with pytest.raises(InvalidInput, match=r"tokens\(FEATURE\)"):
        list(collection)
    with pytest.raises(InvalidInput, match=r"document\(ID\)"):
        assert "film" in collection
    assert collection


def test_certificates_need_tls() -> None:
    with pytest.raises(InvalidInput, match="grpcs://HOST:PORT"):
        saelake.connect("grpc://localhost:1", ca="ca.pem")


def test_a_client_certificate_and_its_key_belong_together(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("")
    mine = tmp_path / "c.pem"
    for certificate, key in ((mine, None), (None, mine)):
        with pytest.raises(InvalidInput, match="needs its key"):
            saelake.connect("grpcs://localhost:1", certificate=certificate, key=key)


def test_files_that_are_no_certificates_are_refused(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("a letter")
    mine = tmp_path / "c.pem"
    with pytest.raises(InvalidInput, match="holds no certificates"):
        saelake.connect("grpcs://localhost:1", ca=mine)
    with pytest.raises(InvalidInput, match="not a certificate and its key"):
        saelake.connect("grpcs://localhost:1", certificate=mine, key=mine)


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.pem"):
        saelake.connect("grpcs://localhost:1", ca=tmp_path / "none.pem")


def test_nobody_at_the_address_is_unavailable() -> None:
    with (
        saelake.connect("grpc://127.0.0.1:1", timeout_s=10) as lake,
        pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 does not answer"),
    ):
        lake.info()


def test_a_server_that_is_something_else_is_named() -> None:
    other = grpc.server(ThreadPoolExecutor(1))
    port = other.add_insecure_port("127.0.0.1:0")
    other.start()
    try:
        with (
            saelake.connect(f"grpc://127.0.0.1:{port}") as lake,
            pytest.raises(SaelakeError, match="is it saelake"),
        ):
            lake.info()
    finally:
        other.stop(None).wait()


@pytest.mark.parametrize("token", ["süß and long enough", "two\nlines of a token", " in spaces "])
def test_a_token_that_no_header_carries_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(InvalidInput, match="printable ASCII") as caught:
        saelake.connect("grpc://localhost:1", token=token)
    assert token.strip() not in str(caught.value)


def test_the_token_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAELAKE_TOKEN", "not sendable: ü")
    with pytest.raises(InvalidInput, match="printable ASCII"):
        saelake.connect("grpc://localhost:1")
    with saelake.connect("grpc://localhost:1", token="given instead") as lake:
        assert lake.is_remote


def test_a_closed_connection_says_so() -> None:
    lake = saelake.connect("grpc://localhost:1")
    lake.close()
    lake.close()
    with pytest.raises(Unavailable, match="closed"):
        lake.info()
