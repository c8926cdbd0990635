"""Whatever is sent, a caller's mistake is told as one, and the server goes on."""

import logging
from collections import Counter
from pathlib import Path

import grpc
import pytest

import saelake
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.wire import requests
from tests.lakes import make_lake
from tests.store.service.anything import NAME, Anything

FAULTS = {"INTERNAL", "UNKNOWN", "DATA_LOSS", "UNAVAILABLE", "DEADLINE_EXCEEDED"}


@pytest.mark.parametrize("n", [300, pytest.param(20_000, marks=pytest.mark.slow)])
def test_no_request_is_the_servers_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, n: int
) -> None:
    made = make_lake(tmp_path / "lake", n_documents=20)
    anything, codes = Anything(n), Counter[str]()
    faults: list[tuple[str, bytes, str]] = []
    settings = ServerSettings(uri=made.lake.uri, address=Address(port=0))
    with BackgroundServer(settings) as running:
        with grpc.insecure_channel(str(running.address)) as channel:
            for _ in range(n):
                method = anything.choice(sorted(requests.METHODS))
                sent = anything.sent(requests.message_type(method))
                ask = channel.unary_stream(f"/{requests.SERVICE}/{method}", lambda each: each)
                try:
                    list(ask(sent, timeout=60))
                    codes["OK"] += 1
                except grpc.RpcError as error:
                    codes[error.code().name] += 1
                    if error.code().name in FAULTS:
                        faults.append((method, sent, error.details()))
        assert saelake.connect(running.target)[NAME].tokens(3)
    assert faults == []
    assert sum(codes.values()) == n
    assert codes["OK"] > n / 20
    assert codes["INVALID_ARGUMENT"] > n / 5
    assert [each for each in caplog.records if each.levelno > logging.INFO] == []
