"""Who owns a piece, and who of its owners is asked."""

import subprocess
import sys
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from saelake.workers.ray.placing import asked_of, owners_of

PLACES = [("lake/a.codes.lance", (n,)) for n in range(200)]
owner_sets = st.sets(st.integers(0, 500), min_size=1, max_size=12).map(sorted)


@given(owner_sets, st.data())
def test_one_that_goes_moves_only_its_own_pieces(owners: list[int], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(owners))
    left = [owner for owner in owners if owner != gone]
    for place in PLACES[:40]:
        before = owners_of(place, owners, len(owners))
        assert sorted(before) == owners
        if left:
            assert owners_of(place, left, len(left)) == [o for o in before if o != gone]


@given(owner_sets, st.integers(501, 600))
def test_one_that_comes_takes_pieces_and_moves_no_others(owners: list[int], new: int) -> None:
    for place in PLACES[:40]:
        first = owners_of(place, owners, 1)
        assert owners_of(place, sorted([*owners, new]), 1)[0] in (*first, new)


def test_pieces_are_shared_out_fairly() -> None:
    places = [("lake/a.codes.lance", (n, n + 1)) for n in range(4000)]
    found = Counter(owners_of(place, range(8), 1)[0] for place in places)
    counts = np.array(list(found.values()))
    assert len(counts) == 8
    assert (np.abs(counts - 500) < 5 * np.sqrt(500)).all()
    second = Counter(owners_of(place, range(8), 2)[1] for place in places)
    assert min(second.values()) > 350


def test_another_process_says_the_same() -> None:
    code = (
        "from saelake.workers.ray.placing import owners_of\n"
        f"print([owners_of(place, range(9), 2) for place in {PLACES[:20]!r}])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str([owners_of(place, range(9), 2) for place in PLACES[:20]])


def test_the_first_is_asked_unless_it_would_wait() -> None:
    assert asked_of([3, 1], {1: 0, 3: 1}, n_idle=2, most=4) == 3
    assert asked_of([3, 1], {1: 0, 3: 2}, n_idle=2, most=4) == 1
    assert asked_of([3, 1], {1: 3, 3: 2}, n_idle=2, most=4) == 3
    assert asked_of([3, 1], {1: 2, 3: 2}, n_idle=2, most=4) == 3
    assert asked_of([3, 1], {1: 4, 3: 4}, n_idle=2, most=4) == -1
