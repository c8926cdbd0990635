"""Commands about jobs: what runs for a server, beside its answers."""

from dataclasses import dataclass, fields
from typing import Any, Literal

from saelake.store.errors import InvalidInput
from saelake.store.format.schema import check_name
from saelake.store.reports import JobReport
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.keys import check_key
from saelake.store.requests.map import MapOf

NEEDED = ("corpus", "dictionaries", "model", "job")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDictionary:
    """A dictionary that the lake knows by this name, or at a hub address (`hf://…`).

    The others are of one at an address: see `DictionaryChoice`.
    """

    location: str
    name: str | None = None
    hook: str | None = None
    norm_factor: float | None = None


@dataclass(frozen=True, kw_only=True)
class StartEncodeCommand(Command, right="encode", report=JobReport):
    """Encode what is not encoded yet of a corpus, in a process of its own; see `EncodeOptions`.

    Without a `model`, by the one that the dictionaries were used with. A `job` is what the caller
    calls it: one that is there already is not begun again.
    """

    corpus: str
    dictionaries: tuple[JobDictionary, ...]
    model: str | None = None
    job: str | None = None
    window: int | None = None
    overlap: int | None = None
    max_tokens: int | None = None
    special_tokens: bool | None = None
    prepend_bos: bool | None = None
    chat: bool | None = None
    values: str | None = None
    dtype: str | None = None
    batch_tokens: int | None = None
    shard_documents: int | None = None
    on_error: Literal["skip", "fail"] | None = None
    batch_invariant: bool | None = None
    quantization: str | None = None

    def check(self) -> None:
        """See `Command`."""
        check_key("job", self.job)
        if not self.dictionaries:
            raise InvalidInput("Name a dictionary to encode with, or several.")

    @property
    def options(self) -> dict[str, Any]:
        """The options that are given, by name."""
        names = (field.name for field in fields(self) if field.name not in NEEDED)
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    @property
    def corpora(self) -> tuple[str, ...]:
        """See `Command`."""
        return (self.corpus,)


@dataclass(frozen=True, kw_only=True)
class OverCollection:
    """What commands have that do something to a collection, in a process of its own."""

    collection: str
    job: str | None = None

    def check(self) -> None:
        """See `Command`."""
        check_key("job", self.job)

    @property
    def corpora(self) -> tuple[str, ...]:
        """See `Command`."""
        return (self.collection.partition("/")[0],)


@dataclass(frozen=True, kw_only=True)
class StartIndexCommand(OverCollection, Command, right="encode", report=JobReport):
    """Index what is not indexed yet of a collection, in a process of its own."""


@dataclass(frozen=True, kw_only=True)
class StartEmbedCommand(Command, right="encode", report=JobReport):
    """Make a dense embedding of each document of a corpus, in a process of its own.

    They take the place of those that there were, once all are made. Without a `model` by the
    sentence model that the corpus was embedded with, else by the server's own, or by the one that
    the lake's other corpora were.
    """

    corpus: str
    model: str | None = None
    job: str | None = None

    def check(self) -> None:
        """See `Command`."""
        check_key("job", self.job)
        check_name("corpus", self.corpus)

    @property
    def corpora(self) -> tuple[str, ...]:
        """See `Command`."""
        return (self.corpus,)


@dataclass(frozen=True, kw_only=True)
class StartLabelCommand(OverCollection, Command, right="encode", report=JobReport):
    """Label each feature of a collection by its top tokens, in a process of its own.

    They take the place of what was made of this corpus before. Where the corpus is embedded they
    get vectors.
    """

    @property
    def dictionary(self) -> str:
        """Whose features are labelled."""
        return self.collection.partition("/")[2]


@dataclass(frozen=True, kw_only=True)
class StartProjectCommand(OverCollection, Command, right="encode", report=JobReport):
    """Make the map of a collection's documents or features, in a process of its own.

    It takes the place of the one that there was, once it is whole. Equal for equal seeds and codes.
    """

    of: MapOf = "documents"
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class CancelJobCommand(Command, right="encode", report=JobReport):
    """End a job that waits or runs for a server; what it has committed stays.

    One that has ended already is left as it is.
    """

    job: str


@dataclass(frozen=True, kw_only=True)
class WatchJobCommand(Command, right="read", report=JobReport):
    """How far a job is, again whenever that changes, until it has ended."""

    job: str


JobCommand = (
    StartEncodeCommand
    | StartIndexCommand
    | StartEmbedCommand
    | StartLabelCommand
    | StartProjectCommand
)
