"""A lake in an object store, from documents to answers: as it is on a disk, on every face."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
import pytest

import saelake
from saelake.store.documents.documents import Documents
from saelake.store.lake.lake import Lake as StoredLake
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.tables.files import filesystem_of
from saelake.texts import model_texts
from tests.buckets import new_bucket
from tests.client.cli.command import asked, program, run
from tests.s3 import VARIABLES, keys
from tests.tiny import save_corpus, save_dictionary, save_model

NAME = "words/sae"
N_DOCUMENTS = 30
QUESTIONS = [
    ["tokens", NAME, "3", "-k", "5"],
    ["tokens", NAME, "3 & !4", "-k", "5", "--per", "token", "--where", "label = 'pos'"],
    ["document", NAME, "d3"],
    ["features", NAME, "-k", "5"],
    ["similar", NAME, "--doc", "d3", "-k", "5"],
    ["similar", NAME, "--text", "w3 w4", "-k", "5"],
    ["retrieve", NAME, "w3 w4", "-k", "5"],
    ["diff", f"{NAME} where label = 'pos'", f"{NAME} where label = 'neg'"],
    ["correlate", NAME],
    ["verify"],
]


@dataclass(frozen=True, slots=True)
class Lakes:
    """The same lake on a disk and in a bucket, and what it was made of."""

    disk: str
    bucket: str
    parts: Path


@pytest.fixture(scope="module")
def lakes(s3_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakes]:
    parts = tmp_path_factory.mktemp("parts")
    save_model(parts / "llama")
    save_dictionary(parts / "sae")
    save_model(parts / "sentences", bert=True)
    save_corpus(parts / "words.parquet", N_DOCUMENTS, longest=12)
    with new_bucket(s3_endpoint, "pipeline") as bucket:
        found = Lakes(str(parts / "lake"), f"{bucket}/a folder/lake", parts)
        for lake in (found.disk, found.bucket):
            build(lake, parts)
        yield found


def build(lake: str, parts: Path) -> None:
    """Everything that can be made from a corpus."""
    model, dictionary = str(parts / "llama"), str(parts / "sae")
    made = ["--model", model, "--dictionary", dictionary, "--lake", lake]
    for command in (
        ["import", str(parts / "words.parquet"), "--lake", lake],
        ["encode", "words", *made],
        ["index", NAME, "--lake", lake],
        ["embed", "words", "--model", str(parts / "sentences"), "--lake", lake],
        ["label", NAME, "--lake", lake],
    ):
        ran = run(*command)
        assert ran.code == 0, ran.err


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question[0])
def test_a_bucket_answers_as_a_disk_does(lakes: Lakes, question: list[str]) -> None:
    here = asked(*question, "--lake", lakes.disk, "--format", "json")
    assert asked(*question, "--lake", lakes.bucket, "--format", "json") == here
    assert len(here) > 100


def test_a_bucket_is_described_as_a_disk_is(lakes: Lakes) -> None:
    disk, bucket = (asked("info", "--lake", lake) for lake in (lakes.disk, lakes.bucket))
    took = re.compile(r"in \S+ s$", re.MULTILINE)
    assert took.sub("", bucket) == took.sub("", disk) != bucket


def test_exports_are_those_of_a_disk(lakes: Lakes, tmp_path: Path) -> None:
    tables = []
    for name, lake in {"disk": lakes.disk, "bucket": lakes.bucket}.items():
        path = tmp_path / f"{name}.parquet"
        assert run("export", NAME, "--lake", lake, "--codes", str(path)).code == 0
        tables.append(pq.read_table(path))
    assert tables[0].num_rows > 0
    assert tables[1].equals(tables[0])


def test_a_server_of_a_bucket_answers_as_the_disk_does(lakes: Lakes) -> None:
    settings = ServerSettings(uri=lakes.bucket, address=Address(port=0), texts=model_texts())
    with BackgroundServer(settings) as server:
        for question in QUESTIONS:
            there = asked(*question, "--server", str(server.address), "--format", "json")
            assert there == asked(*question, "--lake", lakes.disk, "--format", "json")


def test_a_second_build_adds_nothing(lakes: Lakes) -> None:
    before = asked("info", "--lake", lakes.bucket, "--format", "json")
    build(lakes.bucket, lakes.parts)
    assert asked("info", "--lake", lakes.bucket, "--format", "json") == before


def test_a_process_of_its_own_needs_only_the_variables(lakes: Lakes) -> None:
    ran = program("info", "--lake", f"{lakes.bucket}/", "--format", "json", **VARIABLES)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == asked("info", "--lake", lakes.bucket, "--format", "json")


def test_nothing_is_written_beside_the_lake(lakes: Lakes) -> None:
    found = keys(os.environ["AWS_ENDPOINT_URL"], "pipeline")
    assert found
    assert all(key.startswith("a folder/lake/") for key in found)


def test_a_corpus_may_lie_in_a_bucket_too(lakes: Lakes, bucket: str) -> None:
    corpus = f"{bucket}/words.parquet"
    pyarrow.fs.copy_files(
        str(lakes.parts / "words.parquet"), filesystem_of(corpus)[1],
        destination_filesystem=filesystem_of(corpus)[0],
    )  # fmt: skip
    lake = saelake.connect(f"{bucket}/lake")
    report = lake.import_corpus(corpus, "words")
    assert report.n_documents == N_DOCUMENTS
    assert [row.corpus for row in lake.info()] == ["words"]


def test_columns_of_a_corpus_in_a_bucket_change(bucket: str) -> None:
    for i, n in enumerate(([1], [0.5])):
        table = pa.table({"id": [f"d{i}"], "text": ["w1"], "n": n})
        filesystem, path = filesystem_of(f"{bucket}/n/part-{i}.parquet")
        pq.write_table(table, path, filesystem=filesystem)
    lake = saelake.connect(f"{bucket}/lake")
    lake.import_corpus([{"id": "a", "text": "w1", "n": None}], "grown")
    assert lake.import_corpus(f"{bucket}/n/part-*.parquet", "grown").n_documents == 2
    changed = [{"id": "a", "text": "w2", "m": "x"}]
    assert lake.import_corpus(changed, "grown", on_duplicate="update").n_updated == 1
    documents = Documents.open(StoredLake(f"{bucket}/lake"), "grown")
    rows = documents.table.read(["id", "n", "m"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("a", None, None),
        ("d0", 1, None),
        ("d1", 0.5, None),
        ("a", None, "x"),
    ]
    assert documents.n_deleted == 1
