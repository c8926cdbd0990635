"""What a model is asked about a group: what it is to be called, and whether a name fits a text."""

from collections.abc import Mapping, Sequence

from saelake.explaining.claims.asking import prompt_of
from saelake.explaining.naming.evidence import GroupEvidence, GroupFeature
from saelake.explaining.naming.groups import Kind
from saelake.language.fences import Fence
from saelake.language.prompts import Prompt
from saelake.language.shapes import TEXT, object_of

NAME_TOKENS = 100
NAME = object_of(name=TEXT)
ABOUT: Mapping[Kind, str] = {
    "cluster": "You name a group of texts that are alike.",
    "family": "You name a group of features of a language model that are active in the same texts.",
}
# What a judge is asked of a text, who knows of no group.
STATEMENT = "it is well described by the name: {name}"

_NAME = """{about}

You see excerpts of texts of the group and excerpts of other texts, and what features are about \
that are active in the group more often than elsewhere; the words at which one of these is active \
stand between << and >>. Find what most texts of the group have in common that the others have \
not, and name that in at most {n_words} words: as specific as they allow, so that a person who \
sees one text by itself can say whether the name fits it. No list, no number, and nothing about \
groups, texts, features or marks.

{rule}

Answer with a JSON object: {{"name": "the name"}}"""


def naming(group: GroupEvidence, kind: Kind, n_words: int, taken: Sequence[str] = ()) -> Prompt:
    """What a group is to be called, but for names that are `taken`."""
    features = "\n".join(map(_line, group.features))
    names = "\n".join(taken)
    fence = Fence.around([*group.shown, *group.others, features, names])
    parts = ["Texts of the group:", *(fence.put("text", text) for text in group.shown)]
    parts += ["Other texts:", *(fence.put("other", text) for text in group.others)]
    if features:
        parts += ["Features of the group:", fence.put("features", features)]
    if taken:
        parts += ["These names are of other groups, and not to be given:"]
        parts += [fence.put("taken", names)]
    system = _NAME.format(about=ABOUT[kind], n_words=n_words, rule=fence.rule)
    return prompt_of(system, parts, NAME_TOKENS, NAME)


def _line(of: GroupFeature) -> str:
    words = " ".join(of.called.split()) or "not known"
    return f"{words} (in the group: {of.frequency_in:.0%}, elsewhere: {of.frequency_out:.0%})"
