"""By what name places and rates know who asks."""

from contextvars import copy_context
from types import SimpleNamespace

import pytest

from saelake.store.service.caller import ANYONE, UNKNOWN, Caller, asker_of, set_caller

PEER = "ipv6:[::1]:5000"


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (ANYONE, "ipv6:[::1]"),
        (Caller(name="ana"), "ana"),
        (Caller(name=ANYONE.name, right=ANYONE.right), ANYONE.name),
        (UNKNOWN, ""),
    ],
)
def test_who_need_not_say_who_he_is_is_his_machine_and_nobody_else(
    known: Caller, said: str
) -> None:
    def asked() -> str:
        set_caller(known)
        return asker_of(SimpleNamespace(peer=lambda: PEER))

    assert copy_context().run(asked) == said
