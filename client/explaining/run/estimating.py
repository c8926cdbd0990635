"""What a run would take, before anything is asked."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from saelake.answers.text import several
from saelake.explaining.evidence import FeatureEvidence
from saelake.explaining.run.feature import FeatureWork
from saelake.explaining.run.judgements import judgement
from saelake.language.estimates import RunEstimate
from saelake.language.prompts import Prompt
from saelake.language.reading import Unreadable

SAMPLED = 32  # features whose prompts are made
UNKNOWN_LABEL = "x" * 120  # characters, of a label that nobody has written yet


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainEstimate:
    """What explaining `n_features` would take, from the prompts of `n_sampled` of them.

    `explaining` and `scoring` are of those sampled; the other numbers are of all.
    """

    n_features: int
    n_sampled: int
    explaining: RunEstimate
    scoring: RunEstimate

    @property
    def n_requests(self) -> int:
        """Prompts that have no reply yet."""
        return self._of_all(lambda each: each.n_requests)

    @property
    def n_prompt_tokens(self) -> int:
        """Likely ones."""
        return self._of_all(lambda each: each.n_prompt_tokens)

    @property
    def n_completion_tokens(self) -> int:
        """Likely ones."""
        return self._of_all(lambda each: each.n_completion_tokens)

    @property
    def most_tokens(self) -> int:
        """What a budget would have to hold, if no reply is asked for twice."""
        return self._of_all(lambda each: each.most.n_tokens)

    @property
    def cost(self) -> float | None:
        """The likely one; None without prices."""
        costs = [self.explaining.cost, self.scoring.cost]
        return None if None in costs else sum(c or 0.0 for c in costs) * self._factor

    @property
    def most_cost(self) -> float | None:
        """The largest one; None without prices."""
        costs = [self.explaining.most_cost, self.scoring.most_cost]
        return None if None in costs else sum(c or 0.0 for c in costs) * self._factor

    @property
    def _factor(self) -> float:
        return self.n_features / self.n_sampled if self.n_sampled else 0.0

    def _of_all(self, number: Callable[[RunEstimate], int]) -> int:
        return round((number(self.explaining) + number(self.scoring)) * self._factor)

    def to_plain(self) -> dict[str, Any]:
        """The estimate as one JSON document."""
        return {
            "n_features": self.n_features,
            "n_requests": self.n_requests,
            "n_prompt_tokens": self.n_prompt_tokens,
            "n_completion_tokens": self.n_completion_tokens,
            "cost": self.cost,
            "most_tokens": self.most_tokens,
            "most_cost": self.most_cost,
            "based_on": list(self.based_on),
        }

    def to_arrow(self) -> pa.Table:
        """The estimate as a table of one row."""
        return pa.Table.from_pylist([{**self.to_plain(), "based_on": "; ".join(self.based_on)}])

    @property
    def based_on(self) -> Iterable[str]:
        """Where the numbers are from, for people."""
        yield f"the prompts of {several(self.n_sampled, 'feature')} of {self.n_features:,}"
        for name, each in (("explaining", self.explaining), ("scoring", self.scoring)):
            if each.n_prompts:
                yield f"{name}: {_measured(each)}"

    def __repr__(self) -> str:
        cost = "" if self.cost is None else f", cost {self.cost:.3g}"
        most = "" if self.most_cost is None else f", cost {self.most_cost:.3g}"
        return "\n".join(
            [
                f"{several(self.n_features, 'feature')}: {several(self.n_requests, 'request')}, "
                f"some {self.n_prompt_tokens:,} tokens of prompts and "
                f"{self.n_completion_tokens:,} of answers{cost}",
                f"at most {self.most_tokens:,} tokens{most}, if no answer is asked for twice",
                *(f"by {said}" for said in self.based_on),
            ]
        )


def _measured(each: RunEstimate) -> str:
    cached = f", {each.n_cached:,} of {each.n_prompts:,} replies there already"
    if not each.n_measured:
        guessed = f"{each.characters_per_token:.1f} characters a token (a guess: this model has not"
        return f"{guessed} been asked yet), and answers of full length{cached}"
    return (
        f"{each.characters_per_token:.1f} characters a token and answers of mean length, as in "
        f"{each.n_measured:,} replies so far{cached}"
    )


async def estimated(
    work: FeatureWork, evidence: AsyncIterable[FeatureEvidence], n_features: int
) -> ExplainEstimate:
    """What a run would take, from evidence for some of its features; nothing is asked."""
    seen = [each async for each in evidence]
    return ExplainEstimate(
        n_features=n_features,
        n_sampled=len(seen),
        explaining=await work.model.estimate(list(enumerate(_explaining(work, seen)))),
        scoring=await work.judge.estimate(_scoring(work, seen)),
    )


def _explaining(work: FeatureWork, seen: Iterable[FeatureEvidence]) -> Iterable[Prompt]:
    return [work.prompt(each) for each in seen if each.firing and work.given is None]


async def _scoring(
    work: FeatureWork, seen: Iterable[FeatureEvidence]
) -> AsyncIterator[tuple[int, Prompt]]:
    for each in seen:
        label = await _label(work, each)
        for way in work.options.scores if label else ():
            asked = None if way == "embedding" else judgement(way, each, label or "")
            for prompt in asked.prompts if asked else ():
                yield 0, prompt


async def _label(work: FeatureWork, evidence: FeatureEvidence) -> str | None:
    """The label that would be scored, as far as it is known."""
    if work.given is not None:
        return work.given[str(evidence.feature)].label
    if not evidence.firing:
        return None
    kept = await work.model.kept(work.prompt(evidence))
    found = UNKNOWN_LABEL if kept is None else work.label_of(kept)
    return UNKNOWN_LABEL if isinstance(found, Unreadable) else found
