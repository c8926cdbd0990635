"""How often each caller may call."""

from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from saelake.store.errors import AccessDenied, LimitExceeded
from saelake.store.service.access import rates
from saelake.store.service.access.rates import Rates
from saelake.store.service.limits import Limits
from tests.store.service.access.serving import OPEN, called, connected, issue, server

LIMITS = Limits(calls_per_s=10.0, burst_calls=5)


def taken(limited: Rates, name: str, now: float) -> float:
    """How long to wait for a call; 0 where it was taken."""
    try:
        limited.take(name, now)
    except LimitExceeded as error:
        return float(error.data["retry_after_s"])
    return 0.0


def test_a_burst_is_taken_at_once_and_then_as_many_as_a_second_gives() -> None:
    limited = Rates(LIMITS)
    assert [taken(limited, "ana", 0.0) for _ in range(5)] == [0.0] * 5
    assert taken(limited, "ana", 0.0) == pytest.approx(0.1)
    assert taken(limited, "ana", 0.05) == pytest.approx(0.05)
    n = sum(taken(limited, "ana", step / 100) == 0 for step in range(1000))
    assert 98 <= n <= 101, "ten a second"


def test_who_waits_as_long_as_told_is_answered() -> None:
    limited, now = Rates(LIMITS), 0.0
    for _ in range(50):
        now += (wait := taken(limited, "ana", now)) + 1e-3 * (wait > 0)
    assert sum(taken(limited, "bo", now) == 0 for _ in range(9)) == 5, "others wait for nobody"


def test_a_rest_gives_no_more_than_a_burst() -> None:
    limited = Rates(LIMITS)
    taken(limited, "ana", 0.0)
    assert sum(taken(limited, "ana", 1e6) == 0 for _ in range(20)) == 5


def test_those_who_called_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST_BUCKETS", 100)
    limited = Rates(LIMITS)
    for name in range(1000):
        taken(limited, str(name), name * 1e-6)
        assert len(limited._buckets) <= 101
    for _ in range(5):
        taken(limited, "999", 1e-3)
    assert taken(limited, "999", 1e-3) > 0


def test_a_refusal_says_when_to_ask_again(uri: str, tokens: Path) -> None:
    limits = Limits(calls_per_s=0.01, burst_calls=3)
    ana, bo = issue(tokens, "ana"), issue(tokens, "bo")
    with server(uri, tokens=tokens, limits=limits) as running:
        lake = connected(running, ana)
        for _ in range(3):
            assert OPEN in lake.collections()
        with pytest.raises(LimitExceeded, match="ana called more than") as refused:
            lake.info()
        assert 90 < float(refused.value.data["retry_after_s"]) <= 100
        call = called(running, "Info", metadata=(("authorization", f"Bearer {ana}"),))
        assert call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        retry = error_details_pb2.RetryInfo()
        assert any(detail.Unpack(retry) for detail in rpc_status.from_call(call).details)
        assert 90 < retry.retry_delay.ToSeconds() <= 100
        assert OPEN in connected(running, bo).collections()


def test_without_tokens_a_machine_is_a_caller(uri: str) -> None:
    with server(uri, limits=Limits(calls_per_s=0.01, burst_calls=2)) as running:
        for _ in range(2):
            assert OPEN in connected(running).collections()
        with pytest.raises(LimitExceeded, match=r"127\.0\.0\.1 called more"):
            connected(running).info()


def test_who_is_refused_too_often_is_asked_to_wait_and_nobody_else(uri: str, tokens: Path) -> None:
    token = issue(tokens)
    limits = Limits(calls_per_s=0.01, burst_calls=3)
    with server(uri, tokens=tokens, limits=limits) as running:
        for _ in range(3):
            with pytest.raises(AccessDenied):
                connected(running, "wrong").info()
        with pytest.raises(LimitExceeded, match=r"127\.0\.0\.1 called more"):
            connected(running, "wrong").info()
        assert OPEN in connected(running, token).collections()
