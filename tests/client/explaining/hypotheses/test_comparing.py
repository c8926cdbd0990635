"""Two sets of texts compared by a scripted model: what is planted is found, and nothing else."""

import json
from pathlib import Path

import pytest

from saelake.collection import Collection
from saelake.explaining.hypotheses import HypothesisReport, compare, estimate
from saelake.language.settings import LanguageSettings
from tests.client.explaining.hypotheses.made import (
    FEWER,
    HONEST,
    PLANTED,
    make_texts,
    sides,
)
from tests.client.language.models import PRICES
from tests.language_server import ScriptedServer, scripted


def settings(server: ScriptedServer, **more: object) -> LanguageSettings:
    chosen = {"prices": PRICES, "concurrency": 16, "max_attempts": 3, **more}
    return LanguageSettings(base_url=server.base_url, model="scripted", **chosen)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return make_texts(tmp_path_factory.mktemp("texts") / "lake")


def test_a_planted_difference_is_accepted_with_its_effect_and_quotes(
    collection: Collection, tmp_path: Path
) -> None:
    a, b = sides(collection)
    with scripted(HONEST) as server:
        report = compare(a, b, settings(server), options=FEWER, cache=tmp_path)
    (row,) = report.accepted
    assert row.hypothesis.statement == PLANTED
    print(report)
