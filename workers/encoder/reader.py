"""The activations of a batch's kept tokens at some hook points, from one forward run."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from saelake.store.errors import ModelError, SaelakeError
from saelake.workers.encoder.batches import Batch, Window
from saelake.workers.encoder.hooks import HookPoint
from saelake.workers.encoder.models import Model, first_line


class Reads(Protocol):
    """What encoding asks of a model, however that is run: its activations at some hook points."""

    def __call__(self, batch: Batch) -> Mapping[str, Tensor]:
        """The activations of the kept tokens by hook name, each `(n_kept, d)`, row by row.

        They are those that transformers' model has there, but for rounding. Raises `ModelError`.
        """
        ...

    def widths(self) -> Mapping[str, int]:
        """The width d of each hook point by name. Raises `ModelError`."""
        ...

    def unreadable(self, windows: Iterable[Window]) -> Mapping[int, str]:
        """The documents (by number within `windows`) that cannot be given to the model; why."""
        ...


class ActivationReader:
    """Reads several hook points in one forward run, which goes no deeper than the deepest."""

    def __init__(self, model: Model, hooks: Sequence[HookPoint]) -> None:
        self._model = model
        self._hooks = tuple({hook.name: hook for hook in hooks}.values())
        self._n_embedded = n_embedded(model.module)

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """The activations of the kept tokens by hook name, each `(n_kept, d)`, row by row.

        They are on the model's device in the model's dtype.

        Raises:
            ModelError: the run does not pass a hook point, or passes it with another shape than
                one vector a token; or a token is not in the model's vocabulary.
        """
        self._check_vocabulary(batch)
        found, _ = self._read(batch, whole=False)
        return found

    def _read(self, batch: Batch, *, whole: bool) -> tuple[dict[str, Tensor], Counter[str]]:
        """The activations, and how often the run passed each hook point; `whole` to the end."""
        device = self._model.device
        kept = torch.from_numpy(np.flatnonzero(batch.keep)).to(device)
        found: dict[str, Tensor] = {}
        passed: Counter[str] = Counter()
        n_tokens = batch.keep.size
        with torch.inference_mode(), self._gathering(found, passed, n_tokens, kept, whole):
            self._run(batch)
        for hook in self._hooks:
            if hook.name not in found:
                raise self._missed(hook, passed[hook.name])
        return found, passed

    def _missed(self, hook: HookPoint, n_passed: int) -> ModelError:
        if n_passed:
            return ModelError(
                f"a run of {self._model.name} passes {hook.module_path} {n_passed} times: choose "
                f".call.0 to .call.{n_passed - 1}, not {hook.name}",
                hook=hook.name,
            )
        return ModelError(
            f"a run of {self._model.name} does not pass {hook.name}: "
            "choose a hook point that every token goes through",
            hook=hook.name,
        )

    def widths(self) -> dict[str, int]:
        """The width d of each hook point by name, from a run over one token to the very end.

        Raises:
            ModelError: as a read does; also where the model does not run on tokens alone, or
                passes a hook point several times and none of them was chosen.
        """
        one = np.zeros((1, 1), np.int64)
        batch = Batch(
            input_ids=one,
            attention_mask=one + 1,
            keep=one == 0,
            document=one[0].astype(np.int32),
            position=one[0],
        )
        try:
            found, passed = self._read(batch, whole=True)
        except SaelakeError:
            raise
        except _OF_ITS_INPUT as error:
            raise ModelError(
                f"{self._model.name} does not run on tokens alone, as a model of text does "
                f"({type(error).__name__}: {first_line(error)}): choose another model, or mend its "
                "config.json",
                model=self._model.name,
            ) from error
        for hook in self._hooks:
            if hook.call is None and passed[hook.name] > 1:
                raise self._ambiguous(hook, passed[hook.name])
        return {name: values.shape[1] for name, values in found.items()}

    def _ambiguous(self, hook: HookPoint, n_passed: int) -> ModelError:
        return ModelError(
            f"{hook.name} runs {n_passed} times in a forward run of {self._model.name}, and each "
            f"time it carries other activations: choose one with --hook, {hook.name}.call.0 to "
            f"{hook.name}.call.{n_passed - 1}",
            hook=hook.name,
            n_calls=n_passed,
        )

    def unreadable(self, windows: Iterable[Window]) -> dict[int, str]:
        """The documents (by number within `windows`) that have tokens which the model lacks; why.

        Such tokens were added to a tokenizer whose model was not made larger, or it is another's.
        """
        return {
            window.document: self._lacking(int(window.content.max()))
            for window in windows
            if self._n_embedded is not None
            and int(window.content.max(initial=0)) >= self._n_embedded
        }

    def _lacking(self, token: int) -> str:
        assert self._n_embedded is not None
        return (
            f"the tokenizer of {self._model.name} gives token {token}, but the model has tokens 0 "
            f"to {self._n_embedded - 1}: tokens were added, or it is the tokenizer of another "
            "model; put the model's own files back"
        )

    def _check_vocabulary(self, batch: Batch) -> None:
        largest = int(batch.input_ids.max(initial=0))
        if self._n_embedded is not None and largest >= self._n_embedded:
            raise ModelError(self._lacking(largest), model=self._model.name, token=largest)

    def _run(self, batch: Batch) -> None:
        # Without padding the model needs no mask, and attention may take its fastest kernel.
        padded = not batch.attention_mask.all()
        mask = torch.from_numpy(batch.attention_mask).to(self._model.device) if padded else None
        input_ids = torch.from_numpy(batch.input_ids).to(self._model.device)
        with suppress(_Deepest):
            self._model.module(input_ids=input_ids, attention_mask=mask)

    @contextmanager
    def _gathering(
        self,
        found: dict[str, Tensor],
        passed: Counter[str],
        n_tokens: int,
        kept: Tensor,
        whole: bool,
    ) -> Iterator[None]:
        """Hooks that put the kept rows into `found`, and end the run when all have."""

        def gather(hook: HookPoint, value: Any) -> None:
            call = passed[hook.name]
            passed[hook.name] += 1
            if call != (hook.call or 0):
                return
            vectors = _vectors(hook, value, n_tokens)
            rows = vectors.index_select(0, kept.to(vectors.device))
            for part in hook.parts:
                rows = part(rows)
            found[hook.name] = rows
            if len(found) == len(self._hooks) and not whole:
                raise _Deepest

        with ExitStack() as stack:
            for hook in self._hooks:
                module = self._model.module.get_submodule(hook.module_path)
                stack.callback(_register(module, hook, gather).remove)
            yield


def n_embedded(module: nn.Module) -> int | None:
    """How many tokens the model has vectors for, where it says."""
    embeddings = None
    with suppress(NotImplementedError):
        embeddings = getattr(module, "get_input_embeddings", lambda: None)()
    return getattr(embeddings, "num_embeddings", None)


# What models raise that lack an input or a setting; what a device raises passes.
_OF_ITS_INPUT = (TypeError, ValueError, AttributeError, LookupError)


class _Deepest(Exception):
    """Every hook point has been passed: nothing below is needed."""


def _register(module: nn.Module, hook: HookPoint, gather: Callable[[HookPoint, Any], None]) -> Any:
    if hook.side == "output":
        return module.register_forward_hook(lambda _module, _args, output: gather(hook, output))
    return module.register_forward_pre_hook(
        lambda _module, args, kwargs: gather(hook, [*args, *kwargs.values()]), with_kwargs=True
    )


def _vectors(hook: HookPoint, value: Any, n_tokens: int) -> Tensor:
    """The first tensor of a module's inputs or outputs as one vector a token, `(n_tokens, d)`."""
    tensor = next(_tensors(value), None)
    if tensor is None or tensor.dim() < 2 or tensor.shape[:-1].numel() != n_tokens:
        carried = "nothing" if tensor is None else f"shape {tuple(tensor.shape)}"
        raise ModelError(
            f"{hook.name} carries {carried} for {n_tokens} tokens, not one vector each: "
            "choose a block, its attention or its MLP",
            hook=hook.name,
        )
    return tensor.reshape(n_tokens, tensor.shape[-1])


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):  # transformers' ModelOutput is one
        yield from _tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)
