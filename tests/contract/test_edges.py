"""Collections without an index, selections without documents, and everything at once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

import saelake
from saelake.lake import Lake
from saelake.store.errors import NotFound, SaelakeError
from tests.contract.faces import Faces
from tests.lakes import MadeLake, make_lake

NAME = "made/random"
NONE = "length < 0"


@pytest.fixture(scope="module")
def unindexed(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    folder = tmp_path_factory.mktemp("unindexed") / "lake"
    return make_lake(folder, n_documents=20, n_indexed=0, seed=5)


@pytest.fixture(scope="module")
def unindexed_pair(
    unindexed: MadeLake, other_face: str, faces: Faces
) -> Iterator[tuple[Lake, Lake]]:
    uri = unindexed.lake.uri
    with saelake.connect(uri) as embedded, faces.open(other_face, uri) as other:
        yield embedded, other


def test_what_is_not_indexed_is_scanned(
    unindexed: MadeLake, unindexed_pair: tuple[Lake, Lake]
) -> None:
    expected = sorted(
        ((-c.value, c.doc, c.position) for c in unindexed.codes if c.feature == 3),
    )
    for lake in unindexed_pair:
        hits = lake[NAME].tokens(3, k=None, per="token")
        assert [(-h.value, h.doc, h.position) for h in hits] == expected
        assert lake[NAME].info().n_indexed == 0


def test_statistics_need_an_index(unindexed_pair: tuple[Lake, Lake]) -> None:
    caught = []
    for lake in unindexed_pair:
        with pytest.raises(NotFound, match="index") as error:
            lake[NAME].features()
        caught.append((error.value.message, error.value.data))
    assert caught[0] == caught[1]


def test_an_empty_selection_is_an_empty_answer(lake: Lake, tmp_path: Path) -> None:
    nobody = lake[NAME].where(NONE)
    assert list(nobody.tokens(3)) == []
    assert list(nobody.tokens(3, order="quantiles", k=5)) == []
    codes, embeddings = nobody.codes().read_all(), nobody.embeddings().read_all()
    assert codes.num_rows == embeddings.num_rows == 0
    assert codes.schema == lake[NAME].codes().read_all().schema
    assert embeddings.schema == lake[NAME].embeddings().read_all().schema
    assert nobody.export_codes(tmp_path / "codes.parquet") == 0
    assert pq.read_table(tmp_path / "codes.parquet").schema.names == codes.schema.names
    assert nobody.export_embeddings(tmp_path / "embeddings.npz") == 0
    assert sparse.load_npz(tmp_path / "embeddings.npz").shape == (0, 12)


def test_exported_files_of_a_selection_are_the_same(
    lake: Lake, embedded: Lake, made: MadeLake, tmp_path: Path
) -> None:
    for place, asked in (("here", embedded), ("there", lake)):
        negative = asked[NAME].where("label = 'neg'")
        negative.export_codes(tmp_path / f"{place}.parquet", where="length > 10")
        negative.export_embeddings(tmp_path / f"{place}.npz", where="length > 10")
    assert pq.read_table(tmp_path / "here.parquet").equals(
        pq.read_table(tmp_path / "there.parquet")
    )
    with np.load(tmp_path / "here.npz") as here, np.load(tmp_path / "there.npz") as there:
        assert set(here) == set(there)
        for name in here:
            np.testing.assert_array_equal(here[name], there[name])
        kept = [
            f"d{doc}"
            for doc, (label, text) in enumerate(zip(made.labels, made.texts, strict=True))
            if label == "neg" and len(text) > 10
        ]
        assert here["ids"].tolist() == kept


def test_exports_are_of_a_collection_that_is_there(lake: Lake, tmp_path: Path) -> None:
    for export in (lake["made/other"].export_codes, lake["made/other"].export_embeddings):
        with pytest.raises(NotFound, match="no collection"):
            export(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_every_document_is_the_same(lake: Lake, embedded: Lake, made: MadeLake) -> None:
    for doc in range(len(made.texts)):
        here, there = embedded[NAME].document(doc=doc), lake[NAME].document(doc=doc)
        assert here == there
        assert there.text == made.texts[doc]
        assert [t.text for t in there.tokens] == list(made.words[doc])
    silent = next(doc for doc, words in enumerate(made.words) if not words)
    assert lake[NAME].document(doc=silent).strongest() == []


def test_the_lake_as_a_whole_is_the_same(lake: Lake, embedded: Lake) -> None:
    assert lake.info() == embedded.info()
    assert lake.verify() == embedded.verify()
    assert len(lake.verify()) > 0
    assert lake.verify(NAME) == embedded.verify(NAME)
    assert lake.collections() == embedded.collections()


EXPRESSIONS = st.recursive(
    st.integers(0, 12).map(str)
    | st.tuples(st.integers(0, 11), st.floats(0, 3)).map("%d > %.2f".__mod__),
    lambda inner: (
        st.tuples(inner, st.sampled_from("&|"), inner).map("(%s %s %s)".__mod__)
        | inner.map("!({})".format)
    ),
    max_leaves=5,
)


def outcome(lake: Lake, expression: str, **arguments: Any) -> object:
    try:
        return lake[NAME].tokens(expression, **arguments).to_arrow()
    except SaelakeError as error:
        return type(error), error.message, error.data


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    expression=EXPRESSIONS,
    k=st.none() | st.integers(1, 30),
    per=st.sampled_from(["document", "token"]),
    scope=st.sampled_from(["token", "document", "window:3"]),
    where=st.sampled_from([None, "label = 'pos'", "length > 20 OR label = 'neg'", NONE]),
    context=st.integers(0, 40),
)
def test_any_question_has_one_outcome(
    lake: Lake, embedded: Lake, expression: str, **arguments: object
) -> None:
    here, there = (outcome(asked, expression, **arguments) for asked in (embedded, lake))
    if isinstance(here, pa.Table):
        assert isinstance(there, pa.Table)
        assert there.equals(here)
    else:
        assert there == here
