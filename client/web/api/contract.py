"""What the wire contract says of each field, for those who read of it over HTTP."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

MESSAGE = re.compile(r"^message (\w+) \{(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"((?:  //[^\n]*\n)+)  (?:optional |repeated )?[\w.]+ (\w+) [={]")
# A default of one word is told by the field itself, as this face writes it.
LEFT_OUT = re.compile(r"(?:; |(?<=\. )|^)[Ll]eft out: (?!all\b)`?[\w.]*\w`?(?:\.(?=\s|$)|$)")

# Fields that are the same in every message, of which only the first has a comment.
USUAL: Mapping[str, str] = {
    "collection": "The collection, as corpus/dictionary.",
    "dictionary": "The dictionary, by its name.",
    "corpus": "The corpus, by its name.",
    "where": "An SQL predicate over the corpus's metadata columns; left out: every document.",
}


@cache
def _messages() -> Mapping[str, str]:
    return dict(MESSAGE.findall((files("saelake.proto.v1") / "lake.proto").read_text()))


def field_comments(message: str) -> Mapping[str, str]:
    """The comment of each field that has one, by the field's name, as one line."""
    found = FIELD.findall(_messages().get(message, ""))
    own = {("k" if name == "limit" else name): _said(comment) for comment, name in found}
    return {**USUAL, **own}


def _said(comment: str) -> str:
    lines = (line.strip().removeprefix("//").strip() for line in comment.splitlines())
    said = LEFT_OUT.sub(".", " ".join(lines)).strip()
    return said.removesuffix("..") if said != "." else ""
