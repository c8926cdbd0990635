import torch
from torch import Tensor

from saelake.workers.dictionaries.pursuit import MatchingPursuit, SignedPursuit

ATOMS = torch.nn.functional.normalize(
    torch.randn(40, 12, generator=torch.Generator().manual_seed(1)), dim=1
)
X = torch.randn(25, 12, generator=torch.Generator().manual_seed(2))


def pursued(x: Tensor, *, threshold: float, stop_on_repeat: bool, rounds: int) -> Tensor:
    """One token at a time, after the published algorithm."""
    codes = torch.zeros(len(x), len(ATOMS))
    for code, token in zip(codes, x, strict=True):
        rest = token.clone()
        for _ in range(rounds):
            pick = int((ATOMS @ rest).argmax())
            value = max(float(ATOMS[pick] @ rest), 0.0)
            fresh = code[pick] == 0 and value > 0
            code[pick] += value
            rest = rest - value * ATOMS[pick]
            if (stop_on_repeat and not fresh) or (threshold > 0 and rest.norm() < threshold):
                break
    return codes


def test_matching_pursuit_stops_at_the_residual_threshold() -> None:
    encoder = MatchingPursuit(
        atoms=ATOMS, residual_threshold=1.5, stop_on_repeat=False, max_rounds=50
    )
    expected = pursued(X, threshold=1.5, stop_on_repeat=False, rounds=50)
    torch.testing.assert_close(encoder.dense(X), expected)
    n_rounds = (expected > 0).sum(dim=1).tolist()
    assert len(set(n_rounds)) > 1, "tokens should stop at different rounds"


def test_matching_pursuit_stops_at_a_repeated_row() -> None:
    encoder = MatchingPursuit(atoms=ATOMS, residual_threshold=0, stop_on_repeat=True, max_rounds=50)
    expected = pursued(X, threshold=0, stop_on_repeat=True, rounds=50)
    torch.testing.assert_close(encoder.dense(X), expected)


def test_matching_pursuit_stops_after_the_most_rounds() -> None:
    encoder = MatchingPursuit(atoms=ATOMS, residual_threshold=0, stop_on_repeat=False, max_rounds=4)
    expected = pursued(X, threshold=0, stop_on_repeat=False, rounds=4)
    torch.testing.assert_close(encoder.dense(X), expected)
    assert (expected > 0).sum(dim=1).max() == 4


def test_matching_pursuit_of_nothing_and_of_what_no_row_reaches_is_nothing() -> None:
    one = torch.tensor([[1.0, 0.0]])
    encoder = MatchingPursuit(atoms=one, residual_threshold=0.1, stop_on_repeat=True, max_rounds=9)
    assert encoder.dense(torch.tensor([[0.0, 0.0], [-1.0, 0.0], [0.0, 2.0]])).count_nonzero() == 0


def test_signed_pursuit_takes_k_rounds_and_keeps_signs() -> None:
    expected = torch.zeros(len(X), len(ATOMS))
    for code, token in zip(expected, X, strict=True):
        rest = token.clone()
        for _ in range(7):
            products = ATOMS @ rest
            pick = int(products.abs().argmax())
            code[pick] += products[pick]
            rest = rest - products[pick] * ATOMS[pick]
    torch.testing.assert_close(SignedPursuit(atoms=ATOMS, k=7).dense(X), expected)
    assert (expected < 0).any()
