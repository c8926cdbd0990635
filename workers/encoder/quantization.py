"""Weights in fewer bits than activations have: as they are published, or are to be loaded."""

import re
from collections.abc import Iterable
from typing import Any, get_args

import torch
from torch import nn
from transformers import BitsAndBytesConfig, TorchAoConfig

from saelake.store.errors import ModelError, extra
from saelake.workers.encoder.devices import require_accelerate
from saelake.workers.encoder.modelfiles import ModelFiles
from saelake.workers.encoder.options import Quantization

_SCALE = re.compile(r"\.(\w*weight_scale(_inv|_2)?|input_scale|qweight|qzeros|scales)$")


def quantizer(name: str, dtype: torch.dtype | str, config: Any) -> Any:
    """The settings of a way to quantise linear layers, which are computed in `dtype`.

    `bnb-8bit` is LLM.int8() (arXiv 2208.07339) and `bnb-4bit` NF4 (arXiv 2305.14314), as
    `transformers serve --quantization` calls them. `int8` and `fp8` keep weights so, with
    scales, and activations as they are (torchao's weight-only configurations).

    Raises:
        ModelError: no such way is known.
        MissingExtra: its library is not installed.
    """
    if name not in get_args(Quantization):
        raise ModelError(
            f"no quantization {name}: choose {', '.join(get_args(Quantization))}", quantization=name
        )
    what = f"Loading a model as {name}"
    require_accelerate(what)
    if name in ("int8", "fp8"):
        with extra("large", what):
            from torchao import quantization as ways
        kind = ways.Int8WeightOnlyConfig if name == "int8" else ways.Float8WeightOnlyConfig
        return TorchAoConfig(kind())
    with extra("large", what):
        import bitsandbytes  # noqa: F401
    if name == "bnb-8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=_computed(dtype, config),
    )


def _computed(dtype: torch.dtype | str, config: Any) -> torch.dtype:
    stated = dtype if isinstance(dtype, torch.dtype) else getattr(config, "dtype", None)
    return stated if isinstance(stated, torch.dtype) else torch.bfloat16


def refuse_twice(config: Any, quantization: str, source: ModelFiles) -> None:
    """Raise `ModelError` for a model that is published quantised: it has a way of its own."""
    own = getattr(config, "quantization_config", None)
    if own is not None:
        method = own.get("quant_method") if isinstance(own, dict) else own.quant_method
        raise ModelError(
            f"{source.location} is published quantised ({method}) and is loaded so: leave out "
            f"--quantization {quantization}, or choose the model that it was made from",
            model=source.location,
        )


def computes_in(module: nn.Module) -> torch.dtype:
    """The type of a model's activations: that of its first weights that are no bits of a few."""
    found = (parameter.dtype for parameter in module.parameters())
    return next(dtype for dtype in found if dtype.is_floating_point and dtype.itemsize > 1)


def refuse_lost_scales(unexpected: Iterable[str], source: ModelFiles) -> None:
    """Quantised weights mean nothing without their scales, which only a quantiser reads."""
    scales = sorted(key for key in unexpected if _SCALE.search(key))
    if scales:
        raise ModelError(
            f"the weights of {source.location} are quantised ({scales[0]}, …), and its config.json "
            "has no quantization_config that says how: put the model's own files back",
            model=source.location,
        )


def in_one_dtype(
    module: Any, dtype: torch.dtype | str, source: ModelFiles, *, is_quantised: bool
) -> Any:
    """The module, dequantised in the dtype that was chosen. Raises `ModelError` for bare float8.

    A quantiser that cannot run here leaves weights in a type of its own choice; other models keep
    some modules in float32 on purpose.
    """
    found = {parameter.dtype for parameter in module.parameters() if parameter.is_floating_point()}
    is_narrow = any(dtype.itemsize == 1 for dtype in found)
    if is_quantised and not is_narrow and isinstance(dtype, torch.dtype) and found - {dtype}:
        return module.to(dtype)
    if is_narrow and not is_quantised:
        raise ModelError(
            f"the weights of {source.location} are 8-bit floats, in which nothing can be computed: "
            "choose another type with --dtype, as bfloat16",
            model=source.location,
        )
    return module
