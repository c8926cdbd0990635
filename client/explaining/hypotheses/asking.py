"""What a language model is asked: what a feature is about, and how two sets of texts differ.

Texts stand within the marks of a fence, which none of them has. Of the sides it learns no more than
A and B. Relabelling by texts of both sides follows the toolkit of
interpretable embeddings (arXiv 2512.10092; positive and negative samples, marked tokens).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from saelake.explaining.claims.asking import prompt_of
from saelake.explaining.claims.texts import SideText
from saelake.explaining.hypotheses.contrasts import DifferingFeature, FeatureContrast
from saelake.language.fences import Fence
from saelake.language.prompts import Prompt
from saelake.language.shapes import TEXT, list_of, object_of

LABEL_TOKENS, HYPOTHESES_TOKENS = 200, 1500

LABEL = object_of(label=TEXT)


def hypotheses_schema(n_hypotheses: int) -> Mapping[str, Any]:
    """What hypotheses are answered in."""
    each = object_of(
        more_in={"type": "string", "enum": ["A", "B"]},
        property=TEXT,
        features=list_of({"type": "integer"}),
    )
    return object_of(hypotheses=list_of(each, n_hypotheses))


_LABEL = """You find out what a feature of a language model is about.

You see excerpts of texts in which the feature is active, with the words at which it is strongly \
active between << and >>, and excerpts of other texts in which it is not active. Look at the \
marked words and at what stands before them. Name the most specific property that the first \
have and the second have not: one concise phrase, no list, and nothing about excerpts or numbers.

{rule}

Answer with a JSON object: {{"label": "the property"}}"""

_HYPOTHESES = """You find out how two sets of texts, A and B, differ.

You see features that are active more often in texts of one set, each with a label of what it is \
about and the shares of texts in which it is active, and a few excerpts of both sets. Several \
features may come of one difference. State at most {n} hypotheses, the surest first. Each names a \
property that texts of one set have more often than those of the other. A property is about one \
text by itself, so that a person who sees only that text can say whether it has it: never mention \
the sets, other texts or features in it. Say no property twice.

{rule}

Answer with a JSON object: {{"hypotheses": [{{"more_in": "A", "property": "the property", \
"features": [numbers of the features that it explains]}}]}}"""


def relabelling(contrast: FeatureContrast) -> Prompt:
    """What a feature is about, by texts in which it fires and texts of the other side."""
    fence = Fence.around([*contrast.firing, *contrast.silent])
    parts = ["Texts in which it is active:", *(fence.put("text", t) for t in contrast.firing)]
    if contrast.silent:
        parts += ["Texts in which it is not:", *(fence.put("text", t) for t in contrast.silent)]
    return prompt_of(_LABEL.format(rule=fence.rule), parts, LABEL_TOKENS, LABEL)


def proposing(
    labelled: Sequence[tuple[DifferingFeature, str]],
    examples: Sequence[SideText],
    n_hypotheses: int,
    n_excerpt: int,
) -> Prompt:
    """How the sides differ, by features with labels and a few texts of both."""
    texts = {s: [t.beginning(n_excerpt) for t in examples if t.side == s] for s in ("A", "B")}
    features = "\n".join(_line(number, *each) for number, each in enumerate(labelled, 1))
    fence = Fence.around([features, *texts["A"], *texts["B"]])
    parts = ["Features:", fence.put("features", features)]
    for side, shown in texts.items():
        parts += [f"Texts of {side}:", *(fence.put("text", text) for text in shown)]
    system = _HYPOTHESES.format(rule=fence.rule, n=n_hypotheses)
    return prompt_of(system, parts, HYPOTHESES_TOKENS, hypotheses_schema(n_hypotheses))


def _line(number: int, of: DifferingFeature, label: str) -> str:
    words = " ".join(label.split())
    return f"{number}. {words} (A: {of.frequency_a:.0%}, B: {of.frequency_b:.0%})"
