"""Prompts, readers and counts against delphi's own, of the same windows.

What delphi says is recorded in delphi.json; where it is installed, that is compared as well.
"""

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest

from saelake.explaining import replies
from saelake.explaining.explainers import explaining
from saelake.explaining.judging import intruder_prompt, judging_prompt
from saelake.explaining.marking import marked_rightly, marked_wrongly, n_marked
from saelake.explaining.scores.classified import classified
from saelake.explaining.scores.simulations import simulation_score
from saelake.explaining.simulating import simulation, surprisal
from saelake.language.prompts import Prompt
from saelake.language.reading import Unreadable
from saelake.language.replies import TokenChances
from tests.client.explaining.delphi import (
    CHANCES,
    LABEL,
    RECORDED,
    REPLIES,
    SAID,
    STRENGTHS,
    TOPS,
    TRUE,
)
from tests.client.explaining.made import evidence_of, recorded_windows

SAYS: dict[str, Any] = json.loads(RECORDED.read_text())
WINDOWS = recorded_windows(SAYS["examples"])
EVIDENCE = evidence_of(WINDOWS)


def messages(prompt: Prompt) -> list[dict[str, str]]:
    return [{"role": m.role, "content": m.content} for m in prompt.messages]


def texts() -> list[str]:
    import random

    return [
        marked_rightly(w) if w.fires else marked_wrongly(w, 1, random.Random(0)) for w in WINDOWS
    ]


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("delphi"), reason="eai-delphi is not installed")
def test_what_is_recorded_is_what_delphi_says() -> None:
    run = [sys.executable, "-m", "tests.client.explaining.delphi"]
    said = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert json.loads(said) == SAYS


def test_the_default_way_is_delphis() -> None:
    assert messages(explaining(EVIDENCE)) == SAYS["default"]
    assert messages(explaining(EVIDENCE, thoughts=True)) == SAYS["default with thoughts"]


def test_the_contrastive_way_is_delphis() -> None:
    assert messages(explaining(EVIDENCE, "contrastive")) == SAYS["contrastive"]


def test_detection_is_delphis() -> None:
    plain = [window.text for window in WINDOWS[:5]]
    assert messages(judging_prompt("detection", LABEL, plain, logprobs=False)) == SAYS["detection"]


def test_fuzzing_is_delphis() -> None:
    assert texts() == SAYS["marked"]
    prompt = judging_prompt("fuzzing", LABEL, texts()[:5], logprobs=True)
    assert messages(prompt) == SAYS["fuzzing"]
    assert prompt.logprobs == 5
    assert n_marked(WINDOWS) == SAYS["n_marked"]


def test_the_intruder_is_delphis() -> None:
    assert messages(intruder_prompt(texts()[:5])) == SAYS["intruder"]


def test_simulation_and_surprisal_are_delphis() -> None:
    assert messages(simulation(WINDOWS[0], LABEL)) == SAYS["simulation"]
    assert surprisal(WINDOWS[0], LABEL).described == SAYS["surprisal"]


def test_readable_explanations_are_read_alike() -> None:
    ours = [replies.explanation(reply) for reply in REPLIES["explanation"]]
    assert ours[:2] == SAYS["replies"]["explanation"][:2]
    assert isinstance(ours[2], Unreadable)
    assert SAYS["replies"]["explanation"][2] == "Explanation could not be parsed."


def test_readable_choices_are_read_alike_and_others_by_neither() -> None:
    for reply, theirs in zip(REPLIES["choices"], SAYS["replies"]["choices"], strict=True):
        ours = replies.choices(reply, 5)
        assert ours == (
            Unreadable(reason="the list has 2 answers for 5 examples")
            if theirs is None
            else tuple(theirs)
        )


def test_readable_intruders_are_read_alike_and_others_by_neither() -> None:
    for reply, theirs in zip(REPLIES["intruder"], SAYS["replies"]["intruder"], strict=True):
        ours = replies.intruder(reply, 5)
        assert isinstance(ours, Unreadable) if theirs is None else ours == theirs


def test_simulations_are_read_alike() -> None:
    ours = [replies.simulated(reply, 3) for reply in REPLIES["simulated"]]
    assert ours == [tuple(theirs) for theirs in SAYS["replies"]["simulated"]]


def test_probabilities_are_delphis() -> None:
    reply = [
        TokenChances(token=token, logprob=top[token], alternatives=tuple(top.items()))
        for top, token in zip(CHANCES, ["1", " 1", "0"], strict=True)
    ]
    assert replies.probabilities(reply, len(CHANCES)) == pytest.approx(SAYS["probabilities"])


def test_expected_values_are_those_published() -> None:
    assert [replies.expected_value(top) for top in TOPS] == pytest.approx(SAYS["expected"])


def test_counts_are_delphis() -> None:
    score, theirs = classified(TRUE, SAID), SAYS["metrics"]
    ours = (score.accuracy, score.f1, score.recall, score.specificity)
    names = ("accuracy", "f1_score", "true_positive_rate", "true_negative_rate")
    assert [each.value for each in ours] == pytest.approx([theirs[name] for name in names])


def test_the_correlation_of_simulations_is_the_published_one() -> None:
    assert simulation_score(*STRENGTHS).correlation.value == pytest.approx(SAYS["correlation"])
