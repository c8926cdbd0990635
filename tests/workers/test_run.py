"""Encoding a corpus, from documents to committed codes, against one document at a time."""

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, normalizers
from transformers import AutoModel, AutoTokenizer

from saelake.store.documents.documents import import_documents
from saelake.store.engine import Engine
from saelake.store.errors import (
    AlreadyExists,
    DictionaryMismatch,
    InvalidInput,
    MissingExtra,
    ModelError,
    SaelakeWarning,
    ValueOverflow,
)
from saelake.store.format.schema import MAX_PART_TOKENS
from saelake.store.growth.index import index
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.requests.codes import CodesQuery
from saelake.store.requests.document import DocumentQuery
from saelake.store.requests.embeddings import EmbeddingsQuery
from saelake.store.requests.verify import VerifyQuery
from saelake.store.snapshot.collection import Collection
from saelake.store.tables.tables import Table
from saelake.workers.corpus import open_source
from saelake.workers.dictionaries.load import load_dictionary
from saelake.workers.fleet import targets
from saelake.workers.fleet.naming import default_name
from saelake.workers.run import (
    DictionaryChoice,
    EncodeOptions,
    EncodeProgress,
    EncodeReport,
    RayCluster,
    encode,
)
from tests.tiny import (
    CHAT,
    HOOK,
    WORDS,
    K,
    save_corpus,
    save_dictionary,
    save_model,
    save_model_with_code,
)

WINDOW = 32
Found = tuple[int, int, int, int, float]
ROUNDING = 2.0**-10  # of the 16-bit codec, with a margin for the order of float sums


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, dictionaries and a corpus, which no test changes."""
    folder = tmp_path_factory.mktemp("parts")
    save_model(folder / "llama", window=WINDOW)
    save_model(folder / "bert", bert=True, window=WINDOW)
    save_dictionary(folder / "topk")
    save_dictionary(folder / "jumprelu", architecture="jumprelu", seed=1)
    save_dictionary(folder / "signed", architecture="abstopk", seed=2)
    save_corpus(folder / "corpus.parquet", 60)
    return folder


def imported(lake: Path, corpus: Path) -> Lake:
    opened = Lake(str(lake))
    import_documents(opened, "made", open_source(str(corpus)))
    return opened


def run(
    lake: Lake,
    parts: Path,
    *dictionaries: str,
    model: str = "llama",
    on_progress: Callable[[EncodeProgress], object] = lambda _: None,
    **options: Any,
) -> EncodeReport:
    choices = [DictionaryChoice(location=str(parts / name)) for name in dictionaries]
    return encode(
        lake,
        "made",
        model=str(parts / model),
        dictionaries=choices,
        options=EncodeOptions(**{"shard_documents": 7, **options}),
        on_progress=on_progress,
    )


def codes(lake: Lake, dictionary: str) -> pa.Table:
    return Engine(lake.uri).ask(CodesQuery(collection=f"made/{dictionary}")).read_all()


def assert_same(found: pa.Table, expected: pa.Table) -> None:
    """The same codes in the same order, values to the codec's rounding."""
    columns = ["doc", "position", "token_id", "feature"]
    assert found.select(columns).equals(expected.select(columns))
    np.testing.assert_allclose(found["value"], expected["value"], rtol=2 * ROUNDING)


def brute_force(parts: Path, model: str, dictionary: str, corpus: Path) -> list[Found]:
    """(doc, position, token id, feature, value) of every code, one window at a time."""
    tokenizer = AutoTokenizer.from_pretrained(parts / model)
    module = AutoModel.from_pretrained(parts / model, dtype=torch.float32).eval()
    sae = load_dictionary(parts / dictionary)
    frame = [2], [3]
    before, after = frame if model == "bert" else ([], [])
    content = WINDOW - len(before) - len(after)
    rows = []
    for doc, text in enumerate(pq.read_table(corpus)["text"].to_pylist()):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        for begin in range(0, len(ids), content):
            window = ids[begin : begin + content]
            with torch.no_grad():
                states = module(
                    torch.tensor([before + window + after]), output_hidden_states=True
                ).hidden_states
            hidden = states[2][0, len(before) : len(before) + len(window)]
            dense = sae.encode_dense(hidden)
            for offset, feature in dense.nonzero().tolist():
                value = float(dense[offset, feature])
                rows.append((doc, begin + offset, window[offset], feature, value))
    return rows


@pytest.mark.parametrize("model", ["llama", "bert"])
@pytest.mark.parametrize("dictionary", ["topk", "jumprelu", "signed"])
def test_stored_codes_are_those_of_one_document_at_a_time(
    tmp_path: Path, parts: Path, model: str, dictionary: str
) -> None:
    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    report = run(lake, parts, dictionary, model=model)
    found = codes(lake, dictionary)
    expected = brute_force(parts, model, dictionary, parts / "corpus.parquet")
    names = ["doc", "position", "token_id", "feature"]
    stored = [tuple(row[name] for name in names) for row in found.select(names).to_pylist()]
    assert stored == [row[:4] for row in expected]
    np.testing.assert_allclose(found["value"], [row[4] for row in expected], rtol=2 * ROUNDING)
    assert (report.n_documents, report.n_codes, report.n_failed) == (60, len(expected), 0)
    assert report.n_tokens == sum(
        len(t.split()) for t in pq.read_table(parts / "corpus.parquet")["text"].to_pylist()
    )
    if dictionary == "signed":
        assert min(row[4] for row in expected) < 0


@pytest.mark.parametrize(
    "options",
    [
        {"batch_tokens": 1},
        {"batch_tokens": 10_000},
        {"shard_documents": 1},
        {"shard_documents": 1000},
        {"memory_bytes": 16 << 20},
    ],
)
def test_how_it_is_run_does_not_change_what_is_stored(
    tmp_path: Path, parts: Path, options: dict[str, Any]
) -> None:
    lake = imported(tmp_path / "a", parts / "corpus.parquet")
    other = imported(tmp_path / "b", parts / "corpus.parquet")
    run(lake, parts, "topk")
    run(other, parts, "topk", **options)
    assert_same(codes(other, "topk"), codes(lake, "topk"))


def test_dictionaries_of_one_run_have_the_codes_of_their_own_runs(
    tmp_path: Path, parts: Path
) -> None:
    together = imported(tmp_path / "a", parts / "corpus.parquet")
    alone = imported(tmp_path / "b", parts / "corpus.parquet")
    report = run(together, parts, "topk", "signed", "jumprelu")
    assert report.collections == ("made/topk", "made/signed", "made/jumprelu")
    for name in ("topk", "signed", "jumprelu"):
        run(alone, parts, name)
        assert_same(codes(together, name), codes(alone, name))


def test_hooks_of_one_run_may_differ(tmp_path: Path, parts: Path) -> None:
    save_dictionary(tmp_path / "early", hook="blocks.0.hook_resid_post")
    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    choices = [
        DictionaryChoice(location=str(tmp_path / "early")),
        DictionaryChoice(location=str(parts / "topk"), name="late"),
        DictionaryChoice(location=str(parts / "topk"), name="again", hook="layers.0"),
    ]
    with pytest.warns(SaelakeWarning, match=r"again states .* is run at layers\.0"):
        encode(lake, "made", model=str(parts / "llama"), dictionaries=choices)
    early, late, again = (codes(lake, name) for name in ("early", "late", "again"))
    assert not early.equals(late)
    assert_same(again, early)


def test_overlapping_windows_give_each_token_once_with_more_context(
    tmp_path: Path, parts: Path
) -> None:
    lake = imported(tmp_path / "a", parts / "corpus.parquet")
    other = imported(tmp_path / "b", parts / "corpus.parquet")
    run(lake, parts, "topk", window=16)
    run(other, parts, "topk", window=16, overlap=8)
    plain, overlapping = codes(lake, "topk"), codes(other, "topk")
    places = ["doc", "position"]
    assert plain.select(places).equals(overlapping.select(places))  # every token has k codes
    first = [t.filter(pc.less(t["position"], 16)) for t in (plain, overlapping)]
    assert_same(first[1], first[0])
    assert not plain.select(["feature"]).equals(overlapping.select(["feature"]))


def test_special_tokens_are_stored_when_asked_for(tmp_path: Path, parts: Path) -> None:
    corpus = documents(tmp_path, ["w1 w2 w3"])
    plain, framed = imported(tmp_path / "a", corpus), imported(tmp_path / "b", corpus)
    run(plain, parts, "topk", model="bert")
    run(framed, parts, "topk", model="bert", special_tokens=True)
    query = DocumentQuery(collection="made/topk", doc=0)
    (row,) = Engine(framed.uri).ask(query).read_all().to_pylist()
    assert row["token_ids"] == [2, *(WORDS.index(word) for word in ("w1", "w2", "w3")), 3]
    assert row["token_lengths"] == [0, 2, 2, 2, 0]
    within = codes(framed, "topk")
    within = within.filter(pc.is_in(within["position"], pa.array([1, 2, 3], pa.uint32())))
    moved = within.set_column(2, "position", pc.subtract(within["position"], 1).cast(pa.uint32()))
    assert_same(moved, codes(plain, "topk"))


def test_a_bos_token_changes_the_codes_but_is_none_of_them(tmp_path: Path, parts: Path) -> None:
    corpus = documents(tmp_path, ["w1 w2 w3"])
    without, with_bos = imported(tmp_path / "a", corpus), imported(tmp_path / "b", corpus)
    run(without, parts, "topk", prepend_bos=False)
    with pytest.warns(SaelakeWarning, match="topk states contexts without BOS"):
        run(with_bos, parts, "topk", prepend_bos=True)
    module = AutoModel.from_pretrained(parts / "llama", dtype=torch.float32).eval()
    ids = torch.tensor([[WORDS.index(word) for word in ("<s>", "w1", "w2", "w3")]])
    with torch.no_grad():
        hidden = module(ids, output_hidden_states=True).hidden_states[2][0, 1:]
    dense = load_dictionary(parts / "topk").encode_dense(hidden)
    found = codes(with_bos, "topk")
    assert list(zip(found["position"].to_pylist(), found["feature"].to_pylist(), strict=True)) == [
        tuple(pair) for pair in dense.nonzero().tolist()
    ]
    np.testing.assert_allclose(found["value"], dense[dense != 0], rtol=2 * ROUNDING)
    assert not found.select(["value"]).equals(codes(without, "topk").select(["value"]))


def test_a_document_without_tokens_is_encoded_as_an_empty_row(tmp_path: Path, parts: Path) -> None:
    """A zero-width space is no white space, and no token to the tokenizer."""
    save_model(tmp_path / "model")
    tokenizer = Tokenizer.from_file(str(tmp_path / "model" / "tokenizer.json"))
    tokenizer.normalizer = normalizers.Replace("\u200b", "")
    tokenizer.save(str(tmp_path / "model" / "tokenizer.json"))
    lake = imported(tmp_path / "lake", documents(tmp_path, ["\u200b", "w1", "\u200b"]))
    choice = DictionaryChoice(location=str(parts / "topk"))
    report = encode(lake, "made", model=str(tmp_path / "model"), dictionaries=[choice])
    assert (report.n_documents, report.n_tokens, report.n_failed) == (3, 1, 0)
    query = DocumentQuery(collection="made/topk", doc=0)
    (row,) = Engine(lake.uri).ask(query).read_all().to_pylist()
    assert (row["token_ids"], row["features"], row["error"]) == ([], [], None)
    again = encode(lake, "made", model=str(tmp_path / "model"), dictionaries=[choice])
    assert again.n_documents == 0


def test_a_document_longer_than_a_part_is_read_whole(tmp_path: Path, parts: Path) -> None:
    """Its parts stay in one fragment, however little is buffered."""
    random = np.random.default_rng(0)
    long = " ".join(random.choice(WORDS[4:], 2 * MAX_PART_TOKENS + 5))
    lake = imported(tmp_path / "lake", documents(tmp_path, ["w1", long, *["w2 w3"] * 600]))
    report = run(lake, parts, "topk", memory_bytes=16 << 20, shard_documents=1000)
    assert report.n_tokens == 1 + 2 * MAX_PART_TOKENS + 5 + 1200
    table = Table.open(lake.codes(CollectionName.parse("made/topk")))
    assert len(table.fragments) > 1, "the test needs a buffer that is smaller than the document"
    query = DocumentQuery(collection="made/topk", doc=1)
    (row,) = Engine(lake.uri).ask(query).read_all().to_pylist()
    assert row["token_ids"] == [WORDS.index(word) for word in long.split()]
    assert sum(row["counts"]) == K * len(row["token_ids"])
    index(lake, CollectionName.parse("made/topk"))
    checks = Engine(lake.uri).ask(VerifyQuery()).read_all().to_pylist()
    assert [check for check in checks if not check["ok"]] == []


def test_max_tokens_keeps_the_beginning(tmp_path: Path, parts: Path) -> None:
    lake = imported(tmp_path / "a", parts / "corpus.parquet")
    other = imported(tmp_path / "b", parts / "corpus.parquet")
    run(lake, parts, "topk")
    run(other, parts, "topk", max_tokens=5)
    whole = codes(lake, "topk")
    assert_same(codes(other, "topk"), whole.filter(pc.less(whole["position"], 5)))


def test_chat_keeps_tokens_and_characters_aligned(tmp_path: Path, parts: Path) -> None:
    assert "<s>" in CHAT
    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    run(lake, parts, "topk", chat=True)
    engine = Engine(lake.uri)
    (row,) = engine.ask(DocumentQuery(collection="made/topk", id="d1")).read_all().to_pylist()
    shown = [
        row["text"][start : start + length]
        for start, length in zip(row["token_starts"], row["token_lengths"], strict=True)
    ]
    words = row["text"].split()
    assert [word for word in shown if word] == words
    assert [WORDS[i] for i, word in zip(row["token_ids"], shown, strict=True) if word] == words


def test_a_second_run_has_nothing_to_do_and_a_grown_corpus_only_its_growth(
    tmp_path: Path, parts: Path
) -> None:
    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    assert run(lake, parts, "topk").n_documents == 60
    before = codes(lake, "topk")
    assert run(lake, parts, "topk").n_documents == 0
    save_corpus(tmp_path / "more.parquet", 75)
    more = pq.read_table(tmp_path / "more.parquet")
    pq.write_table(more.slice(60), tmp_path / "more.parquet")
    import_documents(lake, "made", open_source(str(tmp_path / "more.parquet")))
    assert run(lake, parts, "topk").n_documents == 15
    after = codes(lake, "topk")
    assert after.slice(0, before.num_rows).equals(before)
    assert set(after.slice(before.num_rows)["doc"].to_pylist()) == set(range(60, 75))
    assert run(lake, parts, "topk", "signed").n_documents == 75


def test_a_signed_collection_from_before_poles_goes_on_with_its_rows(
    tmp_path: Path, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Codes of both halves are right, whatever their rows are; to the precision of the older."""

    def stop(progress: EncodeProgress) -> None:
        if progress.n_documents >= 20:
            raise Stop

    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    whole = imported(tmp_path / "whole", parts / "corpus.parquet")
    run(whole, parts, "signed")
    with monkeypatch.context() as before:
        before.setattr(targets, "continued", lambda _, chosen: replace(chosen, by_pole=False))
        with pytest.raises(Stop):
            run(lake, parts, "signed", on_progress=stop)
    assert run(lake, parts, "signed").n_documents < 60
    forms = [Collection(at, CollectionName("made", "signed")).settings for at in (lake, whole)]
    assert [form.by_pole for form in forms] == [False, True]
    found, expected = codes(lake, "signed"), codes(whole, "signed")
    columns = ["doc", "position", "token_id", "feature"]
    assert found.select(columns).equals(expected.select(columns))
    np.testing.assert_allclose(found["value"], expected["value"], rtol=4 * ROUNDING)


def test_collections_at_different_progress_are_completed_together(
    tmp_path: Path, parts: Path
) -> None:
    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    whole = imported(tmp_path / "whole", parts / "corpus.parquet")
    run(whole, parts, "topk", "signed")

    def stop(progress: EncodeProgress) -> None:
        if progress.n_documents >= 20:
            raise Stop

    with pytest.raises(Stop):
        run(lake, parts, "topk", on_progress=stop)
    report = run(lake, parts, "topk", "signed", shard_documents=11)
    assert report.n_documents == 60
    for name in ("topk", "signed"):
        assert_same(codes(lake, name), codes(whole, name))


def test_other_settings_are_another_collection(tmp_path: Path, parts: Path) -> None:
    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    run(lake, parts, "topk")
    with pytest.raises(AlreadyExists, match=r"max_tokens = None \(now 5\)"):
        run(lake, parts, "topk", max_tokens=5)
    save_dictionary(tmp_path / "topk", seed=9)
    choice = DictionaryChoice(location=str(tmp_path / "topk"))
    with pytest.raises(AlreadyExists, match="another dictionary named 'topk'"):
        encode(lake, "made", model=str(parts / "llama"), dictionaries=[choice])
    moved = parts / "llama"
    (tmp_path / "elsewhere").symlink_to(moved)
    choice = DictionaryChoice(location=str(parts / "topk"))
    same = encode(lake, "made", model=str(tmp_path / "elsewhere"), dictionaries=[choice])
    assert same.n_documents == 0


def test_a_refused_run_leaves_no_collection_behind(tmp_path: Path, parts: Path) -> None:
    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    run(lake, parts, "topk")
    before = lake.tables()
    with pytest.raises(AlreadyExists, match="made/topk"):
        run(lake, parts, "signed", "topk", max_tokens=5)
    choice = DictionaryChoice(location=str(parts / "signed"), hook="layers.9")
    with pytest.raises(ModelError, match=r"no hook point layers\.9"):
        encode(lake, "made", model=str(parts / "llama"), dictionaries=[choice])
    assert lake.tables() == before
    checks = Engine(lake.uri).ask(VerifyQuery()).read_all().to_pylist()
    assert all(check["ok"] for check in checks)


def test_a_dictionary_that_does_not_fit_is_refused(tmp_path: Path, parts: Path) -> None:
    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    save_dictionary(tmp_path / "wide", d_in=24)
    save_dictionary(tmp_path / "homeless", hook=None)
    wide = DictionaryChoice(location=str(tmp_path / "wide"))
    with pytest.raises(DictionaryMismatch, match="24") as caught:
        encode(lake, "made", model=str(parts / "llama"), dictionaries=[wide])
    assert "16" in str(caught.value)
    assert "llama" in str(caught.value) or HOOK in str(caught.value)
    homeless = DictionaryChoice(location=str(tmp_path / "homeless"))
    with pytest.raises(InvalidInput, match="--hook"):
        encode(lake, "made", model=str(parts / "llama"), dictionaries=[homeless])
    assert lake.collections() == []


def poisoned(parts: Path, folder: Path, word: str) -> Path:
    """A model with a word whose activations are not finite."""
    save_model(folder, window=WINDOW)
    weights = load_file(folder / "model.safetensors")
    weights["embed_tokens.weight"][WORDS.index(word)] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def documents(folder: Path, texts: Sequence[str]) -> Path:
    path = folder / "some.parquet"
    pq.write_table(pa.table({"id": [f"d{i}" for i in range(len(texts))], "text": texts}), path)
    return path


def test_a_document_that_cannot_be_encoded_is_recorded_with_its_reason(
    tmp_path: Path, parts: Path
) -> None:
    poisoned(parts, tmp_path / "model", "w7")
    texts = ["w1 w2 w3", "w4 " * (WINDOW + 1) + "w7 w5", "w6 w8", "w7", "w9 w1"]
    lake = imported(tmp_path / "lake", documents(tmp_path, texts))
    choice = DictionaryChoice(location=str(parts / "topk"))
    report = encode(lake, "made", model=str(tmp_path / "model"), dictionaries=[choice])
    assert (report.n_documents, report.n_failed) == (5, 2)
    found = codes(lake, "topk")
    assert set(found["doc"].to_pylist()) == {0, 2, 4}
    engine = Engine(lake.uri)
    (row,) = engine.ask(DocumentQuery(collection="made/topk", doc=1)).read_all().to_pylist()
    # Of the second window, all of which the word spoils; tokens are counted in the document.
    assert f"activation of token {WINDOW} is not finite" in row["error"]
    assert row["features"] == []
    embedded = engine.ask(EmbeddingsQuery(collection="made/topk")).read_all()
    assert embedded["doc"].to_pylist() == [0, 2, 4]
    index(lake, CollectionName.parse("made/topk"))
    assert all(check["ok"] for check in engine.ask(VerifyQuery()).read_all().to_pylist())
    again = encode(lake, "made", model=str(tmp_path / "model"), dictionaries=[choice])
    assert again.n_documents == 0


def test_on_error_fail_stops_and_stores_nothing_of_the_shard(tmp_path: Path, parts: Path) -> None:
    poisoned(parts, tmp_path / "model", "w7")
    lake = imported(tmp_path / "lake", documents(tmp_path, ["w1", "w2", "w3 w7", "w4"]))
    choice = DictionaryChoice(location=str(parts / "topk"))
    options = EncodeOptions(on_error="fail", shard_documents=2)
    with pytest.raises(ValueOverflow):
        encode(lake, "made", model=str(tmp_path / "model"), dictionaries=[choice], options=options)
    assert set(codes(lake, "topk")["doc"].to_pylist()) == {0, 1}
    done = encode(lake, "made", model=str(tmp_path / "model"), dictionaries=[choice])
    assert (done.n_documents, done.n_failed) == (2, 1)


def test_an_error_stops_all_stages_even_while_it_is_looked_at(tmp_path: Path, parts: Path) -> None:
    poisoned(parts, tmp_path / "model", "w7")
    lake = imported(tmp_path / "lake", documents(tmp_path, ["w7"] * 50))
    before = set(threading.enumerate())
    choice = DictionaryChoice(location=str(parts / "topk"))
    options = EncodeOptions(on_error="fail", shard_documents=1)
    with pytest.raises(ValueOverflow, match="Document 0: ") as caught:
        encode(lake, "made", model=str(tmp_path / "model"), dictionaries=[choice], options=options)
    assert caught.value.data["doc"] == "0"
    assert [t.name for t in set(threading.enumerate()) - before if "_fill" in t.name] == []


def test_values_beyond_the_codec_are_failures_and_never_infinite(
    tmp_path: Path, parts: Path
) -> None:
    save_dictionary(tmp_path / "huge", scale=1e12)
    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    choice = DictionaryChoice(location=str(tmp_path / "huge"))
    report = encode(lake, "made", model=str(parts / "llama"), dictionaries=[choice])
    assert report.n_failed == 60
    assert codes(lake, "huge").num_rows == 0


class Stop(Exception):
    """What interrupts a run."""


def test_an_interrupted_run_continues_where_it_stopped(tmp_path: Path, parts: Path) -> None:
    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    whole = imported(tmp_path / "whole", parts / "corpus.parquet")
    run(whole, parts, "topk", "signed")
    seen: list[EncodeProgress] = []

    def stop_at(calls: int) -> Callable[[EncodeProgress], object]:
        left = iter(range(calls))

        def on_progress(progress: EncodeProgress) -> None:
            seen.append(replace(progress))
            if next(left, None) is None:
                raise Stop

        return on_progress

    for calls in (0, 1, 3, 2, 4):
        with pytest.raises(Stop):
            run(lake, parts, "topk", "signed", on_progress=stop_at(calls))
    run(lake, parts, "topk", "signed", on_progress=lambda p: seen.append(replace(p)))
    assert 0 < seen[-1].n_total < 60, "the last run should have had less to do than the first"
    for name in ("topk", "signed"):
        assert_same(codes(lake, name), codes(whole, name))


def test_without_ray_a_cluster_says_what_to_install(
    tmp_path: Path, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "saelake.workers.ray.pool", raising=False)
    choice = DictionaryChoice(location=str(parts / "topk"))
    with pytest.raises(MissingExtra, match=r"pip install 'saelake\[ray\]'"):
        encode(
            lake,
            "made",
            model=str(parts / "llama"),
            dictionaries=[choice],
            cluster=RayCluster(address="local"),
        )


def test_a_document_that_the_model_cannot_run_is_recorded_and_others_encoded(
    tmp_path: Path, parts: Path
) -> None:
    """Its shard is split until it stands alone."""
    model = save_model_with_code(tmp_path / "model", failing="w7")
    texts = ["w1 w2"] * 20
    texts[11] = "w1 w7"
    lake = imported(tmp_path / "lake", documents(tmp_path, texts))
    choice = DictionaryChoice(location=str(parts / "topk"))
    trusting = EncodeOptions(trust_remote_code=True)
    report = encode(lake, "made", model=str(model), dictionaries=[choice], options=trusting)
    assert (report.n_documents, report.n_failed) == (20, 1)
    query = DocumentQuery(collection="made/topk", doc=11)
    (row,) = Engine(lake.uri).ask(query).read_all().to_pylist()
    assert row["error"] == "ArithmeticError: this model cannot run that token"
    assert set(codes(lake, "topk")["doc"].to_pylist()) == set(range(20)) - {11}


def test_wrong_settings_are_refused_together() -> None:
    with pytest.raises(InvalidInput, match=r"memory .*shard .*batch .*on_error .*values"):
        EncodeOptions(
            memory_bytes=1,
            shard_documents=0,
            batch_tokens=0,
            on_error="ignore",  # type: ignore[arg-type]  # on purpose
            values="4-bit",
        )


@pytest.mark.parametrize("options", [{"window": 0}, {"window": WINDOW + 1}, {"overlap": WINDOW}])
def test_windows_that_cannot_be_are_refused(
    tmp_path: Path, parts: Path, options: dict[str, Any]
) -> None:
    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    with pytest.raises(InvalidInput, match=r"[Ww]indow"):
        run(lake, parts, "topk", **options)
    assert lake.tables() == ["made"]


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("saes/topk", "topk"),
        ("saes/topk/", "topk"),
        ("/data/me@home/topk", "topk"),
        ("hf://owner/name", "name"),
        ("hf://owner/name/layer.3@main", "layer.3"),
        ("hf://owner/name@refs/pr/1", "name"),
    ],
)
def test_a_dictionary_is_called_as_its_folder(location: str, name: str) -> None:
    assert default_name(location) == name
