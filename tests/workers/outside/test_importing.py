"""Codes come once, whatever is killed, doubled, or said again."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import saelake
from saelake.store.errors import AlreadyExists, CorpusError, InvalidInput
from saelake.store.growth import filling
from saelake.store.growth.filling import CodesFiller
from saelake.store.lake import feature_names
from saelake.store.lake.feature_names import claim_names
from saelake.store.lake.lake import Lake
from saelake.workers.outside import importing, writing
from tests.workers.outside.vectors import Documents

Codes = list[tuple[str, int, str, float]]


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "SHARD_CODES", 12)
    monkeypatch.setattr(filling, "FRAGMENT_ROWS", 4)
    monkeypatch.setattr(writing, "FRAGMENT_ROWS", 4)


@pytest.fixture
def lake(tmp_path: Path) -> saelake.Lake:
    return saelake.connect(tmp_path / "lake")


def codes(lake: saelake.Lake, name: str = "c/v") -> Codes:
    labels = lake.dictionary(name.partition("/")[2]).labels(k=None, explainers=["names"])
    called = {label.feature: label.label for label in labels}
    rows = lake[name].codes().read_all().to_pylist()
    return sorted((r["id"], r["position"], called[r["feature"]], r["value"]) for r in rows)


def expected(made: Documents) -> Codes:
    return sorted(
        (own, position, name, value)
        for own, units in made.units.items()
        for position, unit in enumerate(units)
        for name, value in unit.vector.items()
        if value
    )


@pytest.fixture
def made() -> Documents:
    return Documents.drawn(3, unit="document", signed=True, n=24)


class Killed(BaseException):
    """What a process that is killed cannot catch."""


@pytest.mark.parametrize("n_before", [0, 1, 3])
def test_an_import_that_was_killed_goes_on(
    lake: saelake.Lake, made: Documents, n_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, n_put = CodesFiller.put, 0

    def killed(*arguments: Any) -> bool:
        nonlocal n_put
        n_put += 1
        if n_put > n_before:
            raise Killed
        return put(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(CodesFiller, "put", killed)
        with pytest.raises(Killed):
            lake.import_codes(made.rows(unit="document"), "c/v", signed=True)
    first = lake.import_codes(made.rows(unit="document"), "c/v", signed=True)
    assert codes(lake) == expected(made)
    assert (first.n_documents > 0) == (first.n_known < 24)
    again = lake.import_codes(made.rows(unit="document"), "c/v", signed=True)
    assert (again.n_documents, again.n_codes, again.n_known) == (0, 0, 24)
    assert lake.verify().ok


@pytest.mark.parametrize("what", ["register_dictionary", "claim_names", "put_rows"])
def test_an_import_that_was_killed_before_its_codes_goes_on(
    lake: saelake.Lake, made: Documents, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(importing, what, killed)
        with pytest.raises(Killed):
            lake.import_codes(made.rows(unit="document"), "c/v", signed=True)
    assert lake.collections() == []
    lake.import_codes(made.rows(unit="document"), "c/v", signed=True)
    assert codes(lake) == expected(made)


def test_two_at_once_bring_everything_once(lake: saelake.Lake, made: Documents) -> None:
    lake.import_corpus([{"id": own, "text": text} for own, text in made.texts.items()], "c")
    ids = list(made.texts)
    parts = [made.only(ids[:18]), made.only(ids[4:]), made.only(ids[::2])]

    def work(part: Documents) -> int:
        rows = part.rows(unit="document", with_texts=False)
        return saelake.connect(lake.uri).import_codes(rows, "c/v", signed=True).n_documents

    with ThreadPoolExecutor(3) as pool:
        counts = list(pool.map(work, parts))
    assert sum(counts) >= 24  # of one that both wrote, one wrote it in vain
    assert codes(lake) == expected(made)
    assert lake.verify().ok


def test_a_collection_grows_by_documents_and_names(lake: saelake.Lake) -> None:
    rows = [{"id": str(i), "text": "t", "vector": {f"n{i}": 1.0, "n0": 2.0}} for i in range(9)]
    lake.import_codes(rows[:3], "c/v", width=9)
    report = lake.import_codes(rows, "c/v")
    assert (report.n_documents, report.n_known) == (6, 3)
    assert len(codes(lake)) == 17
    lake.index("c/v")
    assert lake["c/v"].features(name=" N8 ")[0].document_frequency == 1
    assert [f.feature for f in lake["c/v"].features(name="n0")] == [0]
    assert len(lake["c/v"].features(name="n99")) == 0
    with pytest.raises(InvalidInput, match="room for 9 features"):
        lake.import_codes([{"id": "9", "text": "t", "vector": {"n9": 1.0}}], "c/v")
    assert lake["c/v"].info().n_documents == 9


def test_names_are_those_of_the_dictionary_in_every_corpus(lake: saelake.Lake) -> None:
    lake.import_codes([{"id": "a", "text": "t", "vector": {"x": 1.0, "y": 2.0}}], "c/v")
    lake.import_codes([{"id": "a", "text": "t", "vector": {"z": 4.0, "y": 3.0, "12": 1}}], "d/v")
    assert codes(lake, "d/v") == [("a", 0, "12", 1.0), ("a", 0, "y", 3.0), ("a", 0, "z", 4.0)]
    differ = lake["c/v"].diff(lake["d/v"], k=None)
    shares = {row.label: (row.frequency_a, row.frequency_b) for row in differ}
    assert shares == {"x": (1, 0), "y": (1, 1), "z": (0, 1), "12": (0, 1)}


def test_names_that_two_claim_at_once_are_numbered_once(lake: saelake.Lake) -> None:
    stored = Lake(lake.uri)
    wanted = [[f"n{i}" for i in range(first, first + 6)] for first in (0, 3, 6, 2)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda names: claim_names(stored, "v", names, width=12), wanted))
    last = feature_names.feature_names(stored, "v")
    assert sorted(last.values()) == list(range(12))
    for names, numbers in zip(wanted, found, strict=True):
        assert {name: last[name] for name in names} == {name: numbers[name] for name in names}


def other_vector(made: Documents) -> list[dict[str, Any]]:
    rows = made.rows(unit="document")
    return [{**rows[0], "vector": {"x": 7.0}}, *rows[1:]]


def test_another_vector_is_left_out_and_counted(lake: saelake.Lake, made: Documents) -> None:
    lake.import_codes(made.rows(unit="document"), "c/v", signed=True)
    report = lake.import_codes(other_vector(made), "c/v")
    assert (report.n_documents, report.n_changed, report.n_known) == (0, 1, 23)
    assert codes(lake) == expected(made)


def test_another_vector_is_refused(lake: saelake.Lake, made: Documents) -> None:
    lake.import_codes(made.rows(unit="document"), "c/v", signed=True)
    new = {"id": "new", "text": "new", "vector": {}}
    with pytest.raises(AlreadyExists, match=r"1 documents have other codes.*'d0'"):
        lake.import_codes([*other_vector(made), new], "c/v", on_duplicate="fail")
    assert lake["c/v"].info().n_documents == 24


@pytest.mark.parametrize("indexed", [True, False])
def test_another_vector_takes_the_place(lake: saelake.Lake, made: Documents, indexed: bool) -> None:
    lake.import_codes(made.rows(unit="document"), "c/v", signed=True)
    if indexed:
        lake.index("c/v")
    report = lake.import_codes(other_vector(made), "c/v", on_duplicate="update")
    assert (report.n_documents, report.n_updated, report.n_known) == (1, 1, 23)
    rest = [code for code in expected(made) if code[0] != "d0"]
    assert codes(lake) == sorted([*rest, ("d0", 0, "x", 7.0)])
    number = next(label.feature for label in lake["c/v"].labels(k=None) if label.label == "x")
    assert lake["c/v"].tokens(number, 1)[0].id == "d0"
    assert lake.verify().ok


def test_another_text_takes_the_place_too(lake: saelake.Lake, made: Documents) -> None:
    lake.import_codes(made.rows(unit="document"), "c/v", signed=True)
    changed = other_vector(made)
    changed[0]["text"] = "another"
    report = lake.import_codes(changed, "c/v", on_duplicate="update")
    assert report.documents is not None
    assert (report.documents.n_updated, report.n_documents) == (1, 1)
    assert lake["c/v"].document("d0").text == "another"
    assert [c for c in codes(lake) if c[0] == "d0"] == [("d0", 0, "x", 7.0)]


def test_deleted_documents_come_again(lake: saelake.Lake, made: Documents) -> None:
    lake.import_codes(made.rows(unit="document"), "c/v", signed=True)
    lake.delete("c", ids=["d3", "d4"])
    report = lake.import_codes(made.rows(unit="document"), "c/v")
    assert (report.n_documents, report.n_known) == (2, 22)
    assert codes(lake) == expected(made)


def test_texts_may_be_the_ids(lake: saelake.Lake) -> None:
    rows = [{"item": f"film {i}", "vector": {"u": i + 1}, "year": 1990 + i} for i in range(4)]
    lake.import_codes(rows, "c/v", id_column="item", text_column="item")
    assert lake["c/v"].document("film 2").text == "film 2"
    assert lake["c/v"].where("year > 1991").similar(id="film 0")[0].id == "film 2"


def test_rows_whose_text_is_none_are_left_out(lake: saelake.Lake) -> None:
    rows = [{"id": "a", "text": "t", "vector": {"x": 1}}, {"id": "b", "text": " ", "vector": {}}]
    report = lake.import_codes(rows, "c/v")
    assert report.documents is not None
    assert report.documents.reasons == {"empty text": 1}
    assert (report.n_documents, report.n_unknown, report.unknown) == (1, 1, ("b",))


def test_columns_that_are_not_taken_are_named(lake: saelake.Lake) -> None:
    lake.import_corpus([{"id": "a", "text": "some rain"}], "c")
    report = lake.import_codes([{"id": "a", "vector": {"3": 1}, "grade": 5}], "c/v")
    assert "Not imported, as rows have no texts: 'grade'" in report.notes[1]
    assert "v has 4 features, as many as" in report.notes[0]
    spans = [{"id": "a", "start": 0, "end": 4, "said": "some", "vector": {"3": 1}}]
    assert "'said'" in lake.import_codes(spans, "c/w", unit="span").notes[1]


def test_a_document_of_very_many_units_has_parts(
    lake: saelake.Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = 65_535 + 3
    lake.import_corpus([{"id": "a", "text": "x" * n}, {"id": "b", "text": "xyz"}], "c")
    monkeypatch.setattr(writing, "SHARD_CODES", 1 << 20)
    rows = [
        {"id": "a", "start": i, "end": i + 1, "position": i, "indices": [i % 3], "values": [1 + i]}
        for i in range(n - 1, -1, -1)
    ]
    report = lake.import_codes([*rows, {**rows[-1], "id": "b"}], "c/v", unit="span")
    assert (report.n_units, report.n_codes) == (n + 1, n + 1)
    found = lake["c/v"].document("a")
    assert found.n_tokens == n
    (codes_of,) = lake["c/v"].document("a", features=[2]).strongest()
    assert codes_of.positions.tolist() == list(range(2, n, 3))
    again = lake.import_codes(rows, "c/v", unit="span")
    assert (again.n_known, again.n_documents) == (1, 0)


def test_long_units_are_marked_from_their_beginning(lake: saelake.Lake) -> None:
    text = "rain " * 30_000
    rows = [{"id": "a", "text": text, "vector": {"x": 1.0}}, {"id": "b", "text": "b", "vector": {}}]
    lake.import_codes(rows, "c/v")
    (hit,) = lake["c/v"].tokens(0, context=10)
    assert hit.token == text[:300]
    assert len(hit.text) <= 310
    (token,) = lake["c/v"].document("a").tokens
    assert (token.start, token.length) == (0, 65_535)
    (short,) = lake["c/v"].document("b").tokens
    assert (short.text, short.length) == ("b", 1)


@pytest.mark.parametrize("values", ["16-bit", "8-bit"])
def test_values_are_as_near_as_said(lake: saelake.Lake, values: str) -> None:
    said = {str(i): 1.0001**i * 1e-3 for i in range(1, 40_000, 501)} | {"0": 1e-300}
    lake.import_codes([{"id": "a", "text": "t", "vector": said}], "c/v", values=values)
    rows = lake["c/v"].codes().read_all().to_pylist()
    worst = 2**-11 if values == "16-bit" else 2 ** (1 / 16) - 1
    for row in rows:
        expected = said[str(row["feature"])]
        assert row["value"] > 0
        if expected > 1e-3:
            assert abs(row["value"] / expected - 1) <= worst * 1.001


def test_through_a_server_codes_are_not_imported(lake: saelake.Lake) -> None:
    there = saelake.connect("grpc://127.0.0.1:9")
    with there, pytest.raises(InvalidInput, match="Cannot import codes through a server"):
        there.import_codes([], "c/v")


def test_progress_counts_rows_and_then_documents(lake: saelake.Lake, made: Documents) -> None:
    told: list[tuple[int, int | None]] = []

    def say(n: int, of: int | None) -> None:
        told.append((n, of))

    lake.import_codes(made.rows(unit="document"), "c/v", signed=True, on_progress=say)
    assert told[0] == (24, None)
    assert told[1] == (0, 24)
    assert told[-1] == (24, 24)
    assert [n for n, of in told if of] == sorted(n for n, of in told if of)


def test_a_source_that_breaks_off_leaves_nothing(lake: saelake.Lake, made: Documents) -> None:
    def rows() -> Any:
        yield from made.rows(unit="document")
        raise CorpusError("gone")

    with pytest.raises(CorpusError, match="gone"):
        lake.import_codes(rows(), "c/v", signed=True)
    assert not Path(lake.uri).exists()
