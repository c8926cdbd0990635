"""Prompts that ask how strongly a feature would fire at each token, and texts for surprisal.

Simulation is that of OpenAI's automated-interpretability without log-probabilities, as delphi has
it: the reply is JSON. Where a server gives log-probabilities of the reply, the expected value over
them is read (`replies.simulated`). Surprisal asks for no reply: it needs the log-probabilities that
a server gives to the tokens of a prompt.
"""

import json
from dataclasses import dataclass

from saelake.explaining.published import published, said
from saelake.explaining.quoting import quoted_line, quoted_tokens
from saelake.explaining.windows import TokenWindow
from saelake.language.prompts import Prompt
from saelake.language.shapes import TEXT, list_of, object_of

STRONGEST = 10  # of the scale on which strengths are simulated
TOKENS_FOR_ONE = 40  # of a reply, for each token that is simulated
SIMULATION_LOGPROBS = 15  # delphi
SIMULATED = object_of(
    to_find=TEXT,
    document=TEXT,
    activations=list_of(
        object_of(token=TEXT, activation={"type": "integer", "minimum": 0, "maximum": STRONGEST})
    ),
)
_UNRELATED = "Various unrelated sentences."


def simulation(window: TokenWindow, label: str, *, logprobs: bool = False) -> Prompt:
    """How strongly does what the label says fire at each token of the window, from 0 to 10?"""
    words = published("simulation")
    tokens = quoted_tokens(window.tokens)
    question = {
        "to_find": quoted_line(label),
        "document": "".join(tokens),
        "activations": [{"token": token, "activation": None} for token in tokens],
    }
    return Prompt(
        messages=said(words["system"], words["shots"], json.dumps(question)),
        max_tokens=TOKENS_FOR_ONE * len(tokens) + 200,
        schema=SIMULATED,
        logprobs=SIMULATION_LOGPROBS if logprobs else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SurprisalTexts:
    """A text after a description of it, and after one that says nothing."""

    text: str
    described: str
    undescribed: str


def surprisal(window: TokenWindow, label: str) -> SurprisalTexts:
    """The window's text, and what stands before it with and without the label, as in delphi."""
    base = published("surprisal")["base"]

    def before(description: str) -> str:
        return f"{base}Description: \n{description}\n Sentences:\n"

    return SurprisalTexts(
        text=window.text, described=before(quoted_line(label)), undescribed=before(_UNRELATED)
    )


def embedding_query(label: str) -> str:
    """The text whose embedding is compared with those of windows, as in delphi."""
    instruction = "Instruct: Retrieve sentences that could be related to the explanation.\nQuery:"
    return instruction + label
