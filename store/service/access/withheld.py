"""What those who may use some corpora are not told: where a lake is, and what else is in it."""

import re
from collections.abc import Iterator

from saelake.store.errors import NotFound, SaelakeError
from saelake.store.lake.lake import Lake
from saelake.store.service.caller import Caller

LISTS = (" Tags: ", " Collections: ")  # of all there are, at the end of what says what there is not


def withheld(error: SaelakeError, caller: Caller, uri: str) -> SaelakeError:
    """The error, as a caller may be told of it by a server of the lake at `uri`."""
    if caller.corpora is None:
        return error
    place = re.compile("|".join(map(re.escape, _places(uri))) or "(?!)")
    message = place.sub("the lake", error.message)
    if isinstance(error, NotFound):
        for begin in LISTS:
            message = message.partition(begin)[0]
    data = {name: place.sub("the lake", datum) for name, datum in error.data.items()}
    return type(error)(message, **data)


def _places(uri: str) -> Iterator[str]:
    """What may stand for the place of a lake: not a bare name, which is a word like others."""
    for place in (Lake(uri).from_anywhere.uri.rstrip("/"), uri.rstrip("/")):
        if "/" in place:
            yield place
