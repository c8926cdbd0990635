"""Components: the small immutable parts that encoders are composed of."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

Leaf = Tensor | int | float | bool | str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Component:
    """A part of an encoder: tensors, numbers and further ones, which move and hash together.

    Attributes:
        kind: the component's stable name. It is part of fingerprints, so it outlives renamings.
    """

    kind: ClassVar[str]

    def to(self, device: torch.device, dtype: torch.dtype) -> Self:
        """A copy of it with its tensors on `device` in `dtype`."""
        moved = {f.name: _moved(getattr(self, f.name), device, dtype) for f in fields(self)}
        return replace(self, **moved)

    def state(self, prefix: str) -> Iterator[tuple[str, Leaf]]:
        """Everything that decides the component's output, as (dotted name, tensor or setting)."""
        yield f"{prefix}.kind", self.kind
        for field in fields(self):
            yield from _state(getattr(self, field.name), f"{prefix}.{field.name}")


def _moved(value: object, device: torch.device, dtype: torch.dtype) -> object:
    if isinstance(value, Tensor | Component):
        return value.to(device, dtype)
    if isinstance(value, tuple):
        return tuple(_moved(item, device, dtype) for item in value)
    return value


def _state(value: object, name: str) -> Iterator[tuple[str, Leaf]]:
    if isinstance(value, Component):
        yield from value.state(name)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _state(item, f"{name}.{index}")
    elif isinstance(value, Leaf):
        yield name, value
    else:
        raise TypeError(f"{name} is a {type(value).__name__}, which has no stable form to hash")
