"""Runs over planted features: asked over a real socket, scored, written, and gone on with."""

from pathlib import Path

import pytest

from saelake.collection import Collection
from saelake.explaining.run.faces import explain
from tests.client.explaining.planted import (
    OPTIONS,
    PLANTED,
    knowing,
    labels_of,
    planted_lake,
    saying,
    settings,
)
from tests.client.language.models import PRICES
from tests.language_server import scripted


@pytest.fixture
def planted(tmp_path: Path) -> Collection:
    return planted_lake(tmp_path / "lake")


RIGHT = {str(i): f"the word {rule}" for i, rule in enumerate(PLANTED)}


def test_a_planted_rule_is_found_and_scores_all(planted: Collection, tmp_path: Path) -> None:
    with scripted(saying(knowing)) as server:
        report = explain(planted, settings(server), options=OPTIONS, cache=tmp_path / "cache")
        spent = report.spent
        assert (spent.n_requests, spent.n_tokens) == (
            server.counted.n_answers,
            server.counted.n_tokens,
        )
        counted = server.counted
        assert spent.pico == PRICES.cost(counted.n_prompt_tokens, counted.n_completion_tokens)
    assert labels_of(planted) == RIGHT
    assert {each.kind: (each.n, each.median) for each in report.scores} == {
        "detection": (6, 1.0),
        "fuzzing": (6, 1.0),
    }
    assert all(s.estimate.value == 1 for each in report.explained for s in each.scores)
    assert (report.n_written, report.n_cached, report.stopped) == (6, 0, None)
