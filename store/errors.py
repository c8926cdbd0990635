"""Every error that saelake raises on purpose.

::

    SaelakeError
    ├── InvalidInput (ValueError)          a question or setting that cannot be meant
    │   ├── InvalidExpression              a feature expression that does not parse
    │   └── InvalidFilter                  a `where` that the metadata cannot answer
    ├── CorpusError (ValueError)           a file that cannot be imported as documents
    ├── ModelError (ValueError)            a model that cannot be loaded or hooked
    ├── DictionaryError (ValueError)       a dictionary that cannot be read or encoded
    │   └── DictionaryMismatch             a dictionary that does not fit the model or collection
    ├── ValueOverflow (OverflowError)      an activation that is not finite or too large to store
    ├── NotFound (LookupError)             a lake, corpus, collection, document or feature
    ├── AlreadyExists (FileExistsError)    a name that is taken by something else
    ├── Conflict (RuntimeError)            another writer was first, again and again
    ├── Corrupt (RuntimeError)             stored data that contradicts itself
    ├── MissingExtra (ImportError)         an optional part that is not installed
    ├── OutOfSpace (OSError)               a disk without room for what is written
    ├── Unavailable (ConnectionError)      a server or object store that does not answer
    ├── DeadlineExceeded (TimeoutError)    an answer that did not come in time
    ├── Crashed (RuntimeError)             an answer whose process ended as it was computed
    ├── AccessDenied (PermissionError)     a server or lake that one may not use
    │   └── PermissionDenied               a right or a corpus that one was not granted
    └── LimitExceeded (RuntimeError)       an answer or request over the server's limits
        └── BudgetSpent                    a request that could pass a run's budget

What must be told and stops nothing is a SaelakeWarning (UserWarning).

Each error carries `data`, a mapping of names to strings (the file, the feature, the column, …),
which travels to a remote client together with the message.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

# In characters. An error travels in gRPC trailers, for which many clients and proxies allow 8 KiB;
# a longer one would arrive as a limit that was exceeded.
LONGEST_MESSAGE, LONGEST_DATUM = 1500, 500


class SaelakeError(Exception):
    """The root of saelake's errors: one readable message that names the thing and the remedy."""

    def __init__(self, message: str, **data: object) -> None:
        self.message = _shortened(message, LONGEST_MESSAGE)
        super().__init__(self.message)
        self.data: Mapping[str, str] = {
            name: _shortened(str(value), LONGEST_DATUM) for name, value in data.items()
        }

    def __str__(self) -> str:
        return self.message

    def _render_traceback_(self) -> list[str]:
        """What IPython and Jupyter print: the message, without the way through our code."""
        return [f"{type(self).__name__}: {self.message}"]


def _shortened(text: str, longest: int) -> str:
    """The text, without its middle when it is longer than that."""
    if len(text) <= longest:
        return text
    cut = " [...] "
    n_kept = (longest - len(cut)) // 2
    return text[:n_kept] + cut + text[-n_kept:]


class SaelakeWarning(UserWarning):
    """What a user must be told of an answer or a collection that is made all the same."""


class InvalidInput(SaelakeError, ValueError):
    """A question or a setting that cannot be meant."""


class InvalidExpression(InvalidInput):
    """A feature expression that does not parse."""


class InvalidFilter(InvalidInput):
    """A `where` predicate that the corpus's metadata cannot answer."""


class CorpusError(SaelakeError, ValueError):
    """A file or folder that cannot be imported as documents."""


class ModelError(SaelakeError, ValueError):
    """A model that cannot be loaded, or has no such hook point."""


class DictionaryError(SaelakeError, ValueError):
    """A dictionary that cannot be read or encoded with."""


class DictionaryMismatch(DictionaryError):
    """A dictionary that does not fit the model, the hook point or the collection."""


class ValueOverflow(SaelakeError, OverflowError):
    """An activation that is not finite, or too large for the collection's value codec."""


class NotFound(SaelakeError, LookupError):
    """A lake, corpus, dictionary, collection, document or feature that does not exist."""

    def __str__(self) -> str:  # KeyError-like bases would quote the message
        return self.message


class AlreadyExists(SaelakeError, FileExistsError):
    """A name that is taken by something else."""


class Conflict(SaelakeError, RuntimeError):
    """Another writer committed first, more often than was retried."""


class Corrupt(SaelakeError, RuntimeError):
    """Stored data that contradicts itself."""


class MissingExtra(SaelakeError, ImportError):
    """An optional part of saelake that is not installed."""


class OutOfSpace(SaelakeError, OSError):
    """A disk without room for what is written."""


class Unavailable(SaelakeError, ConnectionError):
    """A server or object store that does not answer."""


class DeadlineExceeded(SaelakeError, TimeoutError):
    """An answer that did not come in time."""


class Crashed(SaelakeError, RuntimeError):
    """An answer whose process ended as it was computed. The same question may end the next."""


class AccessDenied(SaelakeError, PermissionError):
    """A missing or wrong token, certificate or credential, or a lake that one may not write."""


class PermissionDenied(AccessDenied):
    """What asks for a right, or for a corpus, that whoever asks was not granted."""


class LimitExceeded(SaelakeError, RuntimeError):
    """A request or an answer over the server's limits."""


class BudgetSpent(LimitExceeded):
    """A request to a language model that could pass the budget, and was not sent."""


class OutdatedIndex(SaelakeWarning):
    """An index that an earlier saelake made, and that is not used: index again."""


class SentInClear(SaelakeWarning):
    """A token or key that others can read on its way: write grpcs:// or https:// for TLS."""


class AwaitsRoom(SaelakeWarning):
    """Work that waits until a cluster has room for it."""


@contextmanager
def extra(name: str, what: str = "This", instead: str = "") -> Iterator[None]:
    """A block of imports, in which a library that is not installed is a `MissingExtra`.

    `name` is the extra of saelake that brings it. For the message: `what` needs the library, and
    what there is to do `instead` of installing it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "saelake").partition(".")[0] == "saelake":
            raise  # a mistake of ours
        raise MissingExtra(
            f"{what} needs {error.name}, which is not installed: pip install 'saelake[{name}]'"
            f"{instead and ', '}{instead}.",
            extra=name,
            module=error.name,
        ) from error
