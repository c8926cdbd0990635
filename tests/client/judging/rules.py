"""Rules that scripted judges keep to, and what is asked of them."""

import json
import re
from collections.abc import Callable
from typing import Any

from saelake.judging import JudgingPlan
from saelake.language.amounts import Prices
from saelake.language.settings import LanguageSettings
from tests.language_server import Asked, Say, Step

PLAN = JudgingPlan(corpus="made", question="Does it say rain?", column="rainy")
PLACE = re.compile(r"<document-([0-9a-f]{12})>\n(.*)\n</document-\1>", re.DOTALL)


def scripted_settings(url: str, **more: Any) -> LanguageSettings:
    chosen = {"concurrency": 4, "max_attempts": 4, "prices": Prices(prompt=1, completion=2), **more}
    return LanguageSettings(base_url=url, model="scripted", **chosen)


def shown(asked: Asked) -> str:
    """The document that is asked about; prompts that ask again begin with the same messages."""
    found = PLACE.search(asked.body["messages"][1]["content"])
    assert found is not None
    return found[2]


def verdict(value: Any, quote: str = "") -> Say:
    return Say(json.dumps({"verdict": value, "quote": quote}))


def rainy(asked: Asked) -> Step:
    """Yes where the document says rain."""
    is_so = "rain" in shown(asked)
    return verdict("yes" if is_so else "no", "rain" if is_so else "")


def after(script: Callable[[Asked], Step], *first: Step) -> Callable[[Asked], Step]:
    """What is said at first, again and again, and then what the script says."""

    def said(asked: Asked) -> Step:
        return first[asked.n_before] if asked.n_before < len(first) else script(asked)

    return said
