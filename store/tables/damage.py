"""What Lance says of files that are damaged, as an error that names the table and the remedy."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from saelake.store.errors import Corrupt, SaelakeError
from saelake.store.requests.waited.waiting import wait
from saelake.store.tables.failures import storage_error

# What begins an error of reading a file, in a scan and in a read of single rows.
_READING = re.compile(
    r"External error: |LanceError\(\w+\)|Not found: |Invalid user input: "
    r"|Encountered (?:corrupt|internal)"
)
_PREFIX = re.compile(r"External error: |LanceError\(\w+\): ")
_INTERRUPT = KeyboardInterrupt.__name__
_PANIC = "PanicException"  # of the Rust runtime; it is no Exception, and cannot be imported
_PLACE = re.compile(r",? (?:/home/|/rustc?/|rust/|at /).*")

_COLLECTION = re.compile(r"(.*)\.(codes|activations|postings|nearest|features)\.lance$")


@contextmanager
def reading(uri: str) -> Iterator[None]:
    """Raise what goes wrong in reading a table's files as `Corrupt`, or as `storage_errors` do."""
    wait()
    try:
        yield
    except SaelakeError:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        if known := storage_error(error, uri):
            raise known from error
        if _INTERRUPT in str(error):  # that came while Lance called Python
            raise KeyboardInterrupt from error
        if not _READING.search(str(error)):
            raise
        raise damaged(uri, error) from error
    except BaseException as error:
        if type(error).__name__ != _PANIC:
            raise
        raise damaged(uri, error) from None


def damaged(uri: str, error: BaseException) -> Corrupt:
    """The error that a table's files are missing or cannot be decoded."""
    said = _PLACE.sub("", _PREFIX.sub("", str(error)).partition("\n")[0]).strip(": ")
    return Corrupt(f"{uri} is damaged: {said}. {_remedy(uri)}", uri=uri)


def _remedy(uri: str) -> str:
    found = _COLLECTION.match(uri)
    if found is None:
        return "Bring its files back from a copy, or delete this folder and make the table again."
    if found[2] in ("codes", "activations"):
        return (
            "Bring its files back from a copy, or run `saelake verify --repair`, which takes out "
            "the documents that are damaged, and encode again."
        )
    return "Run `saelake verify --repair`: it is made again from the codes."
