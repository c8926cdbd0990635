"""What every contestant of the encode benchmark gets: the same texts, model and dictionary.

This needs only the standard library, for it is also read where saelake is not installed.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Texts to encode, and with what.

    Attributes:
        texts: a Parquet file with the columns `id` and `text`.
        tokens: a `.npy` file `(n_documents, window) int64` with what the model reads of them,
            special tokens included; None where documents are of different lengths.
        n_documents: how many texts there are.
        n_tokens: their tokens that get codes: those of the text.
        module: the path of the hooked block in the transformers `AutoModel`.
        n_prefix: the special tokens before each text.
        n_suffix: those after it.
        window: the tokens of one sequence of the model, special ones included.
        max_tokens: how many tokens of each text are encoded; None is all.
        threads: the threads of each process.
        batch_tokens: the token budget of a batch.
        values: saelake's value codec.
        memory_bytes: saelake's setting for encode and for index; None is the default of each.
        shard_documents: saelake's setting.
    """

    model: str
    dictionary: str
    module: str
    texts: str
    tokens: str | None
    n_documents: int
    n_tokens: int
    n_prefix: int
    n_suffix: int
    window: int
    max_tokens: int | None
    threads: int
    batch_tokens: int = 2048
    values: str = "16-bit"
    memory_bytes: int | None = None
    shard_documents: int = 1000

    def write(self, path: Path) -> None:
        """Save it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """The workload that `write` saved."""
        return cls(**json.loads(Path(path).read_text()))
