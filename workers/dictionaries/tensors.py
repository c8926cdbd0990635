"""The tensors of a weights file, read without running any code and checked on the way out."""

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from saelake.store.errors import DictionaryError


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensors:
    """The named tensors of the weights file at `path`."""

    path: Path
    values: Mapping[str, Tensor]

    @classmethod
    def read(cls, path: Path) -> Self:
        """The tensors of a `.safetensors`, `.npz`, `.pt` or `.pth` file.

        Raises:
            DictionaryError: the file cannot be read, or only by running pickled code.
        """
        return cls(path=path, values=_read(path))

    @classmethod
    def of(cls, path: Path, checkpoint: Mapping[str, Any]) -> Self:
        """The tensors among a checkpoint's values."""
        tensors = {name: value for name, value in checkpoint.items() if isinstance(value, Tensor)}
        return cls(path=path, values=tensors)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def take(self, name: str, *shape: int | None) -> Tensor:
        """The tensor as float32; of `shape`, in which None stands for any size.

        Raises:
            DictionaryError: it is missing, of another shape, or not finite.
        """
        return self.stored(name, *shape).to(torch.float32)

    def stored(self, name: str, *shape: int | None) -> Tensor:
        """As :meth:`take`, in the dtype of the file."""
        tensor = self.decoder(name, *shape)
        if not is_finite(tensor):
            raise self.refuse(f"has values in {name} that are not finite; fetch the file again")
        return tensor

    def decoder(self, name: str, *shape: int | None) -> Tensor:
        """As :meth:`stored`, of a tensor that no code depends on: its values may be anything."""
        tensor = self.values.get(name)
        if tensor is None:
            raise self.refuse(f"has no {name}; found {', '.join(sorted(self.values)) or 'nothing'}")
        if not _fits(tensor, shape):
            raise self.refuse(
                f"has {name} of shape {tuple(tensor.shape)}; expected {_shown(shape)}"
            )
        return tensor

    def refuse(self, reason: str) -> DictionaryError:
        """The error that this file cannot be used: "<path> <reason>"."""
        return DictionaryError(f"{self.path} {reason}", path=self.path)


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """The mapping in a `.pt` or `.pth` file: tensors and plain values, never pickled objects.

    A file that is one tensor is a mapping of the file's stem to it.

    Raises:
        DictionaryError: the file cannot be read, or only by running pickled code.
    """
    try:
        # Only torch's zip files can be mapped; older ones are read whole.
        mmap = zipfile.is_zipfile(path)
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:  # the unpickler fails in any way on what is not its own
        raise DictionaryError(
            f"{path} cannot be read as tensors and plain values, and pickled objects are never "
            f"loaded; save its state dict with safetensors or torch.save ({_first_line(error)})",
            path=path,
        ) from error
    if isinstance(checkpoint, Tensor):
        return {path.stem: checkpoint}
    if not isinstance(checkpoint, Mapping):
        raise DictionaryError(
            f"{path} holds a {type(checkpoint).__name__}; expected a state dict", path=path
        )
    return checkpoint


def tensor_names(path: Path) -> frozenset[str]:
    """The names in a weights file, without reading the tensors where the format allows it."""
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt") as file:
                return frozenset(file.keys())
        except (OSError, SafetensorError) as error:
            raise _unreadable(path, error) from error
    return frozenset(read_checkpoint(path))


def _read(path: Path) -> Mapping[str, Tensor]:
    if path.suffix in (".pt", ".pth"):
        return Tensors.of(path, read_checkpoint(path)).values
    try:
        return _read_npz(path) if path.suffix == ".npz" else load_file(path)
    except Exception as error:  # zip and numpy fail in as many ways
        raise _unreadable(path, error) from error


def _read_npz(path: Path) -> Mapping[str, Tensor]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


def _unreadable(path: Path, error: Exception) -> DictionaryError:
    return DictionaryError(
        f"{path} cannot be read as weights; fetch it again ({_first_line(error)})", path=path
    )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _fits(tensor: Tensor, shape: tuple[int | None, ...]) -> bool:
    return tensor.ndim == len(shape) and all(
        size in (None, found) for size, found in zip(shape, tensor.shape, strict=True)
    )


def is_finite(tensor: Tensor) -> bool:
    """Whether all values are; without a copy, for a tensor of weights may be gigabytes."""
    return tensor.numel() == 0 or bool(torch.stack(tensor.aminmax()).isfinite().all())


def _shown(shape: tuple[int | None, ...]) -> str:
    sizes = ["any" if size is None else str(size) for size in shape]
    return f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"
