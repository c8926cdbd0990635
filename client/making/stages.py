"""Longer works in stages, and who watches them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

R = TypeVar("R")

StageName = Literal["import", "import-codes", "encode", "index", "embed", "label", "project"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of a longer work: what is done, and what with (a file, a corpus, a collection)."""

    name: StageName
    of: str


class Watcher(Protocol):
    """Is told of the stages of `Lake.ingest` and `Lake.label`, which come one after the other.

    >>> class Printer:
    ...     def begin(self, stage):
    ...         return lambda *progress: print(stage.name, *progress)
    ...
    ...     def end(self, stage, report):
    ...         print(stage.name, "is done:", report)
    >>> lake.ingest("reviews.csv", model="gpt2", dictionary="sae", watcher=Printer())
    """

    def begin(self, stage: Stage, /) -> Callable[..., object]:
        """A stage begins. What this returns is called as the `on_progress` of that stage is.

        That is the one of `Lake.import_corpus`, `encode`, `index`, `embed` or `label`.
        """

    def end(self, stage: Stage, report: object, /) -> None:
        """A stage has ended, with what its method returns. One that fails has no end."""


class Unwatched:
    """Nobody watches."""

    def begin(self, _: Stage, /) -> Callable[..., object]:
        """Take no notice, of the progress neither."""
        return silent

    def end(self, _: Stage, __: object, /) -> None:
        """Take no notice."""


def silent(*_: object) -> None:
    """Take no notice of progress."""


def watched(watcher: Watcher, stage: Stage, work: Callable[..., R]) -> R:
    """What `work` returns, which is given an `on_progress` of the watcher's."""
    report = work(on_progress=watcher.begin(stage))
    watcher.end(stage, report)
    return report
