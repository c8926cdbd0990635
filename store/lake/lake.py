"""The lake: which tables there are, and what they are called."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pyarrow import fs

from saelake.store.errors import InvalidInput, NotFound
from saelake.store.format.schema import check_name
from saelake.store.lake.states import LakeState, is_state
from saelake.store.tables.failures import storage_errors
from saelake.store.tables.files import filesystem_of

if TYPE_CHECKING:
    from saelake.store.lake.names import Names

DICTIONARIES = "dictionaries"
_SUFFIX = ".lance"
_CODES = ".codes"
_ACTIVATIONS = ".activations"


@dataclass(frozen=True, slots=True, order=True)
class CollectionName:
    """`corpus/dictionary`."""

    corpus: str
    dictionary: str

    @classmethod
    def parse(cls, text: str) -> "CollectionName":
        """The two names in `corpus/dictionary`. Raises `InvalidInput`, also for what is no text."""
        corpus, slash, dictionary = text.partition("/") if isinstance(text, str) else ("", "", "")
        if not slash:
            raise InvalidInput(
                f"{text!r} is not a collection: write corpus/dictionary, as in imdb/minilm-l4.",
                collection=text,
            )
        return cls(check_name("corpus", corpus), check_name("dictionary", dictionary))

    def __str__(self) -> str:
        return f"{self.corpus}/{self.dictionary}"


@dataclass(frozen=True, slots=True)
class Lake:
    """A folder or object-store prefix with Lance tables; `at` a tag, time or state, as it was then.

    `names` are what the names of dictionaries mean; when they are None, they are read whenever an
    address is asked for (see `pinned`).
    """

    uri: str
    at: str | None = None
    names: "Names | None" = None

    def pinned(self) -> "Lake":
        """The lake, in which the names of dictionaries mean what they do now from here on.

        Who uses several addresses of a collection pins them first: else they might be of two, of
        which the second has just replaced the first.
        """
        return self if self.names is not None else replace(self, names=self._newest_names())

    def _newest_names(self) -> "Names":
        from saelake.store.lake.names import read_names  # which speaks Lance; a client need not

        return read_names(self.dictionary_names)

    @property
    def from_anywhere(self) -> "Lake":
        """This lake with an absolute path, for a process in another working directory."""
        uri = self.uri if "://" in self.uri else str(Path(self.uri).expanduser().absolute())
        return replace(self, uri=uri)

    @property
    def place(self) -> str:
        """Where it is, for people, and as of when."""
        if self.at is None:
            return self.uri
        return f"{self.uri} as it was at {'a state' if is_state(self.at) else self.at}"

    def tables_of(self, dictionary: str) -> str:
        """Under which name the tables of a dictionary are, or will be."""
        return (self.names or self._newest_names()).tables_of(dictionary)

    def documents(self, corpus: str) -> str:
        """The address of a corpus's documents table."""
        return self.table(corpus)

    def skipped(self, corpus: str) -> str:
        """The address of the table of rows that an import left out."""
        return self.table(f"{corpus}--skipped")

    def deleted(self, corpus: str) -> str:
        """The address of the table of a corpus's deleted documents."""
        return self.table(f"{corpus}--deleted")

    def codes(self, name: CollectionName) -> str:
        """The address of a collection's codes table."""
        return self.table(f"{name.corpus}--{self.tables_of(name.dictionary)}{_CODES}")

    def postings(self, name: CollectionName) -> str:
        """The address of a collection's postings table."""
        return self.table(f"{name.corpus}--{self.tables_of(name.dictionary)}.postings")

    def impacts(self, name: CollectionName) -> str:
        """The address of a collection's impacts, by which similar documents are found."""
        return self.table(f"{name.corpus}--{self.tables_of(name.dictionary)}.nearest")

    def outdated_impacts(self, name: CollectionName) -> str:
        """The address of impacts as they were kept before, which nobody reads any more."""
        return self.table(f"{name.corpus}--{self.tables_of(name.dictionary)}.impacts")

    def features(self, name: CollectionName) -> str:
        """The address of a collection's features table."""
        return self.table(f"{name.corpus}--{self.tables_of(name.dictionary)}.features")

    def map(self, name: CollectionName, of: str) -> str:
        """The address of a collection's map of its `documents` or `features`."""
        return self.table(f"{name.corpus}--{self.tables_of(name.dictionary)}.map-{of}")

    def activations(self, name: CollectionName) -> str:
        """The address of the activations that are kept beside a collection's codes."""
        return self.table(f"{name.corpus}--{self.tables_of(name.dictionary)}{_ACTIVATIONS}")

    def labels(self, dictionary: str) -> str:
        """The address of the labels of a dictionary's features."""
        return self.table(f"{DICTIONARIES}--{self.tables_of(dictionary)}.labels")

    def decoder(self, dictionary: str) -> str:
        """The address of a dictionary's decoder directions."""
        return self.table(f"{DICTIONARIES}--{self.tables_of(dictionary)}.decoder")

    def feature_names(self, dictionary: str) -> str:
        """The address of the names of a dictionary's features, which came with its codes."""
        return self.table(f"{DICTIONARIES}--{self.tables_of(dictionary)}.names")

    def vectors(self, corpus: str) -> str:
        """The address of the dense embeddings of a corpus's documents."""
        return self.table(f"{corpus}--vectors")

    @property
    def dictionaries(self) -> str:
        """The address of the table of dictionaries."""
        return self.table(DICTIONARIES)

    @property
    def dictionary_names(self) -> str:
        """The address of the table of what their names mean."""
        return self.table(f"{DICTIONARIES}--names")

    def corpora(self) -> list[str]:
        """The names of the corpora, sorted."""
        return [t for t in self.tables() if "--" not in t and t != DICTIONARIES]

    def collections(self) -> list[CollectionName]:
        """The names of the collections, sorted."""
        return self._named(_CODES)

    def activation_stores(self) -> list[CollectionName]:
        """The collections beside whose codes activations are kept, sorted."""
        return self._named(_ACTIVATIONS)

    def _named(self, suffix: str) -> list[CollectionName]:
        names = self.names or self._newest_names()
        stems = [t.removesuffix(suffix) for t in self.tables() if t.endswith(suffix)]
        halves = [stem.partition("--") for stem in stems]
        found = [(corpus, names.name_of(tables)) for corpus, _, tables in halves]
        return sorted(CollectionName(corpus, name) for corpus, name in found if name is not None)

    def tables(self) -> list[str]:
        """The names of the tables in the lake, sorted. Raises `NotFound` if there is no lake."""
        with storage_errors(self.uri):
            filesystem, path = filesystem_of(self.uri)
            selector = fs.FileSelector(path, allow_not_found=True)
            found = [i.base_name for i in filesystem.get_file_info(selector)]
        names = sorted(name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX))
        if not names:
            raise NotFound(
                f"There is no lake at {self.uri}. Make one with `saelake ingest FILE --lake "
                f"{self.uri}`, or look at `saelake demo`.",
                lake=self.uri,
            )
        return names

    def table(self, name: str) -> str:
        """The address of the table of this name (see `tables`)."""
        address = f"{self.uri.rstrip('/')}/{name}{_SUFFIX}"
        if self.at is None:
            return address
        end = LakeState.parse(self.at).suffix(name) if is_state(self.at) else self.at
        return f"{address}#{end}"


def absolute(location: str) -> str:
    """A local path from the root, so that it holds in another working directory; or a hub id."""
    path = Path(location).expanduser()
    return str(path.absolute()) if path.exists() else location
