"""Scores: of judges that know the rule, of judges that guess, and how often intervals hold."""

import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from saelake.explaining.judging import JudgedWindows, detection, fuzzing, intruders
from saelake.explaining.replies import choices
from saelake.explaining.scores.areas import area, surprise_saved
from saelake.explaining.scores.classified import Classification, classified, intruders_found
from saelake.explaining.scores.estimates import ScoreEstimate, effective, of_two, share
from saelake.explaining.scores.simulations import simulation_score
from saelake.explaining.windows import TokenWindow
from saelake.language.reading import Unreadable
from saelake.store.errors import InvalidInput
from saelake.store.format.shares import wilson
from tests.client.explaining.made import evidence_of, planted, window_of

Ask = Callable[..., list[JudgedWindows]]
RUNS = 400
EVIDENCE = evidence_of([], planted(40))


def by_rule(window: TokenWindow, text: str) -> bool:
    """A judge who knows the rule: rain, and where something is marked, rain alone."""
    return "<< rain>>" in text if "<<" in text else " rain" in text


def judged(batches: Sequence[JudgedWindows], rule: bool, seed: int = 0) -> Classification:
    chance = random.Random(seed)
    truths: list[bool] = []
    said: list[bool] = []
    for batch in batches:
        lines = batch.prompt.messages[-1].content.split("\n")
        texts = [line for line in lines if line.startswith("Example")]
        answers = [
            by_rule(window, text) if rule else chance.random() < 0.5
            for window, text in zip(batch.windows, texts, strict=True)
        ]
        reply = str([int(answer) for answer in answers])
        read = choices(reply, len(answers))
        assert not isinstance(read, Unreadable)
        said += read
        truths += batch.truths
    return classified(truths, said)


@pytest.mark.parametrize("ask", [detection, fuzzing])
def test_a_judge_who_knows_the_planted_rule_scores_one(ask: Ask) -> None:
    score = judged(ask(EVIDENCE, "rain"), rule=True)
    assert score.accuracy.value == score.f1.value == 1
    assert score.accuracy.low > 0.8
    assert score.accuracy.n == 40


@pytest.mark.parametrize("ask", [detection, fuzzing])
def test_a_judge_who_guesses_scores_a_half_within_its_interval(ask: Ask) -> None:
    batches = ask(EVIDENCE, "rain")
    scores = [judged(batches, rule=False, seed=seed).accuracy for seed in range(RUNS)]
    assert np.mean([score.value for score in scores]) == pytest.approx(0.5, abs=0.02)
    assert held(scores, 0.5) >= 0.93


def held(found: Sequence[ScoreEstimate], truth: float) -> float:
    return float(np.mean([each.holds(truth) for each in found]))


@pytest.mark.parametrize(("recall", "specificity"), [(0.5, 0.5), (0.9, 0.7), (0.98, 0.95)])
def test_intervals_of_accuracy_and_f1_hold_the_truth(recall: float, specificity: float) -> None:
    random = np.random.default_rng(1)
    truths = np.repeat([True, False], 20)
    scores = []
    for _ in range(RUNS):
        right = random.random(40) < np.where(truths, recall, specificity)
        scores.append(classified(truths.tolist(), (truths == right).tolist()))
    f1 = 2 * recall / (2 * recall + (1 - recall) + (1 - specificity))
    assert 0.92 <= held([s.accuracy for s in scores], (recall + specificity) / 2) <= 0.995
    assert 0.92 <= held([s.f1 for s in scores], f1) <= 0.995


def test_examples_of_one_document_count_as_fewer() -> None:
    """Of ten documents with five examples each, all alike, only the documents are evidence."""
    random = np.random.default_rng(2)
    documents = np.repeat(np.arange(10), 5)
    found = [(random.random(10) < 0.7)[documents] for _ in range(RUNS)]
    by_document = [share(so, documents.tolist()) for so in found]
    assert held(by_document, 0.7) >= 0.9
    assert held([share(so) for so in found], 0.7) < 0.75
    assert effective(np.ones(50, np.bool_), documents.tolist()) == 10
    independent = [share(random.random(50) < 0.7, documents.tolist()) for _ in range(RUNS)]
    assert held(independent, 0.7) >= 0.92


@given(st.integers(1, 300), st.data())
def test_shares_have_wilsons_interval(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    expected = stats.binomtest(k, n).proportion_ci(0.95, "wilson")
    assert wilson(k / n, n)[1:] == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_what_was_not_readable_is_counted_apart() -> None:
    score = classified([True, False, True, False], [True, False, None, None])
    assert (score.accuracy.value, score.n_unread, score.accuracy.n) == (1, 2, 2)
    nothing = classified([True], [None])
    assert not nothing.accuracy.is_known
    assert not classified([True, True], [True, False]).accuracy.is_known
    with pytest.raises(InvalidInput, match="2 examples"):
        classified([True, False], [True])


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 1.0]), st.booleans()), min_size=2))
def test_areas_are_those_of_brute_force(rows: list[tuple[float, bool]]) -> None:
    true, others = ([v for v, so in rows if so == kind] for kind in (True, False))
    found = area([v for v, _ in rows], [so for _, so in rows])
    if not true or not others:
        assert not found.is_known
        return
    pairs = [(a > b) + 0.5 * (a == b) for a in true for b in others]
    assert found.value == pytest.approx(sum(pairs) / len(pairs))
    assert found.low <= found.value <= found.high


def test_intervals_of_areas_hold_a_half_for_similarities_of_nothing() -> None:
    random = np.random.default_rng(3)
    truths = np.repeat([True, False], 20)
    assert held([area(random.random(40), truths) for _ in range(RUNS)], 0.5) >= 0.93
    graded = classified([True, False], [True, False], probabilities=[0.9, 0.2])
    assert graded.auc.value == 1
    with pytest.raises(InvalidInput, match="none"):
        area([float("nan"), 1.0], [True, False])


def test_an_intruder_is_found_by_the_rule_and_else_as_often_as_by_chance() -> None:
    tasks = intruders(EVIDENCE)
    assert len(tasks) == 20
    for task in tasks:
        assert [w.fires for w in task.windows].index(False) == task.intruder
        assert len({w.interval for w in task.windows if w.fires}) == 1
    places, n_shown = [t.intruder for t in tasks], [len(t.windows) for t in tasks]
    assert len(set(places)) > 2
    known = intruders_found(places, places, n_shown)
    assert (known.accuracy.value, known.n_unread) == (1, 0)
    assert known.chance == pytest.approx(0.2)
    guess = random.Random(0)
    scores = [
        intruders_found(places, [guess.randrange(n) for n in n_shown], n_shown).accuracy
        for _ in range(RUNS)
    ]
    assert held(scores, 0.2) >= 0.92
    assert intruders_found([1], [Unreadable(reason="")], [5]).n_unread == 1


def test_a_simulation_that_knows_the_strengths_is_right_and_one_that_guesses_is_not() -> None:
    random = np.random.default_rng(4)

    def strengths(n: int = 20) -> list[list[float]]:
        return [(random.integers(0, 11, 16) * (random.random(16) < 0.3)).tolist() for _ in range(n)]

    true = strengths()
    known = simulation_score(true, true)
    assert known.correlation.value == pytest.approx(1)
    assert known.explained == 1
    guesses = [simulation_score(strengths(), strengths()).correlation for _ in range(RUNS)]
    assert held(guesses, 0.0) >= 0.91
    assert np.mean([each.value for each in guesses]) == pytest.approx(0, abs=0.02)


def test_the_interval_of_a_simulation_is_over_windows_whose_tokens_go_together() -> None:
    """Where whole windows are alike, tokens say less than their number: it must hold 0 still."""
    random = np.random.default_rng(5)

    def blocks() -> list[list[float]]:
        return [[float(value)] * 16 for value in random.normal(size=20)]

    found = [simulation_score(blocks(), blocks()).correlation for _ in range(RUNS)]
    assert held(found, 0.0) >= 0.88
    assert not simulation_score([[0.0, 0.0]], [[1.0, 2.0]]).correlation.is_known
    assert not simulation_score([], []).correlation.is_known


def test_explained_is_as_published() -> None:
    true, said = [[0.0, 4.0], [2.0]], [[1.0, 4.0], [0.0]]
    score = simulation_score(true, said)
    assert score.explained == pytest.approx(1 - (1 + 0 + 4) / (0 + 16 + 4))
    assert score.explained_deviation == pytest.approx(1 - 3 / 6)
    expected = np.corrcoef([0, 4, 2], [1, 4, 0])[0, 1]
    assert score.correlation.value == pytest.approx(expected)
    with pytest.raises(InvalidInput):
        simulation_score([[1.0]], [[1.0, 2.0]])


def test_a_label_saves_surprise_where_it_tells_what_comes() -> None:
    saved = surprise_saved([[1.0, 1.0], [3.0, 2.0]], [[3.0, 2.0], [3.0, 2.0]])
    assert saved == [1.5, 0.0]
    assert area(saved, [True, False]).value == 1
    with pytest.raises(InvalidInput):
        surprise_saved([[1.0]], [[1.0, 2.0]])


def test_what_is_made_of_shares_keeps_within_bounds() -> None:
    none = ScoreEstimate(value=0.0, low=0.0, high=0.2, n=20)
    every = ScoreEstimate(value=1.0, low=0.8, high=1.0, n=20)
    both = of_two(lambda a, b: (a + b) / 2, every, every)
    assert both.value == both.high == 1
    assert both.low == pytest.approx(1 - np.hypot(0.1, 0.1))
    assert of_two(lambda a, b: (a + b) / 2, none, none).low == 0


def test_wrong_marks_are_at_the_token_by_which_a_window_was_found() -> None:
    batches = fuzzing(
        evidence_of(
            [],
            [
                *planted(6),
            ],
        ),
        "rain",
    )
    silent = [w for batch in batches for w in batch.windows if not w.fires]
    assert silent
    text = "\n".join(batch.prompt.messages[-1].content for batch in batches)
    for window in silent:
        assert f"<<{window.tokens[window.peak]}>>" in text
    firing = window_of(["a"], [1.0])
    assert firing.max == 1
