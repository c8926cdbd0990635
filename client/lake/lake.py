"""A lake: its collections, and, where it is in reach, what is written into it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from saelake.answers.contents import contents, contents_html
from saelake.answers.lookups import Info, Verification
from saelake.collection import Collection
from saelake.dictionary import Dictionary
from saelake.lake.columns import LakeColumns
from saelake.lake.jobs import LakeJobs
from saelake.lake.made import LakeMaking
from saelake.lake.upkeep import LakeUpkeep
from saelake.store.format.moments import zoned
from saelake.store.lake.lake import CollectionName
from saelake.store.requests.info import InfoQuery
from saelake.store.requests.verify import VerifyQuery
from saelake.transport import AsOf

if TYPE_CHECKING:  # a name in a signature costs nothing until it is used
    from saelake.store.reports import (
        ServerVersion,
    )


class Lake(LakeMaking, LakeColumns, LakeJobs, LakeUpkeep):
    """A lake, in this process or behind a server. Made by `saelake.connect`.

    Use it as a context manager, or `close` it, when it is behind a server. Its collections are in
    it by name: `lake["imdb/minilm-l4"]`, `"imdb/minilm-l4" in lake`, `list(lake)`, `len(lake)`.
    """

    __slots__ = ()

    def __getitem__(self, collection: str) -> Collection:
        """The collection of this name: `corpus/dictionary`. Raises `InvalidInput`."""
        return Collection(str(CollectionName.parse(collection)), self.transport)

    def __iter__(self) -> Iterator[str]:
        """The names of the collections, as those of a dict."""
        return iter(self.collections())

    def __contains__(self, name: object) -> bool:
        """Whether there is a collection of this name."""
        return name in self.collections()

    def __len__(self) -> int:
        """How many collections there are."""
        return len(self.collections())

    def __bool__(self) -> bool:
        """True, without a look at what is in it."""
        return True

    def as_of(self, at: str) -> "Lake":
        """This lake as it was at a tag, a time or the `state` of an answer, to be read only.

        It shares this lake's connection, and closes it.

        >>> now = lake.as_of(lake.version().state)  # doctest: +SKIP
        """
        chosen = zoned(at)
        return replace(self, transport=AsOf(self.transport, chosen), at=at)

    def version(self) -> "ServerVersion":
        """Which program answers, here or on the server, and the state that the lake is in now."""
        return self.transport.version()

    def dictionary(self, name: str) -> Dictionary:
        """A dictionary of the lake, by name."""
        return Dictionary(name, self.transport)

    def info(self, corpora: Iterable[str] = ()) -> Info:
        """What is in the lake: a row for each collection, and for each corpus without one.

        Of these corpora, if any are given; those that there are not have no row.
        """
        return Info(self.transport.ask(InfoQuery(corpora=tuple(corpora))).read_all())

    def collections(self) -> list[str]:
        """The names of the collections."""
        return [row.name for row in self.info() if row.dictionary is not None]

    def verify(self, collection: str | None = None) -> Verification:
        """Whether the tables of the lake, or of one collection, agree; reads all data."""
        name = None if collection is None else str(CollectionName.parse(collection))
        return Verification(self.transport.ask(VerifyQuery(collection=name)).read_all())

    def close(self) -> None:
        """Let go of connections."""
        self.transport.close()

    def __enter__(self) -> "Lake":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        """The lake, and what is in it; a lake that cannot be read says why."""
        return contents(f"<Lake {self.uri}>", self.info)

    def _repr_html_(self) -> str:
        return contents_html(f"<Lake {self.uri}>", self.info)
