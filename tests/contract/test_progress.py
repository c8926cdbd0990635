"""How far long questions are, on every face: stage after stage to its end, the answer the same."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

import saelake
from saelake.lake import Lake

NAME = "made/random"
NEG = "label = 'neg'"
FEW: dict[str, Any] = {"min_npmi": 0.001, "min_documents": 1, "max_coverage": 1.0}
QUESTIONS: dict[str, Callable[[Lake], pa.Table]] = {
    "correlate": lambda lake: lake[NAME].correlate(**FEW).to_arrow(),
    "correlate around": lambda lake: lake[NAME].correlate(features=[3], **FEW).to_arrow(),
    "correlate aligned": lambda lake: (
        lake[NAME].where("length > 5").correlate(lake[NAME], align="label").to_arrow()
    ),
    "families": lambda lake: lake[NAME].families(control=["label"], **FEW).to_arrow(),
    "diff": lambda lake: (
        lake[NAME].where("label = 'pos'").diff(lake[NAME].where("label = 'neg'")).to_arrow()
    ),
    "diff tokens": lambda lake: (
        lake[NAME].where("label = 'pos'").diff(lake[NAME].where(NEG), unit="token").to_arrow()
    ),
    "associate": lambda lake: lake[NAME].associate("length").to_arrow(),
    "cluster": lambda lake: lake[NAME].cluster(3).to_arrow(),
    "select": lambda lake: lake[NAME].where("length > 8").select(lake[NAME]).to_arrow(),
    "match": lambda lake: lake[NAME].match(lake[NAME], k=2).to_arrow(),
    "verify": lambda lake: lake.verify(NAME).to_arrow(),
}


def check(heard: list[saelake.Progress]) -> None:
    """Stages are numbered as they begin, and each goes on to its end."""
    stages = dict[int, list[saelake.Progress]]()
    for told in heard:
        stages.setdefault(told.step, []).append(told)
    assert list(stages) == sorted(stages)
    for stage in stages.values():
        assert len({(told.stage, told.total) for told in stage}) == 1, "one stage has one step"
        dones = [told.done for told in stage]
        assert dones == sorted(dones)
        assert stage[0].total is None or dones[-1] == stage[0].total, stage


@pytest.mark.parametrize("question", QUESTIONS)
def test_stages_go_on_to_their_end_and_the_answer_is_the_same(lake: Lake, question: str) -> None:
    ask, heard = QUESTIONS[question], list[saelake.Progress]()
    expected = ask(lake)
    with saelake.progress(heard.append, every_s=0):
        found = ask(lake)
    assert heard, "it tells of something"
    check(heard)
    assert found.equals(expected)
    n_before = len(heard)
    ask(lake)
    assert len(heard) == n_before, "outside of the block nobody listens"


def test_every_piece_is_told_of_here(embedded: Lake) -> None:
    heard = list[saelake.Progress]()
    with saelake.progress(heard.append, every_s=0):
        embedded.verify(NAME)
    rows = [(told.done, told.total) for told in heard if told.stage == "checking rows"]
    assert rows == [(done, 3) for done in range(4)], "three fragments of codes"
