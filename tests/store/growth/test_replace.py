"""A dictionary's name changes what it means at once; what was dropped or replaced is free again."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import saelake
from saelake.store.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from saelake.store.growth.clean_up import clean_up
from saelake.store.growth.drop import drop_target
from saelake.store.growth.index import index
from saelake.store.growth.replace import replace_dictionary
from saelake.store.growth.shards import ShardCommitter, ShardWriter, check_free
from saelake.store.lake.dictionaries import RegisteredDictionary, register_dictionary, vocabulary_of
from saelake.store.lake.lake import CollectionName
from saelake.store.lake.names import Names, change_names, read_names
from saelake.store.lake.tags import list_tags, make_tag
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.session import Session
from saelake.store.tables.tables import Table, read
from tests.lakes import MadeLake, add_dictionary, add_documents, make_lake, settings

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def best(lake: str, collection: str, at: str | None = None) -> list[tuple[int, float]]:
    hits = saelake.connect(lake, at=at)[collection].tokens(3, k=None)
    return [(hit.doc, hit.value) for hit in hits]


@pytest.fixture
def made(tmp_path: Path) -> MadeLake:
    return make_lake(tmp_path, n_documents=20, n_fragments=2, n_indexed=2)


@pytest.fixture
def second(made: MadeLake) -> MadeLake:
    other = add_dictionary(made, "other")
    index(other.lake, other.name)
    return other


# -- names


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), max_size=12))
def test_names_never_mean_one_thing_nor_what_is_retired(swaps: list[tuple[str, str]]) -> None:
    names = Names()
    for old, new in swaps:
        if old == new:
            continue
        meant = names.tables_of(new)
        names = names.replaced(old, new, NOW)
        assert names.tables_of(old) == meant
        tables = [names.tables_of(name) for name in "abc"]
        assert len(set(tables)) == 3
        assert not set(tables) & set(names.retired)
        assert [names.name_of(t) for t in tables] == list("abc")
        assert {names.name_of(t) for t in names.retired} == {None}


def test_what_is_retired_is_free_when_it_is_deleted() -> None:
    names = Names().replaced("old", "new", NOW)
    assert (names.tables_of("old"), names.tables_of("new")) == ("new", "new--2")
    assert names.without_retired("old").name_of("old") is None  # the name still means others
    assert names.without_name("old").without_retired("old").tables_of("old") == "old"


def test_names_are_kept(made: MadeLake) -> None:
    uri = made.lake.dictionary_names
    assert read_names(uri) == Names()
    change_names(uri, lambda names: names.replaced("a", "b", NOW))
    change_names(uri, lambda names: names.replaced("c", "a", NOW))
    assert read_names(uri) == Names({"c": "b"}, {"a": NOW, "c": NOW})


# -- replace


def test_a_replaced_name_means_the_other_collection(made: MadeLake, second: MadeLake) -> None:
    uri = made.lake.uri
    before, expected = best(uri, "made/random"), best(uri, "made/other")
    assert before != expected
    snapshot = Collection(made.lake, made.name)
    reader = saelake.connect(uri)
    reader["made/random"].tokens(3)
    report = replace_dictionary(made.lake, "random", "other")
    assert report.collections == ("made/random",)
    assert best(uri, "made/random") == expected
    assert saelake.connect(uri).collections() == ["made/random"]
    with pytest.raises(NotFound, match="no collection made/other"):
        best(uri, "made/other")
    assert not snapshot.is_current
    values = snapshot.codes.codec.decode(snapshot.posting_list(3).max)
    assert dict(zip(snapshot.posting_list(3).doc.tolist(), values, strict=True)) == dict(before)
    assert saelake.connect(uri).verify().ok


def test_an_open_session_sees_the_replacement(
    made: MadeLake, second: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saelake.store.snapshot.fresh.FRESH_S", 0.0)
    session = Session(made.lake)
    first = session.collection("made/random")
    assert session.collection("made/random") is first
    assert RegisteredDictionary.open(session.lake, "random").d_sae == made.n_features
    replace_dictionary(made.lake, "random", "other")
    renewed = session.collection("made/random")
    assert renewed.settings.d_sae == second.n_features != made.n_features
    assert renewed.settings.dictionary == "random"
    assert RegisteredDictionary.open(session.lake, "random").d_sae == second.n_features
    assert RegisteredDictionary.find(session.lake, "other") is None


def test_what_was_replaced_goes_on(made: MadeLake, second: MadeLake) -> None:
    replace_dictionary(made.lake, "random", "other")
    grown = add_documents(made, 3, encoded=False)
    chosen = settings(n_features=second.n_features, name=CollectionName("made", "random"))
    with pytest.raises(AlreadyExists, match="was encoded with fingerprint = 'f-other'"):
        ShardWriter(grown.lake, chosen, buffer_bytes=1)
    same = replace(settings(n_features=second.n_features, name=second.name), dictionary="random")
    assert ShardCommitter(grown.lake, same).done() == [(0, 20)]
    third = add_dictionary(grown, "other", seed=9)  # the name is free, also for another
    assert best(made.lake.uri, "made/other") != best(made.lake.uri, "made/random")
    index(third.lake, third.name)
    assert saelake.connect(made.lake.uri).verify().ok


def test_a_dictionary_that_lacks_documents_replaces_nothing(
    made: MadeLake, second: MadeLake
) -> None:
    add_documents(made, 4)
    with pytest.raises(InvalidInput, match="4 documents of made/random are not encoded by other"):
        replace_dictionary(made.lake, "random", "other")
    for old, new in (("random", "nothing"), ("nothing", "random")):
        with pytest.raises(NotFound, match="no collection of a dictionary 'nothing'"):
            replace_dictionary(made.lake, old, new)
    with pytest.raises(InvalidInput, match="itself"):
        replace_dictionary(made.lake, "random", "random")
    assert read_names(made.lake.dictionary_names) == Names()


def test_of_two_replacements_the_second_looks_again(made: MadeLake, second: MadeLake) -> None:
    seen = made.lake.pinned()
    replace_dictionary(made.lake, "random", "other")
    with pytest.raises(Conflict, match="replaced at the same time"):
        replace_dictionary(seen, "random", "other")


# -- cleanup


def test_cleanup_deletes_what_was_replaced_and_is_old(made: MadeLake, second: MadeLake) -> None:
    replace_dictionary(made.lake, "random", "other")
    before = best(made.lake.uri, "made/random")
    assert clean_up(made.lake).retired == ()
    assert Path(made.lake.table("made--random.codes")).exists()
    report = clean_up(made.lake, older_than=timedelta(0), unverified=True)
    assert report.retired == ("random",)
    assert report.size_bytes > 0
    left = [table for table in made.lake.tables() if "--random" in table]
    assert left == []
    assert read(made.lake.dictionaries, ["name"])["name"].to_pylist() == ["other"]
    assert best(made.lake.uri, "made/random") == before


def test_a_tag_keeps_what_was_replaced(made: MadeLake, second: MadeLake) -> None:
    before = best(made.lake.uri, "made/random")
    make_tag(made.lake, "v1")
    replace_dictionary(made.lake, "random", "other")
    assert clean_up(made.lake, older_than=timedelta(0), unverified=True).retired == ()
    assert best(made.lake.uri, "made/random", at="v1") == before
    assert best(made.lake.uri, "made/random") == best(made.lake.uri, "made/other", at="v1")
    assert saelake.connect(made.lake.uri, at="v1").verify().ok


def test_cleanup_of_a_lake_keeps_its_newest_state(made: MadeLake) -> None:
    before = best(made.lake.uri, "made/random")
    table = Table.open(made.lake.codes(made.name))
    orphan = table.write(table.scan(table.schema.names))
    clean_up(made.lake, older_than=timedelta(0))
    add_documents(made, 1)  # a writer's files, not yet committed, are left alone
    assert orphan.fragments
    n_files = len(list((Path(table.uri) / "data").iterdir()))
    clean_up(made.lake, older_than=timedelta(0), unverified=True)
    assert len(list((Path(table.uri) / "data").iterdir())) < n_files
    assert best(made.lake.uri, "made/random")[: len(before)] != []
    assert saelake.connect(made.lake.uri).verify().ok


# -- drop


def test_a_dropped_collection_leaves_its_name_free(made: MadeLake, second: MadeLake) -> None:
    expected = best(made.lake.uri, "made/other")
    assert drop_target(made.lake, "made/random") == ("made/random",)
    assert saelake.connect(made.lake.uri).collections() == ["made/other"]
    assert [table for table in made.lake.tables() if "random" in table] == []
    check_free(made.lake, settings(n_features=99, name=made.name))
    another = RegisteredDictionary(name="random", fingerprint="another", d_sae=99)
    register_dictionary(made.lake, another, ["a"])
    assert RegisteredDictionary.find(made.lake, "random") == another
    assert vocabulary_of(made.lake, "random") == ["a"]
    assert best(made.lake.uri, "made/other") == expected
    with pytest.raises(NotFound, match="no collection made/random"):
        drop_target(made.lake, "made/random")


def test_a_dictionary_stays_while_another_corpus_has_it(made: MadeLake, tmp_path: Path) -> None:
    more = make_lake(tmp_path, n_documents=5, name=CollectionName("more", "random"), seed=2)
    drop_target(made.lake, "more/random")
    assert read(made.lake.dictionaries, ["name"])["name"].to_pylist()[-1] == "random"
    assert drop_target(more.lake, "more") == ("more",)
    assert made.lake.corpora() == ["made"]
    assert saelake.connect(made.lake.uri).verify().ok


def test_a_corpus_is_dropped_with_all_of_its(made: MadeLake, second: MadeLake) -> None:
    replace_dictionary(made.lake, "random", "other")
    assert drop_target(made.lake, "made") == ("made/random", "made")
    assert [table for table in made.lake.tables() if table.startswith("made")] == []
    again = make_lake(Path(made.lake.uri), n_documents=6, seed=4)
    assert len(again.texts) == saelake.connect(again.lake.uri).info()[0].n_documents == 6
    with pytest.raises(NotFound, match="no corpus 'nothing'"):
        drop_target(made.lake, "nothing")


@pytest.mark.parametrize("table", ["made.lance", "made--random.codes.lance"])
def test_a_drop_that_was_killed_goes_on(made: MadeLake, table: str) -> None:
    shutil.rmtree(Path(made.lake.uri) / table / "_versions")  # the rest is still there
    assert "made" in drop_target(made.lake, "made")
    assert not list(Path(made.lake.uri).glob("made*"))


# -- tags and times


def test_a_state_is_opened_again_by_tag_and_by_time(made: MadeLake) -> None:
    uri = made.lake.uri
    before = best(uri, "made/random")
    tag = make_tag(made.lake, "v1")
    assert (tag.name, tag.n_tables) == ("v1", len(made.lake.tables()))
    then = datetime.now(UTC).isoformat()
    add_documents(made, 6)
    index(made.lake, made.name)
    after = best(uri, "made/random")
    assert after != before
    for at in ("v1", then):
        assert best(uri, "made/random", at=at) == before
    assert best(uri, "made/random", at=datetime.now(UTC).isoformat()) == after
    assert [t.name for t in list_tags(made.lake)] == ["v1"]


def test_what_was_is_only_read(made: MadeLake) -> None:
    make_tag(made.lake, "v1")
    old = saelake.connect(made.lake.uri, at="v1")
    for write in (
        lambda: old.delete("made", ids=["d1"]),
        lambda: old.index("made/random"),
        lambda: old.compact("made"),
        lambda: old.cleanup(),
        lambda: old.replace("a", "b"),
        lambda: old.drop("made"),
        lambda: old.tag("v2"),
        lambda: old.untag("v1"),
        lambda: old.repair(),
    ):
        with pytest.raises(InvalidInput, match="as it was at 'v1'"):
            write()
    table = Table.open(f"{made.lake.codes(made.name)}#v1")
    with pytest.raises(InvalidInput, match="cannot be changed"):
        table.commit(lambda _: None)


def test_tags_are_names_that_are_free(made: MadeLake) -> None:
    make_tag(made.lake, "v1")
    with pytest.raises(AlreadyExists, match="tag v1 --delete"):
        make_tag(made.lake, "v1")
    for wrong in ("2026-11-21", "a b", "a/b", ""):
        with pytest.raises(InvalidInput, match="cannot be a tag"):
            make_tag(made.lake, wrong)
    with pytest.raises(NotFound, match=r"no tag 'v2'. Tags: v1\."):
        saelake.connect(made.lake.uri, at="v2")
    with pytest.raises(NotFound, match=r"as it was at 2020-01-01\. Collections: none"):
        best(made.lake.uri, "made/random", at="2020-01-01")
