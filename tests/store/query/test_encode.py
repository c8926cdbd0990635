"""Texts that are encoded now have the codes of their documents."""

import time
from collections import defaultdict
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import saelake
from saelake.store.documents.imports import import_documents
from saelake.store.engine import Engine
from saelake.store.errors import InvalidInput, MissingExtra, NotFound
from saelake.store.lake.lake import Lake
from saelake.store.requests.codes import CodesQuery
from saelake.store.requests.document import DocumentQuery
from saelake.store.requests.encode import MOST_CHARACTERS, MOST_TEXTS, EncodeQuery
from saelake.store.requests.waited.progress import Progress
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.workers.corpus import open_source
from saelake.workers.run import DictionaryChoice, EncodeOptions, encode
from saelake.workers.texts.texts import ModelTexts
from tests.encoded import NAME, EncodedLake, make_encoded_lake
from tests.tiny import save_corpus, save_dictionary, save_model

COLLECTION = str(NAME)
STEP = 2.0**-9  # of values in 16 bits; sums in batches of other sizes may differ in the last bit


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> EncodedLake:
    return make_encoded_lake(tmp_path_factory.mktemp("live"))


def asked(engine: Engine, collection: str, texts: list[str], **more: Any) -> list[dict[str, Any]]:
    query = EncodeQuery(collection=collection, texts=tuple(texts), **more)
    rows: list[dict[str, Any]] = engine.ask(query).read_all().to_pylist()
    return rows


def stored(engine: Engine, collection: str) -> dict[tuple[int, int], dict[int, float]]:
    """The codes of every document's tokens."""
    codes: dict[tuple[int, int], dict[int, float]] = defaultdict(dict)
    for row in engine.ask(CodesQuery(collection=collection)).read_all().to_pylist():
        codes[row["doc"], row["position"]][row["feature"]] = row["value"]
    return codes


def test_texts_have_the_codes_of_their_documents(encoded: EncodedLake) -> None:
    expected = stored(encoded.engine, COLLECTION)
    rows = asked(encoded.engine, COLLECTION, encoded.texts, k=None)
    found = {
        (row["text"], row["position"]): dict(zip(row["features"], row["values"], strict=True))
        for row in rows
    }
    fired = {place: codes for place, codes in found.items() if codes}
    assert set(fired) == set(expected)
    for place, codes in fired.items():
        assert codes == pytest.approx(expected[place], rel=STEP)


def test_tokens_are_those_of_the_document(encoded: EncodedLake) -> None:
    rows = asked(encoded.engine, COLLECTION, [encoded.texts[5]])
    query = DocumentQuery(collection=COLLECTION, doc=5)
    (document,) = encoded.engine.ask(query).read_all().to_pylist()
    for name, column in (
        ("token_id", "token_ids"),
        ("token_start", "token_starts"),
        ("token_length", "token_lengths"),
    ):
        assert [row[name] for row in rows] == document[column]
    places = ((row["token_start"], row["token_length"]) for row in rows)
    assert [row["token"] for row in rows] == [encoded.texts[5][a : a + n] for a, n in places]


def test_the_strongest_features_of_a_token_come_first(encoded: EncodedLake) -> None:
    every = asked(encoded.engine, COLLECTION, encoded.texts[:4], k=None)
    few = asked(encoded.engine, COLLECTION, encoded.texts[:4], k=2)
    assert max(len(row["features"]) for row in every) > 2
    for whole, cut in zip(every, few, strict=True):
        pairs = list(zip(whole["features"], whole["values"], strict=True))
        assert pairs == sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
        assert cut["features"] == whole["features"][:2]
        assert cut["values"] == whole["values"][:2]


def test_only_the_features_asked_for_are_told(encoded: EncodedLake) -> None:
    every = asked(encoded.engine, COLLECTION, encoded.texts[:4], k=None)
    wanted = sorted({feature for row in every for feature in row["features"]})[:3]
    some = asked(encoded.engine, COLLECTION, encoded.texts[:4], k=None, features=tuple(wanted))
    for whole, kept in zip(every, some, strict=True):
        assert kept["features"] == [f for f in whole["features"] if f in wanted]
    assert all(
        row["features"] == [] for row in asked(encoded.engine, COLLECTION, ["w1"], features=())
    )


def test_a_text_without_tokens_has_no_rows(encoded: EncodedLake) -> None:
    assert {row["text"] for row in asked(encoded.engine, COLLECTION, [" ", "w1 w2"])} == {1}
    assert asked(encoded.engine, COLLECTION, [""]) == []


def test_signed_values_have_poles(tmp_path: Path) -> None:
    save_model(tmp_path / "llama")
    save_dictionary(tmp_path / "signed", architecture="abstopk", seed=2)
    lake = Lake(str(tmp_path / "lake"))
    import_documents(lake, "words", open_source(str(save_corpus(tmp_path / "words.parquet", 8))))
    encode(
        lake,
        "words",
        model=str(tmp_path / "llama"),
        dictionaries=[DictionaryChoice(location=str(tmp_path / "signed"), name="sae")],
        options=EncodeOptions(),
    )
    with saelake.connect(lake.uri) as found:
        collection = found["words/sae"]
        text = collection.document(doc=3).text
        expected = [row for row in collection.codes().read_all().to_pylist() if row["doc"] == 3]
        told = {
            (token.position, fired.feature): fired.value
            for token in collection.encode(text, k=None)
            for fired in token.features
        }
        stored_there = {(row["position"], row["feature"]): row["value"] for row in expected}
        assert told == pytest.approx(stored_there, rel=STEP)
        signs = {f.pole for token in collection.encode(text) for f in token.features}
        assert signs == {"+", "-"}
        negative = next(f for t in collection.encode(text) for f in t.features if f.pole == "-")
        assert negative.value < 0
        only = collection.encode(text, features=f"-{negative.feature}")
        assert {(f.feature, f.pole) for t in only for f in t.features} == {(negative.feature, "-")}


def test_a_server_encodes_as_the_lake_itself(encoded: EncodedLake) -> None:
    settings = ServerSettings(uri=encoded.lake.uri, address=Address(port=0), texts=ModelTexts())
    with (
        BackgroundServer(settings) as server,
        saelake.connect(server.target) as remote,
        saelake.connect(encoded.lake.uri) as embedded,
    ):
        texts = encoded.texts[:3]
        found, expected = remote[COLLECTION].encode(texts), embedded[COLLECTION].encode(texts)
        assert found == expected
        assert found.to_arrow().equals(expected.to_arrow())
        assert f"{len(found)} tokens" in repr(found)
        assert found[0].features[0].feature == found.to_dicts()[0]["features"][0]


def test_who_waits_for_the_model_of_a_server_hears_at_which_place(encoded: EncodedLake) -> None:
    texts, heard, found = ModelTexts(), list[Progress](), list[object]()
    settings = ServerSettings(uri=encoded.lake.uri, address=Address(port=0), texts=texts)
    with BackgroundServer(settings) as server, saelake.connect(server.target) as remote:

        def ask() -> None:
            with saelake.progress(heard.append):
                found.append(remote[COLLECTION].encode("w1 w2"))

        asking = Thread(target=ask)
        with texts._turns.turn():
            asking.start()
            while not heard:
                assert asking.is_alive()
                time.sleep(0.01)
            assert heard[0].stage == "waiting for the model, place 1 in line"
            assert not found
        asking.join(60)
        assert found == [remote[COLLECTION].encode("w1 w2")]
        assert heard[-1].stage == "reading texts"


def test_too_much_is_refused(encoded: EncodedLake) -> None:
    for texts, said in (
        ([], "no text"),
        (["w1"] * (MOST_TEXTS + 1), "65"),
        (["x" * MOST_CHARACTERS, "y"], "characters"),
    ):
        with pytest.raises(InvalidInput, match=said):
            asked(encoded.engine, COLLECTION, texts)
    with pytest.raises(NotFound, match="no feature"):
        asked(encoded.engine, COLLECTION, ["w1"], features=(10_000,))
    with pytest.raises(MissingExtra, match=r"saelake\[workers\]"):
        asked(Engine(encoded.lake.uri), COLLECTION, ["w1"])
