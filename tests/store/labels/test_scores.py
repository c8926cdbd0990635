"""Areas under ROC curves with their intervals, against plain computations."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import brentq
from sklearn.metrics import roc_auc_score

from saelake.store.format.areas import interval
from saelake.store.labels import scores as scores_module
from saelake.store.labels.scores import HeldBack, auc


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from([0.0, 0.5, 2.0, 3.0]), st.booleans()), min_size=1, max_size=40
    )
)
def test_an_area_is_scikit_learns(rows: list[tuple[float, bool]]) -> None:
    predicted = np.array([[value, -value] for value, _ in rows])
    positive = np.array([[fires, fires] for _, fires in rows])
    found = auc(predicted, positive)
    if positive[:, 0].all() or not positive[:, 0].any():
        assert np.isnan(found).all()
        return
    expected = [roc_auc_score(positive[:, i], predicted[:, i]) for i in (0, 1)]
    np.testing.assert_allclose(found, expected)


def newcombe(area: float, n_1: int, n_0: int) -> tuple[float, float]:
    """Method 5 of Newcombe 2006, solved by a library's root finder."""

    def beyond(theta: float) -> float:
        n = (n_1 + n_0) / 2 - 1
        variance = theta * (1 - theta) / (n_1 * n_0)
        variance *= 1 + n * (1 - theta) / (2 - theta) + n * theta / (1 + theta)
        return (theta - area) ** 2 - 1.959964**2 * variance

    low = 0.0 if area == 0 else brentq(beyond, 1e-12, min(area, 1 - 1e-9))
    high = 1.0 if area == 1 else brentq(beyond, area, 1 - 1e-12)
    return float(low), float(high)


@pytest.mark.parametrize(
    ("area", "n_1", "n_0"), [(0.8, 20, 100), (0.5, 5, 5), (0.97, 300, 40), (1.0, 5, 100)]
)
def test_the_interval_is_newcombes(area: float, n_1: int, n_0: int) -> None:
    low, high = interval(np.array([area]), np.array([n_1]), np.array([n_0]))
    np.testing.assert_allclose((low[0], high[0]), newcombe(area, n_1, n_0), atol=1e-8)
    assert 0 <= low[0] <= area <= high[0] <= 1
    assert high[0] - low[0] > 0.01, "it keeps a width, also where nothing is told apart wrongly"


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    n_1, n_0, n_trials = 15, 60, 2000
    positive = np.repeat([True, False], [n_1, n_0])[:, None].repeat(n_trials, axis=1)
    predicted = random.normal(size=positive.shape) + 1.2 * positive
    low, high = interval(auc(predicted, positive), positive.sum(axis=0), (~positive).sum(axis=0))
    truth = 0.8019  # of two normal distributions that are 1.2 deviations apart
    assert 0.93 < ((low <= truth) & (truth <= high)).mean() < 0.98


@pytest.mark.parametrize("at_once", [256, 3])
def test_scores_are_of_words_by_rarity(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(scores_module, "FEATURES_AT_ONCE", at_once)
    random = np.random.default_rng(1)
    words = random.random((60, 12)) < np.linspace(0.05, 0.9, 12)
    fires = random.random((60, 8)) < np.linspace(0.02, 0.98, 8)
    held = HeldBack(
        words=sparse.csr_array(words.astype(np.float32)),
        fires=sparse.csr_array(fires.astype(np.float32)),
    )
    chosen: dict[int, npt.NDArray[np.int64]] = {
        feature: np.flatnonzero(random.random(12) < 0.4) for feature in range(8)
    }
    chosen[3] = np.empty(0, np.int64)
    found = held.scores(chosen)
    rarity = np.log(60 / np.maximum(words.sum(axis=0), 1))
    for feature, picked in chosen.items():
        n_positive = int(fires[:, feature].sum())
        score = found[feature]
        assert (score.n_positive, score.n_negative) == (n_positive, 60 - n_positive)
        if min(n_positive, 60 - n_positive) < 5:
            assert (score.score, score.low, score.high) == (None, None, None)
            continue
        predicted = words[:, picked] @ rarity[picked]
        assert score.score is not None
        assert score.score == pytest.approx(roc_auc_score(fires[:, feature], predicted))
        assert score.low is not None
        assert score.high is not None
        assert score.low <= score.score <= score.high
    assert found[3].score == 0.5
    assert any(score.score is None for score in found.values())


def test_nothing_is_said_where_nothing_was_held_back() -> None:
    held = HeldBack(words=sparse.csr_array((0, 4)), fires=sparse.csr_array((0, 3)))
    score = held.scores({2: np.array([1])})[2]
    assert (score.score, score.n_positive, score.n_negative) == (None, 0, 0)
