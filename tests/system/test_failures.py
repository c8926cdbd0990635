"""What breaks is named with its remedy, nothing half-written shows, and the run goes on after."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save
from tokenizers import Tokenizer

from saelake.store.lake.lake import Lake
from tests.client.cli.command import PROGRAM, Ran, environment, run
from tests.tiny import WORDS, save_corpus, save_dictionary, save_model

N_DOCUMENTS = 60
NAME = "words/sae"


class Scene:
    """A model, a dictionary, and a lake with an imported corpus."""

    def __init__(self, folder: Path) -> None:
        self.model = save_model(folder / "model")
        self.dictionary = save_dictionary(folder / "sae")
        self.lake = folder / "lake"
        self.corpus = save_corpus(folder / "words.parquet", N_DOCUMENTS, longest=20)
        assert self.run("import", str(self.corpus)).code == 0

    def run(self, *arguments: str) -> Ran:
        return run(*arguments, "--lake", str(self.lake))

    def encode(self, *options: str) -> Ran:
        with_what = ["--model", str(self.model), "--dictionary", str(self.dictionary)]
        return self.run("encode", "words", *with_what, *options)

    def assert_goes_on(self) -> None:
        """The same command does the rest, and all tables agree."""
        ran = self.encode()
        assert f"Done: {NAME} has {N_DOCUMENTS} documents, " in ran.err.splitlines()[-1]
        assert self.run("index", NAME).code == 0
        assert self.run("verify").code == 0

    def assert_nothing_is_there(self) -> None:
        refused = self.run("tokens", NAME, "1")
        assert (refused.code, refused.out) == (1, "")
        assert "There is no collection words/sae" in refused.err

    def data_file(self, kind: str) -> Path:
        """The largest file of a table of the collection."""
        files = (self.lake / f"words--sae.{kind}.lance" / "data").iterdir()
        return max(files, key=lambda file: file.stat().st_size)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def refusal(ran: Ran) -> str:
    """The one line of a command that failed for a reason that it knows."""
    assert (ran.code, ran.out) == (1, "")
    last = ran.err.splitlines()[-1]
    assert last.startswith("Error: ")
    assert "Traceback" not in ran.err
    return last


@contextmanager
def changed(file: Path, change: Callable[[bytes], bytes | None]) -> Iterator[None]:
    """Inside, the file has other bytes, or None: it is not there."""
    whole = file.read_bytes()
    bytes_ = change(whole)
    if bytes_ is None:
        file.unlink()
    else:
        file.write_bytes(bytes_)
    try:
        yield
    finally:
        file.write_bytes(whole)


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    """With other bytes before the footer, where Lance keeps what it needs to read the rest."""
    return content[:-104] + bytes(byte ^ 0xFF for byte in content[-104:-40]) + content[-40:]


# --- files of a lake ---

DAMAGES = {"truncated": half, "flipped": flipped, "gone": lambda _: None}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_codes_are_named_with_the_remedy(
    scene: Scene, damage: Callable[[bytes], bytes | None]
) -> None:
    scene.assert_goes_on()
    with changed(scene.data_file("codes"), damage):
        said = refusal(scene.run("document", NAME, "--doc", "3"))
        assert f"{scene.lake}/words--sae.codes.lance is damaged: " in said
        assert "Bring its files back from a copy, or " in said
        assert said.endswith(", and encode again.")
        found = scene.run("verify", NAME)
        assert (found.code, found.err) == (1, "")
        assert "codes.lance is damaged" in "".join(found.out.split("\n"))
    assert scene.run("verify").code == 0


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_postings_can_be_made_again(
    scene: Scene, damage: Callable[[bytes], bytes | None]
) -> None:
    scene.assert_goes_on()
    answer = scene.run("tokens", NAME, "5").out
    with changed(scene.data_file("postings"), damage):
        said = refusal(scene.run("tokens", NAME, "5"))
        assert "words--sae.postings.lance is damaged: " in said
        assert said.endswith("from the codes.")
    for path in sorted((scene.lake / "words--sae.postings.lance").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    scene.assert_goes_on()
    assert scene.run("tokens", NAME, "5").out == answer


def test_flipped_values_do_not_pass_verification(scene: Scene) -> None:
    """Bytes in the middle of a file: Lance reads them, and what it reads contradicts itself."""
    scene.assert_goes_on()

    def flip(content: bytes) -> bytes:
        first, stop = len(content) * 6 // 16, len(content) * 10 // 16
        return content[:first] + bytes(b ^ 0xFF for b in content[first:stop]) + content[stop:]

    with changed(scene.data_file("codes"), flip):
        found = scene.run("verify", NAME)
        assert found.code == 1
        assert "DAMAGED" in found.out
    assert scene.run("verify").code == 0


# --- models, tokenizers and dictionaries ---


def test_a_truncated_dictionary_is_refused_before_anything_is_made(scene: Scene) -> None:
    weights = scene.dictionary / "sae_weights.safetensors"
    before = Lake(str(scene.lake)).tables()
    with changed(weights, half):
        said = refusal(scene.encode())
        assert f"{weights} cannot be read as weights; fetch it again" in said
        assert Lake(str(scene.lake)).tables() == before
    scene.assert_goes_on()


def test_a_collection_is_not_continued_with_another_tokenizer(scene: Scene) -> None:
    scene.assert_goes_on()
    more = save_corpus(scene.corpus, N_DOCUMENTS + 10, longest=20)
    assert scene.run("import", str(more)).code == 0
    vocabulary = {word: i for i, word in enumerate([*WORDS[:4], *reversed(WORDS[4:])])}

    def other(content: bytes) -> bytes:
        text = Tokenizer.from_buffer(content).to_str()
        for word, number in vocabulary.items():
            text = text.replace(f'"{word}": {WORDS.index(word)}', f'"{word}": {number}')
            text = text.replace(f'"{word}":{WORDS.index(word)}', f'"{word}":{number}')
        return text.encode()

    with changed(scene.model / "tokenizer.json", other):
        said = refusal(scene.encode())
        assert "The collection words/sae was encoded with tokenizer_fingerprint = " in said
        assert "Use the same settings to continue it" in said
        shown = scene.run("info", "--format", "json").out
        assert f'"n_encoded": {N_DOCUMENTS}' in shown or f'"n_encoded":{N_DOCUMENTS}' in shown
    ran = scene.encode()
    assert f"Done: {NAME} has {N_DOCUMENTS + 10} documents, " in ran.err.splitlines()[-1]


def test_a_tokenizer_with_tokens_that_the_model_lacks_is_another_model_s(scene: Scene) -> None:
    def larger(content: bytes) -> bytes:
        text = Tokenizer.from_buffer(content).to_str()
        for number, word in enumerate(WORDS[4:]):
            text = text.replace(f'"{word}":{number + 4}', f'"{word}":{number + 500}')
        return str(text).encode()

    with changed(scene.model / "tokenizer.json", larger):
        said = refusal(scene.encode())
        assert " documents can be encoded: the tokenizer of " in said
        assert "but the model has tokens 0 to 63" in said
        assert "put the model's own files back" in said
        scene.assert_nothing_is_there()
    scene.assert_goes_on()


def scaled(factor: float, *words: str) -> Callable[[bytes], bytes]:
    """The weights file of a model with larger vectors of all words, or of some."""

    def change(content: bytes) -> bytes:
        weights = load(content)
        rows = [WORDS.index(word) for word in words] or slice(None)
        weights["embed_tokens.weight"][rows] *= factor
        return save(weights, metadata={"format": "pt"})

    return change


def test_a_model_that_overflows_in_float16_stops_and_names_the_dtype(scene: Scene) -> None:
    """Vectors of the order of 1e5: float16 ends at 65,504."""
    weights = scene.model / "model.safetensors"
    large = scaled(1e6)(weights.read_bytes())
    weights.write_bytes(large)
    said = refusal(scene.encode("--dtype", "float16"))
    assert "documents can be encoded: the activation of token 0 is not finite" in said
    assert said.endswith(
        "model runs in float16: its numbers may be too large for that; use --dtype bfloat16 or "
        "--dtype float32."
    )
    scene.assert_nothing_is_there()
    scene.assert_goes_on()


def test_weights_that_are_not_numbers_stop_an_encode(scene: Scene) -> None:
    with changed(scene.model / "model.safetensors", scaled(torch.nan)):
        said = refusal(scene.encode())
        assert said.endswith(
            "check its weights and the dictionary's, and that they belong together."
        )
        scene.assert_nothing_is_there()
    scene.assert_goes_on()


def test_one_word_that_is_not_a_number_fails_its_documents_only(scene: Scene) -> None:
    weights = scene.model / "model.safetensors"
    weights.write_bytes(scaled(torch.nan, "w7")(weights.read_bytes()))
    ran = scene.encode()
    assert ran.code == 0
    assert f"{NAME} has {N_DOCUMENTS} documents, " in ran.err.splitlines()[-1]
    assert " of them failed, " in ran.err.splitlines()[-1]
    assert scene.run("index", NAME).code == 0
    assert scene.run("verify").code == 0


# --- interruption ---


@pytest.mark.parametrize("command", ["encode", "index"])
def test_an_interrupted_command_says_so_in_one_line_and_continues(
    scene: Scene, command: str
) -> None:
    with_what = ["--model", str(scene.model), "--dictionary", str(scene.dictionary)]
    arguments = ["encode", "words", *with_what, "--shard-documents", "1"]
    if command == "index":
        assert scene.encode().code == 0
        arguments = ["index", NAME]
    with subprocess.Popen(
        [*PROGRAM, *arguments, "--lake", str(scene.lake)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as running:
        assert running.stderr is not None
        while not running.stderr.readline().startswith(("Encoding", "Indexing")):
            pass
        running.send_signal(signal.SIGINT)
        last = running.stderr.readlines()[-1]
        assert running.wait(60) == 130
    assert last == "Error: Interrupted. What was committed is kept; the same command continues.\n"
    scene.assert_goes_on()
