"""An example of each question, as one would ask it by an address."""

from collections.abc import Mapping
from urllib.parse import quote

from saelake.answers.lookups import CollectionInfo

# What stands in braces is of a collection of the lake; of columns nobody knows beforehand.
EXAMPLES: Mapping[str, Mapping[str, str]] = {
    "info": {},
    "tokens": {"collection": "{collection}", "expression": "12", "k": "5"},
    "features": {"collection": "{collection}", "k": "5"},
    "document": {"collection": "{collection}", "doc": "0", "features": "12"},
    "similar": {"collection": "{collection}", "doc": "0", "k": "5"},
    "retrieve": {"collection": "{collection}", "phrase": "sarcastic praise", "k": "5"},
    "select": {"pool": "{collection}", "target": "{collection}", "k": "5"},
    "diff": {"a": "{collection} where COLUMN = 'x'", "others": "{collection} where COLUMN = 'y'"},
    "associate": {"collection": "{collection}", "columns": "COLUMN"},
    "shares": {"collection": "{collection}", "expression": "12", "by": "COLUMN"},
    "values": {"collection": "{collection}", "by": "COLUMN"},
    "correlate": {"a": "{collection}", "k": "5"},
    "cluster": {"collection": "{collection}", "n_clusters": "4"},
    "map": {"collection": "{collection}", "k": "100"},
    "match": {"a": "{dictionary}", "b": "{dictionary}", "by": "decoder", "features": "12"},
    "families": {"collection": "{collection}", "k": "5"},
    "labels": {"dictionary": "{dictionary}", "k": "5"},
    "agreement": {"dictionary": "{dictionary}"},
    "neighbors": {"dictionary": "{dictionary}", "feature": "12"},
    "jobs": {},
    "tags": {},
    "windows": {"collection": "{collection}", "feature": "12", "docs": "0", "positions": "5"},
    "places": {"collection": "{collection}", "features": "12,34", "k": "5"},
    "encode": {"collection": "{collection}", "texts": "A rainy day.", "k": "3"},
}


def example(question: str, of: CollectionInfo | None) -> str:
    """The address that asks an example of a collection, or of one that is not named."""
    collection = "corpus/dictionary" if of is None else of.name
    dictionary = collection.partition("/")[2]
    given = {
        name: value.format(collection=collection, dictionary=dictionary)
        for name, value in EXAMPLES[question].items()
    }
    fields = "&".join(f"{name}={quote(value, safe='/,:')}" for name, value in given.items())
    return f"/api/v1/{question}" + (f"?{fields}" if fields else "")


def is_whole(question: str) -> bool:
    """Whether the example can be asked as it is."""
    return not any("COLUMN" in value for value in EXAMPLES[question].values())
