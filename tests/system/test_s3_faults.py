"""Networks and stores that fail in the middle of an encode: no document is lost, none is doubled.

Everything passes a proxy (tests/proxy.py) before a local S3 server. It applies a PUT and drops the
answer, so that a commit is ambiguous; it answers 500 and 503, closes connections, and is late.
"""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError

from saelake.store.documents.documents import import_documents
from saelake.store.engine import Engine
from saelake.store.errors import Conflict, SaelakeError, Unavailable
from saelake.store.growth.index import index
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.requests.codes import CodesQuery
from saelake.store.requests.verify import VerifyQuery
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table
from saelake.workers.corpus import open_source
from saelake.workers.run import DictionaryChoice, EncodeOptions, encode
from tests.proxy import Bad, Choice, Fault, Proxy, none
from tests.s3 import client
from tests.tiny import save_corpus, save_dictionary, save_model

N_DOCUMENTS = 40
NAME = CollectionName("made", "sae")
SCHEMA = pa.schema([("n", pa.int64())])
PATIENCE_S = 120
MOST_RERUNS = 60
# Adds each of the numbers 0 to 7 that is missing, by a commit of its own.
RACER = """
import sys
import pyarrow as pa
from saelake.store.tables.tables import Change, Table
uri, seed = sys.argv[1], int(sys.argv[2])
schema = pa.schema([("n", pa.int64())])
table = Table.open_or_create(uri, schema)
for step in range(8):
    n = (step * 5 + seed) % 8
    draft = table.write([pa.RecordBatch.from_pylist([{"n": n}], schema=schema)])
    def decide(snapshot):
        taken = {v for batch in snapshot.scan(["n"]) for v in batch["n"].to_pylist()}
        return None if n in taken else Change(add=draft)
    table.commit(decide)
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    save_model(folder / "model")
    save_dictionary(folder / "sae")
    save_corpus(folder / "corpus.parquet", N_DOCUMENTS, longest=20)
    build(Lake(str(folder / "whole")), folder)
    return folder


def build(lake: Lake, parts: Path) -> None:
    """Import, encode and index; what is there already is left as it is."""
    import_documents(lake, NAME.corpus, open_source(str(parts / "corpus.parquet")))
    encode(
        lake,
        NAME.corpus,
        model=str(parts / "model"),
        dictionaries=[DictionaryChoice(location=str(parts / "sae"))],
        options=EncodeOptions(shard_documents=4),
    )
    index(lake, NAME)


def codes(lake: Lake) -> pa.Table:
    return Engine(lake.uri).ask(CodesQuery(collection=str(NAME))).read_all()


def assert_whole(lake: Lake, parts: Path) -> None:
    """The lake has what an undisturbed run makes, and its tables agree."""
    checks = Engine(lake.uri).ask(VerifyQuery()).read_all().to_pylist()
    assert [check for check in checks if not check["ok"]] == []
    assert Table.open(lake.documents(NAME.corpus)).n_rows == N_DOCUMENTS
    assert codes(lake).equals(codes(Lake(str(parts / "whole"))))


def build_again_and_again(lake: Lake, parts: Path) -> list[SaelakeError]:
    """Build until it succeeds; the errors before. Any other error is the test's."""
    errors: list[SaelakeError] = []
    for _ in range(MOST_RERUNS):
        try:
            build(lake, parts)
        except SaelakeError as error:
            errors.append(error)
        else:
            return errors
    raise AssertionError(f"never done: {errors}")


def rows(*numbers: int) -> list[pa.RecordBatch]:
    return [pa.RecordBatch.from_pydict({"n": list(numbers)}, schema=SCHEMA)]


def numbers(uri: str) -> list[int]:
    return [n for batch in Table.open(uri).scan(["n"]) for n in batch["n"].to_pylist()]


def add(table: Table, n: int) -> Table:
    """Commit a number unless it is there."""
    draft = table.write(rows(n))

    def decide(snapshot: Table) -> Change | None:
        there = [n for batch in snapshot.scan(["n"]) for n in batch["n"].to_pylist()]
        return None if n in there else Change(add=draft)

    return table.commit(decide)


def on_manifests(fault: Fault, times: int) -> Choice:
    """The fault befalls so many PUTs of a manifest, which are the commits."""
    left = iter(range(times))

    def choose(method: str, path: str) -> Fault | None:
        is_commit = method == "PUT" and "/_versions/" in path
        return fault if is_commit and next(left, None) is not None else None

    return choose


def test_the_server_puts_an_object_once_if_it_is_asked_to(proxy: Proxy, bucket: str) -> None:
    s3, name = client(os.environ["AWS_ENDPOINT_URL"]), bucket.removeprefix("s3://")
    s3.put_object(Bucket=name, Key="k", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=name, Key="k", Body=b"second", IfNoneMatch="*")
    assert s3.get_object(Bucket=name, Key="k")["Body"].read() == b"first"


def test_commits_put_manifests_on_condition(proxy: Proxy, bucket: str) -> None:
    table = Table.open_or_create(f"{bucket}/t.lance", SCHEMA)
    proxy.conditions.clear()
    add(table, 1)
    assert [path.split("/")[-2] for path in proxy.conditions] == ["_versions"]


def test_processes_that_race_add_each_row_once(proxy: Proxy, bucket: str) -> None:
    uri = f"{bucket}/t.lance"
    racers = [subprocess.Popen([sys.executable, "-c", RACER, uri, str(i)]) for i in range(2)]
    assert [racer.wait(PATIENCE_S) for racer in racers] == [0, 0]
    assert sorted(numbers(uri)) == list(range(8))


APPLIED = [Fault.LOST, Fault.DISOWNED, Fault.LATE]
NOT_APPLIED = [Fault.CLOSED, Fault.FAILED, Fault.SLOW_DOWN, Fault.BUSY]


@pytest.mark.parametrize("fault", [*APPLIED, *NOT_APPLIED], ids=lambda fault: fault.name)
def test_a_commit_that_meets_a_fault_happens_once(proxy: Proxy, bucket: str, fault: Fault) -> None:
    table = Table.open_or_create(f"{bucket}/t.lance", SCHEMA)
    proxy.choose = on_manifests(fault, 1)
    add(table, 1)
    assert proxy.faults[fault] == 1
    add(table, 2)
    assert numbers(table.uri) == [1, 2]


@pytest.mark.slow
def test_a_commit_is_known_though_its_answers_are_always_lost(proxy: Proxy, bucket: str) -> None:
    table = Table.open_or_create(f"{bucket}/t.lance", SCHEMA)
    proxy.choose = on_manifests(Fault.LOST, 1_000_000)
    add(table, 1)
    add(table, 2)
    assert proxy.faults[Fault.LOST] >= 4
    assert numbers(table.uri) == [1, 2]


def then_nothing(first: Fault) -> Choice:
    """The fault befalls the first PUT of a manifest, and then no request is answered."""
    cut_off = False

    def choose(method: str, path: str) -> Fault | None:
        nonlocal cut_off
        if cut_off:
            return Fault.CLOSED
        cut_off = method == "PUT" and "/_versions/" in path
        return first if cut_off else None

    return choose


@pytest.mark.parametrize(
    ("fault", "there"),
    [
        pytest.param(Fault.LOST, [0, 1], id="applied"),
        pytest.param(Fault.CLOSED, [0], id="not applied", marks=pytest.mark.slow),
    ],
)
def test_a_writer_cut_off_in_its_commit_says_so_and_runs_again(
    proxy: Proxy, bucket: str, fault: Fault, there: list[int]
) -> None:
    table = add(Table.open_or_create(f"{bucket}/t.lance", SCHEMA), 0)
    proxy.choose = then_nothing(fault)
    with pytest.raises(Unavailable, match=r"does not answer.*run the same command again"):
        add(table, 1)
    proxy.choose = none
    assert numbers(table.uri) == there
    add(table, 1)
    assert numbers(table.uri) == [0, 1]


def test_an_import_whose_commit_is_ambiguous_is_there_once(
    proxy: Proxy, bucket: str, parts: Path
) -> None:
    lake = Lake(f"{bucket}/lake")
    proxy.choose = on_manifests(Fault.LOST, 2)  # the table's birth, and the commit
    report = import_documents(lake, "made", open_source(str(parts / "corpus.parquet")))
    assert proxy.faults[Fault.LOST] == 2
    assert report.n_documents == Table.open(lake.documents("made")).n_rows == N_DOCUMENTS


def through_bad_luck(proxy: Proxy, lake: Lake, parts: Path, luck: Bad) -> tuple[int, int]:
    """Build a lake while requests fail; how many faults there were, and runs that failed."""
    proxy.reset()
    proxy.choose = luck
    errors = build_again_and_again(lake, parts)
    proxy.choose = none
    assert all(isinstance(error, Unavailable | Conflict) for error in errors), errors
    assert_whole(lake, parts)
    return proxy.faults.total(), len(errors)


def test_an_encode_through_some_faults_ends_whole(proxy: Proxy, bucket: str, parts: Path) -> None:
    luck = Bad(Random(1), rate=0.03, outage_rate=0)
    n_faults, _ = through_bad_luck(proxy, Lake(f"{bucket}/lake"), parts, luck)
    assert n_faults > 0


@pytest.mark.slow
def test_encodes_through_faults_and_outages_end_whole(
    proxy: Proxy, bucket: str, parts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    n_faults = n_failed = 0
    for seed in range(2):
        luck = Bad(Random(seed))
        found, failed = through_bad_luck(proxy, Lake(f"{bucket}/lake-{seed}"), parts, luck)
        n_faults, n_failed = n_faults + found, n_failed + failed
        with capsys.disabled():
            said = ", ".join(f"{n} {fault.name}" for fault, n in proxy.faults.most_common())
            print(f"seed {seed}: {said}; {failed} runs failed and were run again")
    assert n_faults >= 50
    assert n_failed > 0, "no outage outlasted the retries"
