"""What could not be loaded is not tried anew with every question."""

import pytest

from saelake.store.errors import ModelError
from saelake.workers.texts.failures import Failures


class Loading:
    """Counts how often it is tried."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self) -> int:
        self.n += 1
        if self.n == 1:
            raise ModelError("There is no model.", model="m")
        return self.n


def test_a_failure_is_remembered_for_a_while() -> None:
    known, load = Failures(), Loading()
    with pytest.raises(ModelError, match=r"^There is no model\.$"):
        known.tried("m", load)
    for _ in range(2):
        with pytest.raises(ModelError, match=r"There is no model.*tried anew in .* s") as again:
            known.tried("m", load)
    assert again.value.data == {"model": "m"}
    assert load.n == 1
    assert known.tried("other", load) == 2


def test_it_is_tried_anew_after_that() -> None:
    known, load = Failures(retry_s=0.0), Loading()
    with pytest.raises(ModelError):
        known.tried("m", load)
    assert known.tried("m", load) == 2
