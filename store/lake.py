"""The lake: which tables there are, and what they are called."""

from dataclasses import dataclass
from pathlib import Path

from pyarrow import fs

from saelake.store.errors import InvalidInput, NotFound
from saelake.store.files import filesystem_of
from saelake.store.schema import check_name
from saelake.store.storage import storage_errors

DICTIONARIES = "dictionaries"
_SUFFIX = ".lance"
_CODES = ".codes"


@dataclass(frozen=True, slots=True)
class CollectionName:
    """`corpus/dictionary`."""

    corpus: str
    dictionary: str

    @classmethod
    def parse(cls, text: str) -> "CollectionName":
        """The two names in `corpus/dictionary`. Raises `InvalidInput`."""
        corpus, slash, dictionary = text.partition("/")
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
    """A folder or object-store prefix with Lance tables."""

    uri: str

    def documents(self, corpus: str) -> str:
        """The address of a corpus's documents table."""
        return self._table(corpus)

    def skipped(self, corpus: str) -> str:
        """The address of the table of rows that an import left out."""
        return self._table(f"{corpus}--skipped")

    def codes(self, name: CollectionName) -> str:
        """The address of a collection's codes table."""
        return self._table(f"{name.corpus}--{name.dictionary}{_CODES}")

    def postings(self, name: CollectionName) -> str:
        """The address of a collection's postings table."""
        return self._table(f"{name.corpus}--{name.dictionary}.postings")

    def features(self, name: CollectionName) -> str:
        """The address of a collection's features table."""
        return self._table(f"{name.corpus}--{name.dictionary}.features")

    def labels(self, dictionary: str) -> str:
        """The address of the labels of a dictionary's features."""
        return self._table(f"{DICTIONARIES}--{dictionary}.labels")

    def decoder(self, dictionary: str) -> str:
        """The address of a dictionary's decoder directions."""
        return self._table(f"{DICTIONARIES}--{dictionary}.decoder")

    def vectors(self, corpus: str) -> str:
        """The address of the dense embeddings of a corpus's documents."""
        return self._table(f"{corpus}--vectors")

    @property
    def dictionaries(self) -> str:
        """The address of the table of dictionaries."""
        return self._table(DICTIONARIES)

    def corpora(self) -> list[str]:
        """The names of the corpora, sorted."""
        return [t for t in self.tables() if "--" not in t and t != DICTIONARIES]

    def collections(self) -> list[CollectionName]:
        """The names of the collections, sorted."""
        stems = [t.removesuffix(_CODES) for t in self.tables() if t.endswith(_CODES)]
        return [CollectionName(*stem.split("--", 1)) for stem in stems]

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

    def _table(self, name: str) -> str:
        return f"{self.uri.rstrip('/')}/{name}{_SUFFIX}"


def absolute(location: str) -> str:
    """A local path from the root, so that it holds in another working directory; or a hub id."""
    path = Path(location).expanduser()
    return str(path.absolute()) if path.exists() else location
