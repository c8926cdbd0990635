"""A dictionary: an encoder, its decoder directions, and where in which model it belongs."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from saelake.store.errors import DictionaryMismatch, ValueOverflow
from saelake.workers.dictionaries.codes import TokenCodes
from saelake.workers.dictionaries.encoders import Encoder

CHUNK_BYTES = 64 * 2**20

_HASH_BLOCK_BYTES = 16 * 2**20


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedDictionary:
    """A sparse autoencoder, transcoder or pursuit dictionary that is ready to encode.

    Attributes:
        name: what the lake calls it, if anything.
        architecture: as its format names it: "topk", "jumprelu", "BatchTopKSAE", ….
        format: the name of the format it was read from (`load.SUPPORTED_FORMATS`).
        encoder: turns activations into codes; its tensors are float32 when loaded.
        W_dec: decoder directions `(d_sae, d_out)` in the dtype they are stored in, or None.
        hook_name: TransformerLens name or module path that its configuration records.
        model_name: the model that its configuration records.
        context_size: tokens per training context.
        prepend_bos: whether it was trained on contexts that begin with a BOS token.
        decoder_fault: why it has no decoder directions, where its files have some.
        pinned_fingerprint: the fingerprint of the weights as loaded, once they were converted.
    """

    architecture: str
    format: str
    encoder: Encoder
    W_dec: Tensor | None
    name: str | None = None
    hook_name: str | None = None
    model_name: str | None = None
    context_size: int | None = None
    prepend_bos: bool | None = None
    decoder_fault: str | None = None
    pinned_fingerprint: str | None = None

    @property
    def d_in(self) -> int:
        """The width of the activations that it encodes."""
        return self.encoder.weight.shape[0]

    @property
    def d_sae(self) -> int:
        """How many features it has."""
        return self.encoder.weight.shape[1]

    @property
    def signed(self) -> bool:
        """Whether a code may be negative (abstopk, ITDA)."""
        return self.encoder.signed

    @property
    def device(self) -> torch.device:
        """Where it encodes."""
        return self.encoder.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The type that it computes in."""
        return self.encoder.weight.dtype

    @cached_property
    def fingerprint(self) -> str:
        """The sha256, in hexadecimal, of everything that decides its codes, and of W_dec.

        Names, settings and tensors as float32, in the order of their names. It does not depend
        on device, compute dtype, file format or metadata.
        """
        return self.pinned_fingerprint or self._hash()

    def to(
        self, device: torch.device | str, dtype: torch.dtype | None = None
    ) -> "LoadedDictionary":
        """This dictionary on `device`, computing in `dtype` (default: as now).

        On the CPU float16 and bfloat16 are computed in float32. The fingerprint stays that of
        the weights as loaded. W_dec keeps its dtype.
        """
        device = torch.device(device)
        dtype = _compute_dtype(device, dtype or self.dtype)
        if (device, dtype) == (self.device, self.dtype):
            return self
        return replace(
            self,
            encoder=self.encoder.to(device, dtype),
            W_dec=None if self.W_dec is None else self.W_dec.to(device),
            pinned_fingerprint=self.fingerprint,
        )

    @torch.no_grad()
    def encode(self, x: Tensor, *, chunk_bytes: int = CHUNK_BYTES) -> TokenCodes:
        """The codes of activations `x` `(n_tokens, d_in)`, of any float dtype.

        They are encoded a tile of some tokens and some features at a time, so that no dense
        matrix takes more than `chunk_bytes` (see :class:`Tile`; those that need all features of
        a token at once, groupmax and pursuit, take at least one token's share). The codes are on
        the dictionary's device. On an accelerator a top-k encode waits for the device twice, and
        one with thresholds also once a tile.

        Raises:
            DictionaryMismatch: `x` is not `(n_tokens, d_in)`.
            ValueOverflow: an activation or a code is not finite; names the first such token.
        """
        x = self._accepted(x)
        d_sae, tile = self.d_sae, self.encoder.tile(chunk_bytes)
        positions, values = [], []
        for index, (position, value) in enumerate(self.encoder.sparse(x, tile)):
            positions.append(position + index * tile.rows * d_sae)
            values.append(value)
        return self._compacted(len(x), torch.cat(positions), torch.cat(values))

    @torch.no_grad()
    def encode_dense(self, x: Tensor) -> Tensor:
        """The codes of `x` `(n_tokens, d_in)` as one matrix `(n_tokens, d_sae) float32`.

        The plain formula in one piece: for tests and small inputs. Raises as :meth:`encode`.
        """
        codes = self.encoder.dense(self._accepted(x)).float()
        _check_finite(codes, "the code", torch.arange(len(codes), device=codes.device))
        return codes

    def _accepted(self, x: Tensor) -> Tensor:
        if x.ndim != 2 or x.shape[1] != self.d_in:
            raise DictionaryMismatch(
                f"activations of shape {tuple(x.shape)} do not fit the dictionary "
                f"{self.name or self.architecture}, which encodes (n_tokens, {self.d_in}); "
                f"check the hook point (it records {self.hook_name or 'none'})",
                shape=tuple(x.shape),
                d_in=self.d_in,
            )
        _check_finite(x, "the activation", torch.arange(len(x), device=x.device))
        return x.detach().to(self.device, self.dtype)

    def _compacted(self, n_tokens: int, position: Tensor, value: Tensor) -> TokenCodes:
        """The codes without zeros, after one look at the device."""
        used = value != 0
        all_used, finite = torch.stack([used.all(), value.isfinite().all()]).tolist()
        if not finite:
            _check_finite(value.unsqueeze(1), "the code", position // self.d_sae)
        if not all_used:
            position, value = position[used], value[used]
        token = position // self.d_sae
        feature = (position - token * self.d_sae).to(torch.int32)
        return TokenCodes(token=token, feature=feature, value=value.float(), n_tokens=n_tokens)

    def _hash(self) -> str:
        digest = hashlib.sha256()
        state = dict(self.encoder.state("encoder"))
        for name, leaf in sorted({**state, "W_dec": self.W_dec}.items()):
            if isinstance(leaf, Tensor):
                digest.update(f"{name}: {tuple(leaf.shape)}\n".encode())
                for block in torch.split(leaf, _rows_per_block(leaf)):
                    digest.update(block.float().contiguous().cpu().numpy().data)
            else:
                digest.update(f"{name}: {leaf!r}\n".encode())
        return digest.hexdigest()


def not_finite(what: str, token: int) -> ValueOverflow:
    """The error of a token with an activation or code, which `what` says, that is not finite."""
    return ValueOverflow(
        f"{what} of token {token} is not finite; run the model in float32 or bfloat16, or leave "
        "the document out",
        what=what,
        token=token,
    )


def _compute_dtype(device: torch.device, dtype: torch.dtype) -> torch.dtype:
    half = dtype in (torch.float16, torch.bfloat16)
    return torch.float32 if half and device.type == "cpu" else dtype


def _rows_per_block(tensor: Tensor) -> int:
    return max(1, _HASH_BLOCK_BYTES // (4 * max(1, tensor[:1].numel())))


def _check_finite(rows: Tensor, what: str, tokens: Tensor) -> None:
    """Refuse `rows` `(n, …)`, which belong to `tokens` `(n,)`, where one is not finite."""
    if not len(rows) or bool(torch.stack(rows.aminmax()).isfinite().all()):
        return
    token = int(tokens[rows.isfinite().all(dim=1).logical_not()][0])
    raise not_finite(what, token)
