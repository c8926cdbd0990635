"""The devices that a model is on: one, or several over which its blocks are spread."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from saelake.store.errors import ModelError, extra
from saelake.workers.encoder.hooks import block_list


def devices_of(names: str | None) -> tuple[torch.device, ...]:
    """The devices of names with commas between them, each once; without any see `device_of`.

    Raises:
        ModelError: one of them is not to be had, or they are of several kinds: what a fast device
            has no room for, a slow one would have to hand over in every run.
    """
    if names is None:
        return (device_of(None),)
    if "," not in names:
        return (device_of(names),)
    named = (torch.empty(0, device=device_of(name.strip())) for name in names.split(","))
    devices = tuple(dict.fromkeys(tensor.device for tensor in named))  # cuda is cuda:0
    kinds = {device.type for device in devices}
    if len(kinds) > 1:
        raise ModelError(
            f"a model is spread over devices of one kind, not over {' and '.join(sorted(kinds))}: "
            "name only those of one, as cuda:0,cuda:1",
            device=names,
        )
    return devices


def device_of(name: str | None) -> torch.device:
    """The device of a name; without one CUDA if there is any, else the CPU. Raises `ModelError`."""
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelError(f"device {name} cannot be used here: {reason}", device=name) from error
    return device


def require_accelerate(what: str) -> None:
    """Raise `MissingExtra` where there is no accelerate, which puts weights where they are to be.

    `what` needs it.
    """
    with extra("large", what):
        import accelerate  # noqa: F401


def spread(
    module: nn.Module, n_blocks: int | None, devices: Sequence[torch.device], name: str
) -> dict[str, torch.device]:
    """Which device each part of a model goes to, by the paths of modules and parameters.

    The blocks, of which the first `n_blocks` are loaded (None: all), stay in order, so that a run
    goes from a device to the next only once; what comes before them goes with the first, and what
    comes after with the last. The fullest device has as little as that allows (in bytes of
    weights), and among such ways the last ones have the least: dictionaries are where their hook
    points are, and the deepest is on the last device.

    Raises `ModelError` where it is not known which modules of the model called `name` are blocks.
    """
    found = block_list(module)
    if found is None:
        raise ModelError(
            f"it is not known which modules of {name} are its blocks, so that it cannot be spread "
            "over several devices: give --device only one",
            model=name,
        )
    path, n_modules = found
    blocks = [f"{path}.{n}" for n in range(min(n_blocks or n_modules, n_modules))]
    before, after = _around(module, path)
    units = [[block] for block in blocks]
    units[0] = [*before, *units[0]]
    units[-1] += after
    sizes = [sum(_n_bytes(module, part) for part in unit) for unit in units]
    places = runs(sizes, len(devices))
    return {
        part: devices[place] for unit, place in zip(units, places, strict=True) for part in unit
    }


def runs(sizes: Sequence[int], n: int) -> list[int]:
    """For each size the number of its run, if all are cut into at most `n` runs, in order.

    The largest run is as small as can be, and each takes as much as that allows.
    """
    least, most = max(sizes), sum(sizes)
    limits = range(least, most + 1)
    limit = limits[bisect_left(limits, 1, key=lambda limit: _filled(sizes, limit)[-1] < n)]
    return _filled(sizes, limit)


def _filled(sizes: Sequence[int], limit: int) -> list[int]:
    places, place, full = [], 0, 0
    for size in sizes:
        if full + size > limit:
            place, full = place + 1, 0
        places.append(place)
        full += size
    return places


def _around(module: nn.Module, path: str) -> tuple[list[str], list[str]]:
    """The parts of a model before and after its list of blocks at `path`."""
    before: list[str] = []
    after: list[str] = []
    at, inside = "", module
    for step in path.split("."):
        own = [*inside._parameters, *inside._buffers]
        children = list(inside._modules)
        place = children.index(step)
        before += [_join(at, child) for child in (*own, *children[:place])]
        after += [_join(at, child) for child in children[place + 1 :]]
        at, inside = _join(at, step), inside.get_submodule(step)
    return before, after


def _n_bytes(module: nn.Module, part: str) -> int:
    parent, _, name = part.rpartition(".")
    found: Any = getattr(module.get_submodule(parent), name)
    return sum(tensor.nbytes for tensor in _tensors(found))


def _tensors(found: Any) -> Iterator[torch.Tensor]:
    if isinstance(found, nn.Module):
        yield from found.parameters()
        yield from found.buffers()
    elif found is not None:
        yield found


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def device_at(placed: Mapping[str, torch.device], path: str, other: torch.device) -> torch.device:
    """The device of the module at a path; `other` where none is `placed` there or around it."""
    steps = path.split(".")
    around = (".".join(steps[:n]) for n in range(len(steps), 0, -1))
    return next((placed[found] for found in around if found in placed), other)
