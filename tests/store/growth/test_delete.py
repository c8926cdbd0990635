"""A lake with documents deleted answers as one in which a filter leaves them out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import saelake
from saelake.collection import Collection
from saelake.store.documents.documents import Documents
from saelake.store.documents.imports import import_documents
from saelake.store.errors import Conflict, InvalidFilter, InvalidInput, NotFound
from saelake.store.growth.delete import delete_documents
from saelake.store.growth.index import index
from tests.lakes import MadeLake, Rows, add_dictionary, add_documents, make_lake

KEPT, GONE = "label = 'pos'", "label = 'neg'"
# As little as possible of what is asked is over the whole collection, whatever the filter.
QUESTIONS: dict[str, Callable[[Collection], pa.Table]] = {
    "tokens": lambda c: c.tokens(3, k=7).to_arrow(),
    "tokens, all": lambda c: c.tokens(3, k=None, per="token").to_arrow(),
    "tokens, expression": lambda c: c.tokens("2 & !5", k=9, scope="document").to_arrow(),
    "tokens, spread": lambda c: c.tokens(1, k=5, order="quantiles").to_arrow(),
    "similar": lambda c: c.similar(features={1: 1.0, 4: 0.5}, k=30).to_arrow(),
    "diff": lambda c: (
        c.where("length > 20").diff(c.where("length <= 20")).to_arrow().drop_columns(["against"])
    ),
    "associate": lambda c: c.associate("length").to_arrow(),
    "shares": lambda c: c.shares("2 & !5", by="length", bins=5).to_arrow(),
    "values": lambda c: c.values("length", bins=5).to_arrow(),
    "correlations": lambda c: c.correlate(
        min_npmi=0.001, min_documents=2, max_coverage=1
    ).to_arrow(),
    "clusters": lambda c: c.cluster(3, features=[0, 1, 2, 3]).to_arrow(),
    "families": lambda c: c.families(min_npmi=0.001, min_documents=2, max_coverage=1).to_arrow(),
    "select": lambda c: c.where("length > 20").select(c.where("length < 15"), idf=False).to_arrow(),
    "codes": lambda c: c.codes().read_all(),
    "embeddings": lambda c: c.embeddings().read_all(),
}


def connected(made: MadeLake) -> Collection:
    return saelake.connect(made.lake.uri)[str(made.name)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("whole"), n_documents=60, tokens=(1, 12), density=0.1)


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    made = make_lake(tmp_path_factory.mktemp("cut"), n_documents=60, tokens=(1, 12), density=0.1)
    report = delete_documents(made.lake, "made", where=GONE)
    assert (report.n_documents, report.n_left) == (
        made.labels.count("neg"),
        made.labels.count("pos"),
    )
    return made


@pytest.mark.parametrize("question", QUESTIONS)
def test_questions_leave_deleted_documents_out(
    whole: MadeLake, cut: MadeLake, question: str
) -> None:
    def ask(collection: Collection) -> str:
        return repr(QUESTIONS[question](collection).to_pylist())  # a NaN is a NaN

    expected, unfiltered = ask(connected(whole).where(KEPT)), ask(connected(whole))
    assert ask(connected(cut)) == expected
    assert expected != unfiltered
    assert ask(connected(cut).where("length > 5")) == ask(
        connected(whole).where(KEPT).where("length > 5")
    )


def test_what_counts_over_the_whole_collection_does_not_count_the_deleted(cut: MadeLake) -> None:
    collection = connected(cut)
    kept = [doc for doc, label in enumerate(cut.labels) if label == "pos"]
    embeddings = cut.embeddings()[kept]
    fires = np.nan_to_num(embeddings).astype(bool).sum(axis=0)
    n = (~np.isnan(embeddings[:, 0])).sum()
    (feature,) = [f.feature for f in collection.similar(features={3: 1.0}, k=1)[0].shared_features][
        :1
    ]
    assert feature == 3
    first = collection.similar(features={1: 1.0, 3: 1.0}, idf=True, k=1)[0]
    weights = np.log(n / fires)
    row = np.nan_to_num(cut.embeddings()[first.doc]) * weights
    asked = np.zeros_like(row)
    asked[[1, 3]] = weights[[1, 3]]
    cosine = row @ asked / np.linalg.norm(row) / np.linalg.norm(asked)
    assert first.score == pytest.approx(cosine, rel=1e-5)


def test_a_deleted_document_is_not_found(cut: MadeLake) -> None:
    collection = connected(cut)
    gone = cut.labels.index("neg")
    with pytest.raises(NotFound, match=f"Document {gone} of made was deleted"):
        collection.document(doc=gone)
    with pytest.raises(NotFound, match=f"no document 'd{gone}'. Did you mean"):
        collection.document(f"d{gone}")
    with pytest.raises(NotFound, match="was deleted"):
        collection.similar(doc=gone)
    row = collection.info()
    n_neg = cut.labels.count("neg")
    assert (row.n_documents, row.n_deleted, row.n_encoded) == (60 - n_neg, n_neg, 60 - n_neg)
    assert row.n_tokens == sum(
        len(words) for words, label in zip(cut.words, cut.labels, strict=True) if label == "pos"
    )
    assert saelake.connect(cut.lake.uri).verify().ok


def test_deleting_by_id_is_all_or_nothing_and_once(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=10)
    with pytest.raises(NotFound, match="no document 'd99', so nothing was deleted"):
        delete_documents(made.lake, "made", ids=["d1", "d99"])
    wrongs: dict[str, dict[str, Any]] = {
        "which documents to delete": {},
        "not by both at once. Leave one out": {"where": KEPT, "ids": ["d1"]},
    }
    for said, wrong in wrongs.items():
        with pytest.raises(InvalidInput, match=said):
            delete_documents(made.lake, "made", **wrong)
    assert Documents.open(made.lake, "made").alive is None
    assert delete_documents(made.lake, "made", ids=["d1", "d4", "d1"]).n_left == 8
    assert delete_documents(made.lake, "made", where="id = 'd4'").n_documents == 0
    with pytest.raises(NotFound, match="'d4', so nothing"):
        delete_documents(made.lake, "made", ids=["d4"])
    assert Documents.open(made.lake, "made").n_deleted == 2


def test_what_would_be_deleted_is_counted_and_not_deleted(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=10)
    lake = saelake.connect(made.lake.uri)
    for where, n, ids in (("doc >= 8", 2, ("d8", "d9")), ("doc >= 0", 10, tuple_of(0, 5))):
        report = lake.delete("made", where=where, dry_run=True)
        assert (report.n_documents, report.n_before, report.n_left) == (n, 10, 10 - n)
        assert (report.ids, report.dry_run) == (ids, True)
    with pytest.raises(Conflict, match="it would be 2 documents of made, not 3"):
        lake.delete("made", where="doc >= 8", expect=3)
    assert Documents.open(made.lake, "made").alive is None
    report = lake.delete("made", where="doc >= 8", expect=2)
    assert (report.n_documents, report.n_before, report.dry_run) == (2, 10, False)
    assert lake.delete("made", where="doc >= 7", dry_run=True).n_before == 8


def tuple_of(first: int, last: int) -> tuple[str, ...]:
    return tuple(f"d{doc}" for doc in range(first, last))


def test_nothing_is_deleted_by_a_filter_that_is_not_understood(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=10)
    for wrong in (
        "label = 'neg' adn doc > 1000",
        "label = 'neg' doc > 1000",
        "label = 'neg'; and doc > 1000",
        "label = 'neg' limit 1",
        "label = 'neg' -- and doc > 1000",
        'label = "neg"',
        "'label' <> 'neg'",
        "1 = 1",
        "doc > 1000) OR (doc >= 0",
    ):
        with pytest.raises(InvalidFilter):
            delete_documents(made.lake, "made", where=wrong)
    assert Documents.open(made.lake, "made").alive is None
    report = delete_documents(made.lake, "made", where="\"label\" <> 'pos'")
    assert report.n_documents == made.labels.count("neg") < 10


def test_an_open_snapshot_keeps_its_documents(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=10)
    before = Documents.open(made.lake, "made")
    delete_documents(made.lake, "made", ids=["d3"])
    assert before.find("d3") == 3
    assert not before.is_current
    after = Documents.open(made.lake, "made")
    assert after.is_current
    delete_documents(made.lake, "made", ids=["d5"])
    assert not after.is_current


def test_the_id_of_a_deleted_document_can_come_again(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=10)
    delete_documents(made.lake, "made", ids=["d3"])
    again = Rows(["new text", "known"], ["pos", "pos"], {}, first=3)
    report = import_documents(made.lake, "made", again)
    assert (report.n_documents, report.n_skipped, report.first_doc) == (1, 1, 10)
    documents = Documents.open(made.lake, "made")
    assert documents.find("d3") == 10
    assert documents.take(np.array([10]), ["text"])["text"].to_pylist() == ["new text"]
    assert saelake.connect(made.lake.uri).verify().ok


def test_a_deleted_text_goes_to_no_model(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=10, tokens=(1, 12))
    delete_documents(made.lake, "made", ids=["d3", "d9"])
    rows = pa.Table.from_batches(Documents.open(made.lake, "made").scan_texts(0, 10)).to_pylist()
    assert [row["doc"] for row in rows] == list(range(10))
    texts = ["" if row["doc"] in (3, 9) else made.texts[row["doc"]] for row in rows]
    assert [row["text"] for row in rows] == texts


def test_growth_goes_on_after_a_deletion(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=20, n_fragments=2, n_indexed=2)
    delete_documents(made.lake, "made", where="doc >= 15")
    grown = add_documents(made, 5)
    second = add_dictionary(grown, "other")
    for each in (grown, second):
        index(each.lake, each.name)
        docs = {row["doc"] for row in connected(each).codes().read_all().to_pylist()}
        assert docs <= {*range(15), *range(20, 25)}
        assert {23, 3} & docs
    assert saelake.connect(made.lake.uri).verify().ok
