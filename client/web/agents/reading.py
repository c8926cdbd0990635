"""The tools that put questions together: a feature with its examples, and a document to read."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field as Described

from saelake.aio.lake import AsyncLake
from saelake.answers.answer import state_of
from saelake.answers.lookups import Document, FeatureCodes
from saelake.answers.plain import plain
from saelake.answers.text import named
from saelake.arguments import feature_in
from saelake.store.requests.document import DocumentQuery
from saelake.store.requests.features import FeaturesQuery
from saelake.store.requests.labels import LabelsQuery
from saelake.store.requests.tokens import TokensQuery
from saelake.web.agents.arguments import MOST_ROWS, Argument, question_of
from saelake.web.agents.asking import STATE, Given, Told, ask, at_state
from saelake.web.agents.bounds import CUT
from saelake.web.api.schemas import document_schema

MOST_CHARACTERS = 20_000

# -- A feature.

EXAMPLES = Argument(
    name="examples",
    type=Annotated[int, Described(ge=1, le=MOST_ROWS)],
    about="How many documents are shown in which it is strongest.",
    default=5,
)
FEATURE = Argument(
    name="feature",
    type=str,
    about="The feature's number. Of a signed dictionary also one pole of it, as -12 or +12.",
)


def feature_schema() -> dict[str, Any]:
    """The schema of `describe_feature`'s answers."""
    both = [document_schema(FeaturesQuery, "features"), document_schema(TokensQuery, "hits")]
    return {
        "type": "object",
        "required": [name for one in both for name in one["required"]],
        "properties": {name: kind for one in both for name, kind in one["properties"].items()},
    }


async def feature(lake: AsyncLake, given: Given) -> Told:
    """How a feature behaves, and where it is strongest."""
    asked, name = {"collection": given["collection"]}, feature_in(given["feature"])
    statistics = await ask(lake, FeaturesQuery, {**asked, "features": [name]})
    hits = {**asked, "expression": name, "k": given["examples"], "where": given["where"]}
    strongest = await ask(at_state(lake, statistics), TokensQuery, hits)
    return {**statistics, "hits": strongest["hits"]}


# -- A document.

START = Argument(
    name="start",
    type=Annotated[int, Described(ge=0)],
    about="From which character of the text on; `next_start` of an answer reads on.",
    default=0,
)
CHARACTERS = Argument(
    name="characters",
    type=Annotated[int, Described(ge=1, le=MOST_CHARACTERS)],
    about="How many characters of the text are answered.",
    default=4_000,
)
STRONGEST = Argument(
    name="features",
    type=Annotated[int, Described(ge=0, le=MOST_ROWS)],
    about="How many of its strongest features are told.",
    default=10,
)
_FIRING = {
    "type": "object",
    "properties": {
        "feature": {"type": "integer"},
        "max": {"type": "number"},
        "n_tokens": {"type": "integer", "description": "On how many tokens it fires."},
        "peaks_on": {"type": "string"},
        "label": {"type": ["string", "null"]},
    },
}


def text_schema() -> dict[str, Any]:
    """The schema of `read_document`'s answers."""
    known = document_schema(DocumentQuery, None)["properties"]
    kept = {name: known[name] for name in ("doc", "id", "text", "metadata", "error")}
    numbers = {name: {"type": "integer"} for name in ("n_characters", "n_tokens", "n_features")}
    return {
        "type": "object",
        "required": ["id", "text", "n_characters"],
        "properties": {
            **kept,
            **numbers,
            "next_start": {"type": ["integer", "null"]},
            "features": {"type": "array", "items": _FIRING},
        },
    }


async def text(lake: AsyncLake, given: Given) -> Told:
    """A part of a document's text, its metadata, and what fires in it most strongly."""
    named_by = {name: given[name] for name in ("collection", "id", "doc")}
    table = await lake.transport.table(question_of(DocumentQuery, named_by))
    document, state = Document(table), state_of(table)
    strongest = document.strongest(given["features"])
    then = lake if state is None else lake.as_of(state)
    labels = await _labels(then, given["collection"], strongest)
    sample = {} if document.sample is None else {"sample": document.sample}
    rows = [_firing(document, codes, labels) for codes in strongest]
    return {
        **plain({"doc": document.doc, "id": document.id, "metadata": document.metadata}),
        "error": document.error,
        **_part(document.text, given["start"], given["characters"]),
        "n_tokens": len(document.tokens),
        "n_features": len(document.features),
        "features": plain(rows),
        **sample,
        STATE: state,
    }


def _part(whole: str, start: int, characters: int) -> Told:
    """The characters that were asked for, and where the rest begins."""
    end = start + characters
    more = {} if end >= len(whole) else {CUT: [f"The text goes on: ask with start={end}."]}
    return {
        "text": whole[start:end],
        "start": start,
        "n_characters": len(whole),
        "next_start": end if more else None,
        **more,
    }


async def _labels(
    lake: AsyncLake, collection: str, strongest: Sequence[FeatureCodes]
) -> dict[int | str, str]:
    """What the features are called, where they are called something."""
    if not strongest:
        return {}
    names = [str(named(codes.feature, codes.pole)) for codes in strongest]
    found = await ask(lake, LabelsQuery, {"dictionary": collection, "features": names})
    return {named(row["feature"], row.get("pole")): row["label"] for row in found["labels"]}


def _firing(document: Document, codes: FeatureCodes, labels: dict[int | str, str]) -> Told:
    at = max(range(len(codes)), key=lambda i: abs(float(codes.values[i])))
    pole = {} if codes.pole is None else {"pole": codes.pole}
    return {
        "feature": codes.feature,
        **pole,
        "max": codes.max,
        "n_tokens": len(codes),
        "peaks_on": document.tokens[int(codes.positions[at])].text,
        "label": labels.get(named(codes.feature, codes.pole)),
    }
