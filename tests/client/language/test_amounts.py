"""Money and tokens: exact sums, and budgets that hold."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.language.amounts import MILLION, PICO, Amount, Budget, Prices, Spending
from saelake.store.errors import InvalidInput

prices = st.decimals(min_value=0, max_value=1000, places=6).map(float)


@given(prices, prices, st.integers(0, 10**7), st.integers(0, 10**7))
def test_a_cost_is_that_of_fractions(prompt: float, completion: float, a: int, b: int) -> None:
    exact = Fraction(str(prompt)) * a / MILLION + Fraction(str(completion)) * b / MILLION
    assert Prices(prompt=prompt, completion=completion).cost(a, b) == exact * PICO


@given(st.lists(st.tuples(st.integers(0, 9999), st.integers(0, 9999))))
def test_the_cost_of_all_is_the_sum_of_each(requests: list[tuple[int, int]]) -> None:
    paid = Prices(prompt=0.1, completion=0.7)
    total = paid.cost(sum(a for a, _ in requests), sum(b for _, b in requests))
    assert total == sum(paid.cost(a, b) for a, b in requests)


def test_a_finer_price_than_is_counted_is_rounded_up() -> None:
    assert Prices(prompt=0.0000001, completion=0).cost(1, 0) == 1


def test_a_budget_holds_what_is_just_as_much() -> None:
    budget = Budget(money=0.3, tokens=10)
    assert budget.holds(Amount(n_tokens=10, pico=3 * PICO // 10))
    assert not budget.holds(Amount(n_tokens=11))
    assert not budget.holds(Amount(pico=3 * PICO // 10 + 1))
    assert Budget().holds(Amount(n_tokens=10**12, pico=10**18))
    assert not Budget(tokens=0).holds(Amount(n_tokens=1))


@pytest.mark.parametrize("money", [-1, float("nan")])
def test_a_budget_below_nothing_is_refused(money: float) -> None:
    with pytest.raises(InvalidInput, match="0 or more"):
        Budget(money=money)


def test_prices_below_nothing_are_refused() -> None:
    with pytest.raises(InvalidInput, match="0 or more"):
        Prices(prompt=float("nan"), completion=0)


def test_what_was_spent_is_told_with_what_may_have_been() -> None:
    spent = Spending(n_requests=1, n_prompt_tokens=5, pico=PICO // 2)
    assert str(spent) == "1 request, 5 tokens, cost 0.5"
    lost = Spending(n_lost=2, lost=Amount(n_tokens=7, pico=PICO))
    assert str(lost).endswith("and 2 whose answer never came (at most 7 tokens, cost 1)")


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("5", Budget(money=5)),
        (" 0.25 ", Budget(money=0.25)),
        ("2000000 tokens", Budget(tokens=2_000_000)),
        ("2M tokens", Budget(tokens=2_000_000)),
        ("1.5ktokens", Budget(tokens=1500)),
    ],
)
def test_a_budget_is_read_of_text(text: str, budget: Budget) -> None:
    assert Budget.parse(text) == budget


@pytest.mark.parametrize("text", ["", "much", "-1", "2M", "5 $", "1e9", "nan", "inf tokens"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="no budget"):
        Budget.parse(text)


def test_prices_are_read_of_text() -> None:
    assert Prices.parse("0.15/0.60") == Prices(prompt=0.15, completion=0.6)
    for text in ("0.15", "a/b", "1/", "1/2/3"):
        with pytest.raises(InvalidInput, match="no price"):
            Prices.parse(text)
    for text in ("-1/2", "nan/1"):
        with pytest.raises(InvalidInput, match="0 or more"):
            Prices.parse(text)
