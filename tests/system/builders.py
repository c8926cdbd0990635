"""Processes that build a lake, tell what they are about to do, and may be killed at any moment.

A new interpreter needs seconds to import torch, so they are forked from a process that has done
so. That process never imports Lance, whose threads do not survive a fork.
"""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import wraps
from multiprocessing import forkserver, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

CORPUS, DICTIONARY = "made", "sae"
SHARD_DOCUMENTS = 2
INDEX_BYTES = 64 << 10  # a segment for each few shards

STARTING, WORKING, WRITING, COMMITTING = "starting", "working", "writing", "committing"
MERGING = "merging"  # segments, in the middle of writing
PHASES = (STARTING, WORKING, WRITING, COMMITTING, MERGING)

_IMPORTED = (
    "torch", "transformers.models.auto.modeling_auto", "transformers.models.llama.modeling_llama",
    "tokenizers", "safetensors.torch", "numba", "scipy.stats", "sklearn.cluster", "faiss",
)  # fmt: skip
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_CONTEXT = get_context("forkserver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What lakes are built from; the documents come in several files, one import each."""

    model: Path
    dictionary: Path
    files: tuple[Path, ...]
    n_documents: int
    max_tokens: int | None = None


@contextmanager
def ready_to_fork() -> Iterator[None]:
    """Inside, `Builder`s begin within half a second."""
    with pytest.MonkeyPatch.context() as patch:
        for name in _ONE_THREAD:
            patch.setenv(name, "1")
        _CONTEXT.set_forkserver_preload(list(_IMPORTED))
        forkserver.ensure_running()
    yield


class Builder:
    """A process at work on a lake; `phase` is what it told last."""

    def __init__(self, task: str, lake: Path, parts: Parts) -> None:
        self.moments, told = _CONTEXT.Pipe(duplex=False)
        self._process: BaseProcess = _CONTEXT.Process(
            target=_build, args=(task, str(lake), parts, told)
        )
        self._process.start()
        told.close()
        self.phase = STARTING

    def advance(self) -> bool:
        """Wait for the next moment; False when there is none, for the process has ended."""
        try:
            self.phase = self.moments.recv_bytes().decode()
        except EOFError:
            return False
        return True

    def kill(self) -> bool:
        """Kill it; whether it was still at work."""
        self._process.kill()
        return self.finish() == -signal.SIGKILL

    def stall(self) -> None:
        """Have it stand still, as a machine does that is cut off."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Have it go on, as if nothing had been."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def finish(self) -> int | None:
        """Let it come to its end; its exit code."""
        while not self.moments.closed and self.advance():
            pass
        self.moments.close()
        self._process.join()
        return self._process.exitcode


def _build(task: str, lake: str, parts: Parts, told: Connection) -> None:
    import torch

    torch.set_num_threads(1)
    teller = _Teller(told)
    teller.trace()
    TASKS[task](lake, parts)


class _Teller:
    """Tells of each phase that begins, and of what goes on after it."""

    def __init__(self, told: Connection) -> None:
        self._told = told

    def trace(self) -> None:
        """Tell when Lance is asked to write or to commit, and of each block that is merged."""
        import lance

        from saelake.store.index.merge import SegmentMerger
        from saelake.store.tables import drafts, tables

        block = self._telling(MERGING, SegmentMerger._block)
        SegmentMerger._block = block  # type: ignore[method-assign]
        write = self._telling(WRITING, vars(tables)["write_fragments"])
        for module in (tables, drafts):
            vars(module)["write_fragments"] = write
        commit = self._telling(COMMITTING, lance.LanceDataset.commit)
        lance.LanceDataset.commit = staticmethod(commit)
        lance.write_dataset = self._telling(COMMITTING, lance.write_dataset)

    def _telling(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def telling(*args: Any, **options: Any) -> Any:
            self._tell(phase)
            try:
                return function(*args, **options)
            finally:
                self._tell(WORKING)

        return telling

    def _tell(self, phase: str) -> None:
        self._told.send_bytes(phase.encode())


def _import(lake: str, parts: Parts) -> None:
    from saelake.store.documents.documents import import_documents
    from saelake.store.errors import Conflict
    from saelake.store.lake.lake import Lake
    from saelake.workers.corpus import open_source

    left = list(parts.files)
    while left:
        with suppress(Conflict):  # another was faster, and the error says: run it again
            import_documents(Lake(lake), CORPUS, open_source(str(left[0])))
            left.pop(0)


def _encode(lake: str, parts: Parts) -> None:
    from saelake.store.lake.lake import Lake
    from saelake.workers.run import DictionaryChoice, EncodeOptions, encode

    encode(
        Lake(lake),
        CORPUS,
        model=str(parts.model),
        dictionaries=[DictionaryChoice(location=str(parts.dictionary), name=DICTIONARY)],
        options=EncodeOptions(shard_documents=SHARD_DOCUMENTS, max_tokens=parts.max_tokens),
    )


def _index(lake: str, parts: Parts) -> None:
    from saelake.store.growth import impacts
    from saelake.store.growth.index import index
    from saelake.store.lake.lake import CollectionName, Lake

    impacts.LEAST_DOCUMENTS = 1  # else so few documents have no impacts
    index(Lake(lake), CollectionName(CORPUS, DICTIONARY), memory_bytes=INDEX_BYTES)


TASKS: Mapping[str, Callable[[str, Parts], None]] = MappingProxyType(
    {"import": _import, "encode": _encode, "index": _index}
)
