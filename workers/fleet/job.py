"""What a worker needs to know to encode, wherever it runs."""

from dataclasses import dataclass, replace
from typing import Self

from saelake.store.lake.lake import Lake, absolute
from saelake.workers.fleet.finished import EncodeRequest
from saelake.workers.fleet.options import DictionaryChoice, EncodeOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeJob:
    """A corpus of a lake, and the model, dictionaries and settings to encode it with."""

    lake: Lake
    corpus: str
    model: str
    dictionaries: tuple[DictionaryChoice, ...]
    options: EncodeOptions

    @property
    def asked(self) -> EncodeRequest:
        """What it is to make."""
        return EncodeRequest(
            lake=self.lake,
            corpus=self.corpus,
            model=self.model,
            dictionaries=self.dictionaries,
            options=self.options,
        )

    def from_anywhere(self) -> Self:
        """This job with absolute paths, for a process in another working directory."""
        return replace(
            self,
            lake=self.lake.from_anywhere,
            model=absolute(self.model),
            dictionaries=tuple(
                replace(choice, location=absolute(choice.location)) for choice in self.dictionaries
            ),
        )
