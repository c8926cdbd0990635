"""The cache of delphi: which latents fire at which tokens of its sequences.

`<run>/latents/<hookpoint>/<start>_<end>.safetensors` has of the latents from start to end (which is
one of them) `locations` (n, 3), of each code the sequence, the position and the latent less start,
`activations` float16, and `tokens` (n_sequences, n_positions), which all files have in common.
Sequences become documents, of which the texts are the tokens' end to end.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from safetensors import SafetensorError, safe_open

from saelake.store.errors import CorpusError
from saelake.store.format.lists import Array
from saelake.store.format.schema import Unit
from saelake.store.format.vocabulary import nameless
from saelake.workers.outside.keys import Keys
from saelake.workers.outside.rows import UnitPlaces, VectorRows

SPLIT = re.compile(r"(\d+)_(\d+)\.safetensors")
CODES_AT_ONCE = 1 << 20
SEQUENCES_AT_ONCE = 1024
READ_ROWS = 1 << 20


def is_delphi(folder: Path) -> bool:
    """Whether a folder has a cache of one hook point."""
    return folder.is_dir() and any(SPLIT.fullmatch(path.name) for path in folder.iterdir())


@dataclass(slots=True, kw_only=True)
class DelphiVectors:
    """A cache of delphi, of one hook point (a `VectorSource`).

    `token_names` are the texts of token ids, of the tokenizer that it was made with; without any a
    token's text is its id.
    """

    name: str
    splits: Sequence["_Split"]
    tokens: Array
    unit: Unit | None = "token"
    token_names: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, folder: Path, token_names: Sequence[str]) -> "DelphiVectors":
        """The cache in a folder. Raises `CorpusError`."""
        paths = [p for p in sorted(folder.iterdir()) if SPLIT.fullmatch(p.name)]
        splits = sorted((_Split.of(path) for path in paths), key=lambda split: split.first)
        for before, split in pairwise(splits):
            if split.first != before.last + 1:
                raise CorpusError(
                    f"{folder} lacks the latents {before.last + 1} to {split.first - 1}: a file of "
                    "the cache is missing.",
                    folder=folder,
                )
        if not splits or splits[0].first != 0:
            raise CorpusError(f"{folder} lacks the first latents of the cache.", folder=folder)
        tokens = splits[0].tokens()
        if tokens is None:
            raise CorpusError(
                f"{folder} has no tokens: the cache was saved without them (save_tokens=False).",
                folder=folder,
            )
        return cls(
            name=folder.name,
            splits=splits,
            tokens=tokens,
            token_names=list(token_names),
        )

    @property
    def width(self) -> int | None:
        """How many latents there are."""
        return self.splits[-1].last + 1

    def rows(self, keys: Keys, _: Unit, /) -> Iterator[VectorRows]:
        """See `VectorSource`. A row is a token."""
        n_sequences = len(self.tokens)
        ends = [split.ends(n_sequences) for split in self.splits]
        whole = np.sum(ends, axis=0)
        first = 0
        while first < n_sequences:
            before = whole[first - 1] if first else 0
            most = int(np.searchsorted(whole, before + CODES_AT_ONCE, side="right"))
            last = min(max(most, first + 1), first + SEQUENCES_AT_ONCE, n_sequences)
            parts = [
                split.read(int(end[first - 1]) if first else 0, int(end[last - 1]))
                for split, end in zip(self.splits, ends, strict=True)
            ]
            yield self._rows(first, last, parts, keys)
            first = last

    def _rows(
        self, first: int, last: int, parts: Sequence[tuple[Array, Array, Array, Array]], keys: Keys
    ) -> VectorRows:
        n_positions = self.tokens.shape[1]
        sequence, position, latent, value = (
            np.concatenate([part[i] for part in parts]) for i in range(4)
        )
        if len(position) and position.max() >= n_positions:
            raise CorpusError(f"{self.name} has a code beyond the {n_positions} tokens.")
        row = (sequence.astype(np.int64) - first) * n_positions + position
        order = np.argsort(row, kind="stable")
        n_rows = (last - first) * n_positions
        tokens = self.tokens[first:last]
        texts, starts, ends = self._texts(tokens)
        ids = [f"{self.name}:{number}" for number in range(first, last)]

        def where(at: int) -> str:
            return f"{self.name}, sequence {first + at // n_positions}, token {at % n_positions}"

        return VectorRows(
            ids=[own for own in ids for _ in range(n_positions)],
            offsets=np.searchsorted(row[order], np.arange(n_rows + 1)),
            key=keys.of_numbers(latent[order].astype(np.int64)),
            value=value[order].astype(np.float64),
            where=where,
            places=UnitPlaces(
                start=starts,
                end=ends,
                position=np.tile(np.arange(n_positions), last - first),
                token_id=tokens.reshape(-1).astype(np.uint32),
            ),
            documents=pa.record_batch([ids, texts], names=["id", "text"]),
        )

    def _texts(self, tokens: Array) -> tuple[list[str], Array, Array]:
        """The text of each sequence, and where its tokens are in it."""
        texts, starts, ends = [], [], []
        between = "" if self.token_names else " "
        for sequence in tokens.tolist():
            pieces = [self._text(token) for token in sequence]
            lengths = np.array([len(piece) for piece in pieces], np.int64)
            end = np.cumsum(lengths + len(between)) - len(between)
            texts.append(between.join(pieces))
            starts.append(end - lengths)
            ends.append(end)
        return texts, np.concatenate(starts), np.concatenate(ends)

    def _text(self, token: int) -> str:
        if not self.token_names:
            return str(token)
        return self.token_names[token] if token < len(self.token_names) else nameless(token)


@dataclass(frozen=True, slots=True)
class _Split:
    """A file of the cache: the latents from `first` to `last`."""

    path: Path
    first: int
    last: int
    n_codes: int

    @classmethod
    def of(cls, path: Path) -> "_Split":
        """The file, looked at."""
        found = SPLIT.fullmatch(path.name)
        assert found is not None
        with _opened(path) as file:
            names = set(file.keys())
            if not {"locations", "activations"} <= names:
                raise CorpusError(f"{path} is no cache of delphi: it has {', '.join(names)}.")
            shapes = [file.get_slice(name).get_shape() for name in ("locations", "activations")]
        if len(shapes[0]) != 2 or shapes[0][1] != 3 or shapes[1] != [shapes[0][0]]:
            raise CorpusError(
                f"{path} is damaged: locations and activations do not fit each other."
            )
        return cls(path, int(found[1]), int(found[2]), int(shapes[0][0]))

    def tokens(self) -> Array | None:
        """The tokens of all sequences, int64 (n_sequences, n_positions)."""
        with _opened(self.path) as file:
            names = set(file.keys())
            return file.get_tensor("tokens") if "tokens" in names else None

    def ends(self, n_sequences: int) -> Array:
        """How many codes there are up to the end of each sequence, int64 (n_sequences,)."""
        counts = np.zeros(n_sequences, np.int64)
        before = -1
        with _opened(self.path) as file:
            locations = file.get_slice("locations")
            for begin in range(0, self.n_codes, READ_ROWS):
                end = min(begin + READ_ROWS, self.n_codes)
                sequence = locations[begin:end, 0].astype(np.int64)
                if sequence[0] < before or (np.diff(sequence) < 0).any():
                    raise CorpusError(f"{self.path} is not in the order of its sequences.")
                before = int(sequence[-1])
                if before >= n_sequences:
                    raise CorpusError(
                        f"{self.path} has a code of sequence {before}, without tokens."
                    )
                counts += np.bincount(sequence, minlength=n_sequences)
        return np.cumsum(counts)

    def read(self, begin: int, end: int) -> tuple[Array, Array, Array, Array]:
        """Of these codes the sequence, the position, the latent, and the value."""
        if begin == end:  # the library does not read nothing
            return np.empty(0, "i8"), np.empty(0, "i8"), np.empty(0, "i8"), np.empty(0, "f2")
        with _opened(self.path) as file:
            places = file.get_slice("locations")[begin:end].astype(np.int64)
            values = file.get_slice("activations")[begin:end]
        if len(places) and places[:, 2].max() > self.last - self.first:
            raise CorpusError(f"{self.path} has a latent that is not between those of its name.")
        return places[:, 0], places[:, 1], places[:, 2] + self.first, values


class _opened:  # noqa: N801  # used as a function
    """A safetensors file, in which what cannot be read is a `CorpusError`. A context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None

    def __enter__(self) -> Any:
        try:
            self._file = safe_open(self._path, framework="numpy")
        except (SafetensorError, OSError) as error:
            raise CorpusError(f"{self._path} cannot be read: {error}.", file=self._path) from error
        return self._file.__enter__()

    def __exit__(self, *ended: Any) -> None:
        self._file.__exit__(*ended)


def token_names_of(tokenizer: str) -> list[str]:
    """The text of each token id of a tokenizer: a folder, or its tokenizer.json."""
    from tokenizers import Tokenizer

    path = Path(tokenizer).expanduser()
    path = path / "tokenizer.json" if path.is_dir() else path
    try:
        found = Tokenizer.from_file(str(path))
    except Exception as error:  # what the library raises
        raise CorpusError(
            f"There is no tokenizer at {tokenizer}: give a folder with a tokenizer.json, or that "
            "file.",
            tokenizer=tokenizer,
        ) from error
    n = max(found.get_vocab(with_added_tokens=True).values(), default=-1) + 1
    texts = found.decode_batch([[token] for token in range(n)], skip_special_tokens=False)
    raw = [found.id_to_token(token) for token in range(n)]
    return [
        text or token or nameless(i) for i, (text, token) in enumerate(zip(texts, raw, strict=True))
    ]
