"""A lake in a bucket with a disk cache answers as the lake on a disk does, with few requests."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

import saelake
from saelake.store.errors import InvalidInput
from saelake.store.growth.compact import compact
from saelake.store.growth.delete import delete_documents
from saelake.store.lake.lake import Lake
from saelake.store.requests.document import DocumentQuery
from saelake.store.requests.tokens import TokensQuery
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.snapshot.fresh import EARLY, FRESH_S
from saelake.store.tables.diskcache import DiskCache
from tests.buckets import new_bucket
from tests.client.cli.command import asked, program, run
from tests.lakes import MADE, MadeLake, make_lake
from tests.mirrored import cached, files, mirror_at, settled, uploaded
from tests.proxy import Proxy, proxied
from tests.s3 import VARIABLES, client

NAME = str(MADE)
# A look whether there is a newer state asks for the versions of each table: the names of
# dictionaries, codes, postings, documents, deleted ones, and once they were used impacts.
A_LOOK = 6
QUESTIONS = [
    ["tokens", NAME, "3", "-k", "5"],
    ["tokens", NAME, "3 & !4", "-k", "5", "--per", "token", "--where", "label = 'pos'"],
    ["document", NAME, "d3"],
    ["features", NAME, "-k", "5"],
    ["similar", NAME, "--doc", "d3", "-k", "5"],
    ["diff", f"{NAME} where label = 'pos'", f"{NAME} where label = 'neg'"],
    ["correlate", NAME],
    ["verify"],
]


@dataclass(frozen=True, slots=True)
class Lakes:
    """One lake on a disk, and copied into a bucket behind a proxy."""

    made: MadeLake
    uri: str
    proxy: Proxy

    @property
    def disk(self) -> str:
        return self.made.lake.uri


@pytest.fixture(scope="module")
def lakes(s3_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakes]:
    made = make_lake(tmp_path_factory.mktemp("local") / "lake", n_documents=60, seed=5)
    with proxied(s3_endpoint) as (endpoint, proxy), new_bucket(endpoint, "cached") as bucket:
        yield Lakes(made, uploaded(made.lake.uri, f"{bucket}/lake"), proxy)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question[0])
def test_a_disk_cache_changes_no_answer(lakes: Lakes, question: list[str], tmp_path: Path) -> None:
    """Asked three times of one folder: as it is empty, as it fills, and of what is there."""
    here = asked(*question, "--lake", lakes.disk, "--format", "json")
    cache = ("--disk-cache", str(tmp_path / "cache"))
    for _ in range(3):
        assert asked(*question, "--lake", lakes.uri, *cache, "--format", "json") == here
    assert len(here) > 100


def test_a_warm_process_asks_the_store_for_no_data(lakes: Lakes, tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    plain = saelake.connect(lakes.disk)[NAME]
    with cached(lakes.uri, cache) as engine:
        engine.prefetch(NAME)
        seen = Counter[str]()
        lakes.proxy.choose = lambda method, path: seen.update(
            ["data" if "/data/" in path else "look"]
        )
        engine.ask(TokensQuery(collection=NAME, expression="0")).read_all()
        for feature in range(1, lakes.made.n_features):
            lakes.proxy.reset()
            query = TokensQuery(collection=NAME, expression=str(feature))
            answer = engine.ask(query).read_all()
            assert answer["doc"].to_pylist() == [hit.doc for hit in plain.tokens(feature)]
            assert lakes.proxy.requests.total() <= A_LOOK
        assert seen["data"] == 0


def test_between_looks_a_question_needs_no_request(lakes: Lakes, tmp_path: Path) -> None:
    engine = saelake.connect(lakes.uri, disk_cache=tmp_path)
    engine.prefetch(NAME)
    counts = []
    for feature in range(12):
        time.sleep(EARLY * FRESH_S / 4)
        lakes.proxy.reset()
        engine[NAME].tokens(feature)
        counts.append(lakes.proxy.requests.total())
    assert counts.count(0) >= len(counts) // 2
    assert max(counts[1:]) <= 2 * A_LOOK  # the end of one and another, on a busy machine
    engine.close()


def test_a_new_process_with_a_filled_cache_asks_only_what_is_newest(
    lakes: Lakes, tmp_path: Path
) -> None:
    cache = ("--disk-cache", str(tmp_path))
    assert run("prefetch", NAME, "--lake", lakes.uri, *cache).code == 0
    seen: list[str] = []
    lakes.proxy.choose = lambda method, path: seen.append(path)
    ran = program("tokens", NAME, "3", "--lake", lakes.uri, *cache, "--format", "json", **VARIABLES)
    assert json.loads(ran.stdout)["hits"]
    assert not [path for path in seen if "/data/" in path]
    assert len(seen) <= 16


def test_what_is_fetched_is_said(lakes: Lakes, tmp_path: Path) -> None:
    place = ("--lake", lakes.uri, "--disk-cache", str(tmp_path))
    first = run("prefetch", NAME, *place)
    assert "Fetched" in first.err
    again = run("prefetch", NAME, *place)
    assert "Fetched 0 files" in again.err
    assert "were there" in again.err
    small = run("prefetch", NAME, *place[:2], "--disk-cache", str(tmp_path / "b"),
                "--disk-cache-bytes", "1000")  # fmt: skip
    assert "there was no room for" in small.err


def test_variables_name_the_cache_too(
    lakes: Lakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAELAKE_DISK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SAELAKE_DISK_CACHE_BYTES", "1MiB")
    with saelake.connect(lakes.uri) as lake:
        lake.prefetch(NAME)
        assert mirror_at(lakes.uri).cache.size_bytes == 1 << 20
    assert files(DiskCache(tmp_path / "cache"))
    with saelake.connect(lakes.disk) as lake, pytest.raises(InvalidInput, match="no disk cache"):
        lake.prefetch(NAME)
    monkeypatch.setenv("SAELAKE_DISK_CACHE_BYTES", "much")
    with pytest.raises(InvalidInput, match="not a size"):
        saelake.connect(lakes.uri)


def test_a_server_fetches_as_it_starts(lakes: Lakes, tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    settings = ServerSettings(uri=lakes.uri, address=Address(port=0), disk_cache=cache)
    with BackgroundServer(settings) as server:
        until = time.monotonic() + 30
        while len(files(cache)) < 4 or any(p.name.startswith(".") for p in files(cache)):
            assert time.monotonic() < until
            time.sleep(0.05)
        for question in QUESTIONS:
            there = asked(*question, "--server", str(server.address), "--format", "json")
            assert there == asked(*question, "--lake", lakes.disk, "--format", "json")
        with (
            saelake.connect(server.target) as lake,
            pytest.raises(InvalidInput, match="of its own"),
        ):
            lake.prefetch(NAME)


def test_a_lake_that_changes_is_followed(s3_endpoint: str, bucket: str, tmp_path: Path) -> None:
    """Deleted, compacted and cleaned up while somebody asks: never an answer of before."""
    made = make_lake(tmp_path / "lake", n_documents=40, seed=6)
    uri = uploaded(made.lake.uri, f"{bucket}/lake")
    with cached(uri, DiskCache(tmp_path / "cache", idle_s=0)) as engine:
        query = TokensQuery(collection=NAME, expression="1", k=100)
        for step in range(4):
            engine.ask(query).read_all()
            settled(mirror_at(uri))
            before = engine.ask(query).read_all()["doc"].to_pylist()
            delete_documents(Lake(uri), "made", ids=[f"d{before[0]}"])
            if step % 2:
                compact(Lake(uri), "made")
                with saelake.connect(uri) as lake:
                    lake.cleanup(older_than=timedelta(0), unverified=True)
            time.sleep(FRESH_S)
            found = engine.ask(query).read_all()["doc"].to_pylist()
            assert found == before[1:]
            engine.ask(DocumentQuery(collection=NAME, doc=found[0])).read_all()


def test_damage_in_the_store_is_seen_though_a_good_copy_is_here(
    s3_endpoint: str, bucket: str, tmp_path: Path
) -> None:
    made = make_lake(tmp_path / "lake", n_documents=20, seed=6)
    uri = uploaded(made.lake.uri, f"{bucket}/lake")
    with saelake.connect(uri, disk_cache=tmp_path / "cache") as lake:
        lake.prefetch(NAME)
        assert lake.verify().ok
        store = client(s3_endpoint)
        name = bucket.removeprefix("s3://")
        for found in store.list_objects_v2(Bucket=name)["Contents"]:
            if ".codes.lance/data/" in found["Key"]:
                store.put_object(Bucket=name, Key=found["Key"], Body=b"\0" * found["Size"])
        assert not lake.verify().ok
        assert lake[NAME].tokens(3)


ASK = """
import sys
import saelake

lake = saelake.connect(sys.argv[1], disk_cache=sys.argv[2], disk_cache_bytes=int(sys.argv[3]))
for turn in range(15):
    print([hit.doc for hit in lake["made/random"].tokens(turn % 7)], flush=True)
"""


def test_processes_share_a_folder_that_is_too_small(lakes: Lakes, tmp_path: Path) -> None:
    """Some of them are killed; what the others say is right, and the budget is kept."""
    n_bytes = 100_000
    command = [sys.executable, "-c", ASK, lakes.uri, str(tmp_path), str(n_bytes)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert running[0].stdout is not None
    running[0].stdout.readline()
    running[0].kill()
    plain = saelake.connect(lakes.disk)[NAME]
    expected = [str([hit.doc for hit in plain.tokens(turn % 7)]) for turn in range(15)]
    for process in running[1:]:
        out, _ = process.communicate(timeout=120)
        assert out.splitlines() == expected
    running[0].communicate()
    assert DiskCache(tmp_path, n_bytes).used_bytes <= n_bytes
