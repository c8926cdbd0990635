"""How to encode: which dictionaries, and the settings of a run."""

from dataclasses import dataclass
from typing import get_args

from saelake.store.errors import InvalidInput
from saelake.store.format.values import CODECS
from saelake.workers.encoder.options import KeepOptions, OnError, Quantization

DEFAULT_MEMORY_BYTES = 512 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DictionaryChoice:
    """A dictionary to encode with: where it is, and optionally its name and hook point.

    `norm_factor` is what activations are multiplied with, for a dictionary that was trained on
    scaled ones and does not say by how much.
    """

    location: str
    name: str | None = None
    hook: str | None = None
    norm_factor: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeOptions:
    """How to encode. What is None is chosen by the model, the dictionaries or the device.

    `window` (tokens, special ones included): each dictionary's training context, at most the
    model's. `prepend_bos`: as each dictionary states, and where it states nothing as the tokenizer
    does. Dictionaries that differ in these are run in separate passes. `memory_bytes` bounds what
    is under way beside the weights: dense chunks, pages and rows that wait to be written.
    `shard_documents` is how much work a killed run can lose. `keep_activations` also keeps the
    dense activations of some or all tokens. With `batch_invariant` each
    window is run alone, so that codes do not depend on what else is in a batch. `device` may be
    several, with commas between them, over which the model is spread. `quantization` loads its
    weights in fewer bits: int8 or fp8 (torchao), bnb-8bit or bnb-4bit (bitsandbytes).
    """

    window: int | None = None
    overlap: int = 0
    max_tokens: int | None = None
    special_tokens: bool = False
    prepend_bos: bool | None = None
    chat: bool = False
    values: str = "16-bit"
    device: str | None = None
    dtype: str | None = None
    batch_tokens: int | None = None
    memory_bytes: int = DEFAULT_MEMORY_BYTES
    shard_documents: int = 1000
    on_error: OnError = "skip"
    trust_remote_code: bool = False
    keep_activations: KeepOptions | None = None
    batch_invariant: bool = False
    quantization: str | None = None

    def __post_init__(self) -> None:
        problems = []
        if self.memory_bytes < 16 << 20:
            problems.append(f"memory must be at least 16 MiB, not {self.memory_bytes} bytes")
        if self.shard_documents < 1:
            problems.append(f"a shard has at least 1 document, not {self.shard_documents}")
        if self.batch_tokens is not None and self.batch_tokens < 1:
            problems.append(f"a batch has at least 1 token, not {self.batch_tokens}")
        if self.on_error not in ("skip", "fail"):
            problems.append(f"on_error is skip or fail, not {self.on_error!r}")
        codecs = [codec.name for codec in CODECS]
        if self.values not in codecs:
            problems.append(f"values are {' or '.join(codecs)}, not {self.values!r}")
        ways = get_args(Quantization)
        if self.quantization is not None and self.quantization not in ways:
            problems.append(f"quantization is {', '.join(ways)}, not {self.quantization!r}")
        if problems:
            raise InvalidInput("; ".join(problems) + ".")
