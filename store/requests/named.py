"""What of a lake a question is asked of."""

from collections.abc import Iterator
from dataclasses import fields

from saelake.store.requests.checks import Selection
from saelake.store.requests.request import Request

# Fields that name a collection, or a dictionary, in which there is no slash.
PLACES = ("collection", "a", "b", "dictionary")


def places(request: Request) -> Iterator[str]:
    """The collections and dictionaries that a question names."""
    for field in fields(request):  # type: ignore[arg-type]  # every request is a dataclass
        value = getattr(request, field.name)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, Selection):
                yield each.collection
            elif field.name in PLACES and isinstance(each, str):
                yield each


def corpora(request: Request) -> Iterator[str]:
    """The corpora that a question names: by their collections, or themselves."""
    yield from (place.partition("/")[0] for place in places(request) if "/" in place)
    yield from getattr(request, "corpora", ())
    if (corpus := getattr(request, "corpus", None)) is not None:
        yield corpus
