"""What a judge is asked of a text: whether it has a property. It is told nothing else.

Texts stand within the marks of a fence, which none of them has.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from saelake.explaining.claims.reading import VerdictReader
from saelake.explaining.claims.texts import SideText
from saelake.language.fences import Fence
from saelake.language.prompts import Message, Prompt
from saelake.language.shapes import TEXT, object_of

JUDGE_TOKENS = 250

VERDICT = object_of(holds={"type": "boolean"}, quote=TEXT)

_JUDGE = """You judge whether a text has a property.

Read the whole text. Say true only if the text itself shows the property, and copy out the \
shortest passage that shows it, word for word. Otherwise say false, with an empty quote.

{rule}

Answer with a JSON object: {{"holds": true or false, "quote": "the passage"}}"""


def judging(text: str, statement: str, statements: Sequence[str]) -> Prompt:
    """Whether a text has a property. The marks are the same for all statements about a text.

    So what stands before the property is too, and a server that keeps beginnings of prompts reads
    the text once.
    """
    fence = Fence.around([text, *statements])
    parts = [
        "The text:",
        fence.put("text", text),
        "The property:",
        fence.put("property", statement),
    ]
    return prompt_of(_JUDGE.format(rule=fence.rule), parts, JUDGE_TOKENS, VERDICT)


def judge_prompts(
    texts: Sequence[SideText], statements: Sequence[str], seed: int, reader: VerdictReader
) -> list[tuple[tuple[int, int], Prompt]]:
    """One for each statement and text, with the numbers of both.

    Texts of both sides come mixed, by chance.
    """
    mixed = list(enumerate(texts))
    random.Random(f"{seed}:judged").shuffle(mixed)
    return [
        ((s, t), reader.about(judging(text.text, said, statements), text.text))
        for t, text in mixed
        for s, said in enumerate(statements)
    ]


def prompt_of(
    system: str, parts: Sequence[str], max_tokens: int, schema: Mapping[str, Any]
) -> Prompt:
    """The prompt of a system's words and the parts of one message."""
    return Prompt(
        messages=(
            Message(role="system", content=system),
            Message(role="user", content="\n\n".join(parts)),
        ),
        max_tokens=max_tokens,
        schema=schema,
    )
