"""Each dictionary's texts are read as it states, whatever else is encoded with it."""

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from saelake.store.activations.table import ActivationsTable
from saelake.store.documents.documents import import_documents
from saelake.store.engine import Engine
from saelake.store.errors import AlreadyExists, SaelakeWarning
from saelake.store.format.schema import CollectionSettings
from saelake.store.growth.shards import begun_settings
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.requests.codes import CodesQuery
from saelake.store.tables.tables import Table, metadata, overwrite
from saelake.workers.corpus import open_source
from saelake.workers.dictionaries.load import load_dictionary
from saelake.workers.encoder.options import KeepOptions
from saelake.workers.fleet.contexts import Notes
from saelake.workers.reencode import reencode
from saelake.workers.run import (
    DictionaryChoice,
    EncodeOptions,
    EncodeProgress,
    EncodeReport,
    RayCluster,
    encode,
)
from tests.tiny import HOOK, WORDS, save_corpus, save_dictionary, save_model

WINDOW = 32
BOS = WORDS.index("<s>")
N_DOCUMENTS = 30
STEP = 2.0**-9

# What each dictionary states: whether texts begin with BOS, and how many tokens a context has.
STATED: dict[str, tuple[bool | None, int | None]] = {
    "bos": (True, None),
    "bare": (False, None),
    "short": (False, 12),
    "silent": (None, None),
    "long": (True, 4096),
}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose tokenizer adds BOS, one whose does not, and dictionaries of either."""
    folder = tmp_path_factory.mktemp("parts")
    save_model(folder / "adds", window=WINDOW, adds_bos=True)
    save_model(folder / "plain", window=WINDOW)
    save_model(folder / "bert", window=WINDOW, bert=True)
    for seed, (name, (begins, size)) in enumerate(STATED.items()):
        save_dictionary(folder / name, prepend_bos=begins, context_size=size, seed=seed)
    save_corpus(folder / "corpus.parquet", N_DOCUMENTS)
    return folder


def imported(folder: Path, parts: Path) -> Lake:
    lake = Lake(str(folder))
    import_documents(lake, "made", open_source(str(parts / "corpus.parquet")))
    return lake


def run(
    lake: Lake,
    parts: Path,
    *names: str,
    model: str = "adds",
    on_progress: Callable[[EncodeProgress], object] = lambda _: None,
    **options: Any,
) -> EncodeReport:
    return encode(
        lake,
        "made",
        model=str(parts / model),
        dictionaries=[DictionaryChoice(location=str(parts / name)) for name in names],
        options=EncodeOptions(**{"shard_documents": 7, **options}),
        on_progress=on_progress,
    )


def codes(lake: Lake, name: str) -> pa.Table:
    return Engine(lake.uri).ask(CodesQuery(collection=f"made/{name}")).read_all()


def settings(lake: Lake, name: str) -> CollectionSettings:
    found = begun_settings(lake, CollectionName("made", name))
    assert found is not None
    return found


def assert_same(found: pa.Table, expected: pa.Table) -> None:
    places = ["doc", "position", "token_id", "feature"]
    assert found.select(places).equals(expected.select(places))
    np.testing.assert_allclose(found["value"], expected["value"], rtol=STEP)


def brute_force(parts: Path, model: str, name: str, *, begins: bool, window: int) -> pa.Table:
    """Every code, one window at a time, by transformers alone."""
    module = AutoModel.from_pretrained(parts / model, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(parts / model)
    sae = load_dictionary(parts / name)
    prefix = [BOS] if begins else []
    rows = []
    for doc, text in enumerate(pq.read_table(parts / "corpus.parquet")["text"].to_pylist()):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        for first in range(0, len(ids), window - len(prefix)):
            part = ids[first : first + window - len(prefix)]
            with torch.no_grad():
                states = module(
                    torch.tensor([prefix + part]), output_hidden_states=True
                ).hidden_states
            dense = sae.encode_dense(states[2][0, len(prefix) :])
            for token, feature in dense.nonzero().tolist():
                value = float(dense[token, feature])
                rows.append((doc, first + token, part[token], feature, value))
    names = ["doc", "position", "token_id", "feature", "value"]
    types = [pa.uint64(), pa.uint32(), pa.uint32(), pa.uint32(), pa.float32()]
    columns = zip(*rows, strict=True)
    return pa.table({n: pa.array(c, t) for n, c, t in zip(names, columns, types, strict=True)})


@pytest.mark.parametrize(
    ("name", "model", "begins", "window"),
    [
        ("bos", "adds", True, WINDOW),
        ("bare", "adds", False, WINDOW),
        ("short", "adds", False, 12),
        ("silent", "adds", True, WINDOW),
        ("bos", "plain", True, WINDOW),
        ("bare", "plain", False, WINDOW),
        ("silent", "plain", False, WINDOW),
    ],
)
def test_codes_are_those_of_the_stated_context(
    tmp_path: Path, parts: Path, name: str, model: str, begins: bool, window: int
) -> None:
    lake = imported(tmp_path / "lake", parts)
    report = run(lake, parts, name, model=model)
    assert report.notes == ()
    assert_same(
        codes(lake, name).select(["doc", "position", "token_id", "feature", "value"]),
        brute_force(parts, model, name, begins=begins, window=window),
    )
    stored = settings(lake, name)
    assert (stored.prepend_bos, stored.window) == (begins, window)
    assert (stored.stated_bos, stored.stated_window) == STATED[name]


def test_dictionaries_of_one_run_do_not_change_each_other_s_context(
    tmp_path: Path, parts: Path
) -> None:
    together, alone = imported(tmp_path / "a", parts), imported(tmp_path / "b", parts)
    report = run(together, parts, "bos", "short", "bare")
    assert report.notes == (
        "3 passes, for the dictionaries read texts differently: bos with BOS, 32 tokens; short "
        "without BOS, 12 tokens; bare without BOS, 32 tokens.",
    )
    assert report.collections == ("made/bos", "made/short", "made/bare")
    n_tokens = 0
    for name in ("bos", "short", "bare"):
        n_tokens = run(alone, parts, name).n_tokens
        assert_same(codes(together, name), codes(alone, name))
        assert settings(together, name) == settings(alone, name)
    assert (report.n_documents, report.n_tokens) == (N_DOCUMENTS, n_tokens)
    assert report.n_codes == sum(codes(alone, n).num_rows for n in ("bos", "short", "bare"))


def test_dictionaries_that_agree_share_a_pass(tmp_path: Path, parts: Path) -> None:
    """Also one that states nothing, and so is read as this tokenizer does."""
    lake = imported(tmp_path / "lake", parts)
    with counted_runs() as n_together:
        assert run(lake, parts, "bos", "silent").notes == ()
    other = imported(tmp_path / "other", parts)
    with counted_runs() as n_alone:
        run(other, parts, "bos")
    # A dictionary's width is asked of the model in a run of its own.
    assert len(n_together) == len(n_alone)


class counted_runs:  # noqa: N801  # a context manager, written as one
    """How often a model is run within: a list with an entry for each."""

    def __enter__(self) -> list[int]:
        self._runs: list[int] = []
        hook = torch.nn.modules.module.register_module_forward_pre_hook
        self._handle = hook(self._note)
        return self._runs

    def _note(self, module: torch.nn.Module, _: Any) -> None:
        if type(module).__name__ == "LlamaModel":
            self._runs.append(1)

    def __exit__(self, *_: object) -> None:
        self._handle.remove()


class Stop(Exception):
    """What interrupts a run."""


def test_a_run_of_several_passes_continues_where_it_stopped(tmp_path: Path, parts: Path) -> None:
    lake, whole = imported(tmp_path / "lake", parts), imported(tmp_path / "whole", parts)
    names = ("bos", "short", "bare")
    run(whole, parts, *names)

    def stop_at(calls: int) -> Callable[[EncodeProgress], object]:
        left = iter(range(calls))

        def on_progress(_: EncodeProgress) -> None:
            if next(left, None) is None:
                raise Stop

        return on_progress

    for calls in (3, 5, 9, 4):
        with pytest.raises(Stop):
            run(lake, parts, *names, on_progress=stop_at(calls))
    assert 0 < codes(lake, "bos").num_rows < codes(whole, "bos").num_rows
    report = run(lake, parts, *names)
    assert 0 < report.n_documents < N_DOCUMENTS
    for name in names:
        assert_same(codes(lake, name), codes(whole, name))
    assert run(lake, parts, *names).n_documents == 0


def test_collections_of_several_passes_at_different_progress_are_completed(
    tmp_path: Path, parts: Path
) -> None:
    lake, whole = imported(tmp_path / "lake", parts), imported(tmp_path / "whole", parts)
    run(whole, parts, "bos", "short")
    run(lake, parts, "short")
    assert run(lake, parts, "bos", "short").n_documents == N_DOCUMENTS
    for name in ("bos", "short"):
        assert_same(codes(lake, name), codes(whole, name))


@pytest.mark.parametrize(
    ("options", "name", "said"),
    [
        (
            {"prepend_bos": True},
            "bare",
            "bare states contexts without BOS, and is encoded with BOS, as --prepend-bos says.",
        ),
        (
            {"prepend_bos": False},
            "bos",
            "bos states contexts with BOS, and is encoded without BOS, as --no-prepend-bos says.",
        ),
        (
            {"window": 20},
            "short",
            "short states a context of 12 tokens, and is encoded in windows of 20, as --window "
            "says.",
        ),
    ],
)
def test_an_option_against_what_a_dictionary_states_is_said(
    tmp_path: Path, parts: Path, options: dict[str, Any], name: str, said: str
) -> None:
    lake = imported(tmp_path / "lake", parts)
    seen: list[EncodeProgress] = []
    with pytest.warns(SaelakeWarning) as caught:
        report = run(lake, parts, name, on_progress=seen.append, **options)
    assert [str(warning.message) for warning in caught] == [said]
    assert report.notes == (said,)
    assert seen[0].is_loading
    assert seen[1].warnings == (said,)
    stored = settings(lake, name)
    assert {key: getattr(stored, key) for key in options} == options
    assert (stored.stated_bos, stored.stated_window) == STATED[name]
    begins, window = bool(stored.prepend_bos), stored.window
    expected = brute_force(parts, "adds", name, begins=begins, window=window)
    assert_same(codes(lake, name).select(expected.column_names), expected)


def test_an_option_that_agrees_is_not_worth_a_word(tmp_path: Path, parts: Path) -> None:
    lake = imported(tmp_path / "lake", parts)
    assert run(lake, parts, "short", prepend_bos=False, window=12).notes == ()
    assert run(lake, parts, "silent", prepend_bos=False, window=9).notes == ()


def test_a_context_beyond_the_model_s_is_clipped_and_said(tmp_path: Path, parts: Path) -> None:
    lake = imported(tmp_path / "lake", parts)
    (said,) = run(lake, parts, "long").notes
    assert said == (
        "long states a context of 4,096 tokens, and adds reads at most 32 at once: those are its "
        "windows."
    )
    assert settings(lake, "long").window == WINDOW


def test_a_cls_token_stays_and_is_no_disagreement(tmp_path: Path, parts: Path) -> None:
    lake = imported(tmp_path / "lake", parts)
    assert run(lake, parts, "bare", "bos", "silent", model="bert").notes == ()
    assert {settings(lake, name).prepend_bos for name in ("bare", "bos", "silent")} == {None}


def as_earlier(lake: Lake, name: str, **changes: Any) -> None:
    """Have a collection be of an earlier saelake, which stored less of its settings."""
    uri = lake.codes(CollectionName("made", name))
    rows = Table.open(uri).read()
    stored = json.loads(metadata(rows.schema)["saelake:collection"]) | changes
    stored = {key: value for key, value in stored.items() if not key.startswith("stated")}
    own = {**metadata(rows.schema), "saelake:collection": json.dumps(stored)}
    overwrite(uri, rows.replace_schema_metadata(own))


@pytest.mark.parametrize(
    ("name", "model"), [("bos", "adds"), ("silent", "adds"), ("bare", "plain"), ("bare", "bert")]
)
def test_a_collection_whose_bos_was_left_to_the_tokenizer_is_continued(
    tmp_path: Path, parts: Path, name: str, model: str
) -> None:
    lake = imported(tmp_path / "lake", parts)
    run(lake, parts, name, model=model)
    as_earlier(lake, name, prepend_bos=None)
    more = pa.table({"id": ["new"], "text": ["w1 w2"], "label": ["pos"]})
    pq.write_table(more, tmp_path / "more.parquet")
    import_documents(lake, "made", open_source(str(tmp_path / "more.parquet")))
    assert run(lake, parts, name, model=model).n_documents == 1
    assert settings(lake, name).prepend_bos is None


def test_a_collection_that_was_read_otherwise_is_not_continued(tmp_path: Path, parts: Path) -> None:
    """An earlier saelake read this dictionary's texts with the BOS that the tokenizer adds."""
    lake = imported(tmp_path / "lake", parts)
    run(lake, parts, "bare")
    as_earlier(lake, "bare", prepend_bos=None)
    with pytest.raises(AlreadyExists, match=r"prepend_bos = None \(now False\)"):
        run(lake, parts, "bare")
    with pytest.warns(SaelakeWarning, match="--prepend-bos"):
        assert run(lake, parts, "bare", prepend_bos=True).n_documents == 0


def test_activations_are_kept_of_each_context(tmp_path: Path, parts: Path) -> None:
    lake = imported(tmp_path / "lake", parts)
    run(lake, parts, "bos", "bare", "silent", keep_activations=KeepOptions())
    stores = lake.activation_stores()
    assert stores == [CollectionName("made", "bare"), CollectionName("made", "bos")]
    begin = {ActivationsTable.open(lake, s).settings.collection.prepend_bos for s in stores}
    assert begin == {True, False}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "bare",
            "bare states contexts without BOS, and is encoded with BOS, as the activations kept "
            "of made/bos were.",
        ),
        (
            "long",
            "long states a context of 4,096 tokens, and is encoded in windows of 32, as the "
            "activations kept of made/bos were.",
        ),
    ],
)
def test_kept_activations_of_another_context_are_said(
    tmp_path: Path, parts: Path, name: str, said: str
) -> None:
    lake = imported(tmp_path / "lake", parts)
    run(lake, parts, "bos", keep_activations=KeepOptions())
    choices = [DictionaryChoice(location=str(parts / name))]
    with pytest.warns(SaelakeWarning) as caught:
        report = reencode(lake, "made", source="made/bos", dictionaries=choices)
    assert [str(warning.message) for warning in caught] == [said]
    assert report.notes == (said,)
    stored = settings(lake, name)
    assert (stored.stated_bos, stored.stated_window) == STATED[name]
    assert stored.prepend_bos is True


def test_kept_activations_that_do_not_say_how_texts_began_are_told_of() -> None:
    kept = replace(MADE, prepend_bos=None, tokens_from="made/a", stated_bos=False)
    (said,) = Notes.of([kept], EncodeOptions())
    assert said == (
        "d states contexts without BOS, and the kept activations were read as the tokenizer "
        "begins texts."
    )
    assert not Notes.of([replace(kept, stated_bos=None)], EncodeOptions()).told


MADE = CollectionSettings(
    corpus="made",
    dictionary="d",
    fingerprint="f",
    architecture="topk",
    d_in=8,
    d_sae=8,
    signed=False,
    model="m",
    model_fingerprint="m",
    hook=HOOK,
    window=WINDOW,
)


@pytest.fixture(scope="module")
def sae_lens() -> Any:
    pytest.importorskip("sae_lens")
    pytest.importorskip("datasets")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module("sae_lens")


def sequences(sae_lens: Any, sae: Any, model: Any, text: str, size: int) -> Iterator[torch.Tensor]:
    """The token sequences that SAELens makes of one text, the last cut off where the text ends."""
    store = import_module("sae_lens.training.activations_store").ActivationsStore
    rows = import_module("datasets").Dataset.from_dict({"text": [text] * 3})
    made = store.from_sae(
        model=model, sae=sae, dataset=rows, context_size=size, store_batch_size_prompts=1,
        n_batches_in_buffer=2, total_tokens=10, device="cpu", streaming=False,
    )  # fmt: skip
    return iter(made._iterate_tokenized_sequences())


@pytest.mark.parametrize("begins", [True, False])
def test_codes_are_those_of_sae_lens_s_own_run(
    tmp_path: Path, parts: Path, sae_lens: Any, begins: bool
) -> None:
    """SAELens tokenises, runs the model and encodes; its first context is compared."""
    size = 16
    save_dictionary(tmp_path / "sae", prepend_bos=begins, context_size=size, hook="layers.1")
    config = json.loads((tmp_path / "sae" / "cfg.json").read_text())
    config["metadata"]["sae_lens_version"] = "6.0.0"  # else it is read as an older layout
    (tmp_path / "sae" / "cfg.json").write_text(json.dumps(config))
    texts = [" ".join(WORDS[4 + i : 4 + i + 40]) for i in range(5)]
    rows = pa.table({"id": list("abcde"), "text": texts})
    pq.write_table(rows, tmp_path / "c.parquet")
    lake = Lake(str(tmp_path / "lake"))
    import_documents(lake, "made", open_source(str(tmp_path / "c.parquet")))
    choice = DictionaryChoice(location=str(tmp_path / "sae"))
    encode(lake, "made", model=str(parts / "adds"), dictionaries=[choice])
    found = codes(lake, "sae").to_pylist()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sae = sae_lens.SAE.load_from_disk(tmp_path / "sae", device="cpu", dtype="float32")
        tokenizer = AutoTokenizer.from_pretrained(parts / "adds")
        tokenizer.add_bos_token = True
        assert tokenizer("w1")["input_ids"][0] == BOS, "the test is about tokenizers that add it"
        module = LlamaForCausalLM(LlamaConfig.from_pretrained(parts / "adds"))
        module.model = AutoModel.from_pretrained(parts / "adds", dtype=torch.float32).eval()
        hooked = import_module("sae_lens.load_model").HookedProxyLM(
            module, tokenizer, hook_names=["model.layers.1"]
        )
        for doc, text in enumerate(texts):
            ids = next(sequences(sae_lens, sae, hooked, text, size))
            assert (len(ids), bool(ids[0] == BOS)) == (size, begins)
            with torch.no_grad():
                _, cache = hooked.run_with_cache(ids[None], names_filter=["model.layers.1"])
                dense = sae.encode(cache["model.layers.1"][0])[int(begins) :]
            ours = np.zeros(dense.shape, np.float32)
            for row in found:
                if row["doc"] == doc and row["position"] < len(dense):
                    ours[row["position"], row["feature"]] = row["value"]
            np.testing.assert_allclose(ours, dense.numpy(), rtol=STEP, atol=1e-6)


@pytest.mark.slow
def test_passes_and_failures_on_ray_are_those_of_this_process(tmp_path: Path, parts: Path) -> None:
    """Also a document with a token that the model lacks is recorded, and stops no worker."""
    pytest.importorskip("ray")
    model = tmp_path / "adds"
    save_model(model, window=WINDOW, adds_bos=True)
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_tokens(["<think>"])
    tokenizer.save_pretrained(model)
    texts = ["w1 w2 w3", "w4 <think> w5", *["w6 w7 w8"] * 5]
    ids = [f"d{i}" for i in range(len(texts))]
    pq.write_table(pa.table({"id": ids, "text": texts}), tmp_path / "c.parquet")
    choices = [DictionaryChoice(location=str(parts / name)) for name in ("bos", "short")]
    lakes: list[Lake] = []
    for cluster in (None, RayCluster(address="local", workers=1, cpus_per_worker=1)):
        lake = Lake(str(tmp_path / f"lake-{len(lakes)}"))
        import_documents(lake, "made", open_source(str(tmp_path / "c.parquet")))
        options = EncodeOptions(shard_documents=3)
        report = encode(
            lake, "made", model=str(model), dictionaries=choices, options=options, cluster=cluster
        )
        assert (report.n_documents, report.n_failed) == (len(texts), 2)
        assert report.notes[0].startswith("2 passes")
        lakes.append(lake)
    for name in ("bos", "short"):
        assert_same(codes(lakes[1], name), codes(lakes[0], name))
        assert 1 not in codes(lakes[1], name)["doc"].to_pylist()
