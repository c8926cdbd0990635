"""The tool that changes a lake: calling a feature something."""

import asyncio
from dataclasses import asdict

from saelake.aio.lake import AsyncLake
from saelake.answers.plain import plain
from saelake.store.requests.commands.labels import LONGEST_LABEL
from saelake.web.agents.arguments import Argument, model_for
from saelake.web.agents.asking import Given, Told
from saelake.web.agents.reading import FEATURE
from saelake.web.agents.tool import AgentTool

BY_AGENT = "agent"  # the explainer of labels whose writer says no name

ARGUMENTS = (
    Argument(name="dictionary", type=str, about="The dictionary, by its name."),
    FEATURE,
    Argument(
        name="label",
        type=str,
        about=f"What the feature is to be called: up to {LONGEST_LABEL:,} characters.",
    ),
    Argument(
        name="explainer",
        type=str,
        about="Who says so. The label that this explainer gave the feature before is replaced; "
        "those of others stay.",
        default=BY_AGENT,
    ),
)


async def label(lake: AsyncLake, given: Given) -> Told:
    """Have the label written. A change that was begun is finished, also when nobody waits."""
    writing = lake.dictionary(given["dictionary"]).label(
        given["feature"], given["label"], explainer=given["explainer"]
    )
    told: Told = plain(asdict(await asyncio.shield(asyncio.ensure_future(writing))))
    return told


LABEL_FEATURE = AgentTool(
    name="label_feature",
    title="Label a feature",
    about="Call a feature something, from what its examples show. It is written into the lake, for "
    "everybody: ask the user first.",
    model=model_for("label_feature", ARGUMENTS),
    answer=label,
    schema={
        "type": "object",
        "required": ["dictionary", "n_labels"],
        "properties": {"dictionary": {"type": "string"}, "n_labels": {"type": "integer"}},
    },
    changes=True,
)
