"""Files beside the tables: the same on a disk and in an object store."""

from pathlib import Path
from threading import Thread

import pytest

from saelake.store.lake.lake import Lake
from saelake.store.tables.files import delete, list_files, read_bytes, write_bytes


@pytest.fixture(params=["local", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket')}/a/lake"
    return str(tmp_path / "lake")


def test_what_was_written_is_read(lake: str) -> None:
    write_bytes(f"{lake}/jobs/one.json", b"1")
    write_bytes(f"{lake}/empty", b"")
    assert read_bytes(f"{lake}/jobs/one.json") == b"1"
    assert read_bytes(f"{lake}/empty") == b""
    write_bytes(f"{lake}/jobs/one.json", b"another")
    assert read_bytes(f"{lake}/jobs/one.json") == b"another"


def test_a_large_file_comes_back(lake: str) -> None:
    data = bytes(range(256)) * (12 << 12)  # several parts of a multipart upload
    write_bytes(f"{lake}/large", data)
    assert read_bytes(f"{lake}/large") == data


def test_nothing_is_where_nothing_was_written(lake: str) -> None:
    assert read_bytes(f"{lake}/jobs/one.json") is None
    assert list_files(f"{lake}/jobs/") == []
    delete(f"{lake}/jobs/one.json")


def test_a_folder_is_listed_without_what_is_deeper(lake: str) -> None:
    for name in ["jobs/b.json", "jobs/a.json", "jobs/a.old/x", "other", "jobs/.hidden"]:
        write_bytes(f"{lake}/{name}", b"-")
    a, b = f"{lake}/jobs/a.json", f"{lake}/jobs/b.json"
    assert list_files(f"{lake}/jobs/") == [a, b]
    assert list_files(f"{lake}/jobs") == [a, b]
    assert list_files(lake) == [f"{lake}/other"]
    delete(a)
    assert (read_bytes(a), list_files(f"{lake}/jobs/")) == (None, [b])


def test_a_path_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_bytes("x.json", b"1")
    assert list_files(".") == ["./x.json"]
    assert read_bytes("x.json") == read_bytes((tmp_path / "x.json").as_uri()) == b"1"


def test_readers_see_a_whole_file_while_it_is_replaced(lake: str) -> None:
    uri, n_bytes = f"{lake}/state", 200_000
    write_bytes(uri, b"0" * n_bytes)
    values = [str(i % 10).encode() * n_bytes for i in range(50)]
    writer = Thread(target=lambda: [write_bytes(uri, value) for value in values])
    writer.start()
    seen = []
    while writer.is_alive():
        seen.append(read_bytes(uri))
    writer.join()
    assert seen
    assert all(found in values for found in seen)


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError):
        write_bytes(str(tmp_path / "taken"), b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize(
    ("uri", "rooted"),
    [
        ("lake", "{here}/lake"),
        ("~/lake", "{home}/lake"),
        ("/data/lake", "/data/lake"),
        ("s3://bucket/lake", "s3://bucket/lake"),
    ],
)
def test_a_lake_is_the_same_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, rooted: str
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    lake = Lake(uri, at="v1").from_anywhere
    assert lake == Lake(rooted.format(here=here, home=home), at="v1")
