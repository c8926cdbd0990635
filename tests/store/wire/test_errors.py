"""When to ask again, as proxies and other clients read it."""

from google.rpc import error_details_pb2, status_pb2

from saelake.store.errors import LimitExceeded, NotFound, SaelakeError
from saelake.store.wire.errors import to_status


def retry_infos(error: SaelakeError) -> list[float]:
    ((_, packed),) = to_status(error).trailing_metadata
    found = []
    for detail in status_pb2.Status.FromString(packed).details:
        info = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            found.append(info.retry_delay.ToNanoseconds() / 1e9)
    return found


def test_an_error_that_says_when_to_ask_again_says_so_to_all() -> None:
    assert retry_infos(LimitExceeded("It is at work.", retry_after_s=1.5)) == [1.5]


def test_others_say_nothing_of_it() -> None:
    assert retry_infos(LimitExceeded("It is too large.")) == []
    assert retry_infos(LimitExceeded("It is at work.", retry_after_s="soon")) == []
    assert retry_infos(LimitExceeded("It is at work.", retry_after_s=1e30)) == []
    assert retry_infos(NotFound("There is none.")) == []
