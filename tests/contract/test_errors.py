"""What cannot be answered raises the same error by every face."""

from collections.abc import Callable

import pytest

from saelake.lake import Lake
from saelake.store.errors import (
    InvalidExpression,
    InvalidFilter,
    InvalidInput,
    NotFound,
    SaelakeError,
)

NAME = "made/random"
BEYOND = 2**70  # more than an int64
UNDECODABLE = "\udcff"  # how Python keeps a byte of the command line that is not UTF-8
MISTAKES: dict[str, tuple[type[SaelakeError], str, Callable[[Lake], object]]] = {
    "no such collection": (NotFound, "no collection", lambda lake: lake["made/other"].tokens(1)),
    "no such corpus": (NotFound, "other/random", lambda lake: lake["other/random"].features()),
    "a name without a slash": (InvalidInput, "corpus/dictionary", lambda lake: lake["made"]),
    "a name with a path": (InvalidInput, "name", lambda lake: lake["made/../x"].tokens(1)),
    "a feature beyond the last": (NotFound, "12", lambda lake: lake[NAME].tokens(12)),
    "a negative feature": (InvalidExpression, "-1", lambda lake: lake[NAME].tokens(-1)),
    "statistics of no feature": (NotFound, "99", lambda lake: lake[NAME].features([99])),
    "half an expression": (InvalidExpression, "1 &", lambda lake: lake[NAME].tokens("1 &")),
    "an unknown scope": (InvalidInput, "scope", lambda lake: lake[NAME].tokens(1, scope="page")),
    "an unknown column": (
        InvalidFilter,
        "colour",
        lambda lake: lake[NAME].tokens(1, where="colour = 'red'"),
    ),
    "a broken filter": (
        InvalidFilter,
        "label =",
        lambda lake: lake[NAME].tokens(1, where="label ="),
    ),
    "a filter of another type": (
        InvalidFilter,
        "length",
        lambda lake: lake[NAME].codes("length").read_all(),
    ),
    "no hits": (InvalidInput, "k must", lambda lake: lake[NAME].tokens(1, k=0)),
    "no such id": (NotFound, "d99", lambda lake: lake[NAME].document("d99")),
    "no such number": (NotFound, "60", lambda lake: lake[NAME].document(doc=60)),
    "a negative number": (InvalidInput, "-1", lambda lake: lake[NAME].document(doc=-1)),
    "no document": (InvalidInput, "id", lambda lake: lake[NAME].document()),
    "two documents": (InvalidInput, "one of", lambda lake: lake[NAME].document("d1", doc=1)),
    "a collection to verify": (NotFound, "no collection", lambda lake: lake.verify("made/other")),
    "a verified path": (InvalidInput, "name", lambda lake: lake.verify("made/../x")),
    "a verified name of bytes": (
        InvalidInput,
        "name",
        lambda lake: lake.verify(UNDECODABLE + "/x"),
    ),
    "a name for no file": (InvalidInput, "100", lambda lake: lake["made/" + "x" * 300].features()),
    "k over 64 bits": (InvalidInput, "64 bits", lambda lake: lake[NAME].tokens(1, k=BEYOND)),
    "doc over 64 bits": (InvalidInput, "64 bits", lambda lake: lake[NAME].document(doc=2**63)),
    "features over 64 bits": (InvalidInput, "64 bits", lambda lake: lake[NAME].features([BEYOND])),
    "an id of bytes": (InvalidInput, "not text", lambda lake: lake[NAME].document(UNDECODABLE)),
    "a filter of bytes": (InvalidInput, "not text", lambda lake: lake[NAME].codes(UNDECODABLE)),
    "a long expression": (
        InvalidExpression,
        "The expression",
        lambda lake: lake[NAME].tokens("1 & " * 10_000),
    ),
    "a long filter": (
        InvalidFilter,
        "does not work",
        lambda lake: lake[NAME].tokens(1, where="colour = '" + "日本" * 10_000 + "'"),
    ),
    "a long id": (NotFound, "no document", lambda lake: lake[NAME].document("é" * 30_000)),
    "an empty expression": (InvalidExpression, "''", lambda lake: lake[NAME].tokens("")),
    "an empty filter": (InvalidFilter, "''", lambda lake: lake[NAME].tokens(1, where="")),
    "an exported column": (
        InvalidFilter,
        "colour",
        lambda lake: lake[NAME].embeddings("colour = 1").read_all(),
    ),
    "an info": (NotFound, "made/other", lambda lake: lake["made/other"].info()),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_error(lake: Lake, mistake: str) -> None:
    kind, said, ask = MISTAKES[mistake]
    with pytest.raises(kind, match=said.replace(".", r"\.")) as caught:
        ask(lake)
    assert type(caught.value) is kind
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_face_raises_the_same(lake: Lake, embedded: Lake, mistake: str) -> None:
    _, _, ask = MISTAKES[mistake]
    errors: list[SaelakeError] = []
    for asked in (embedded, lake):
        with pytest.raises(SaelakeError) as caught:
            ask(asked)
        errors.append(caught.value)
    here, there = errors
    assert type(here) is type(there)
    assert here.message == there.message
    assert here.data == there.data
