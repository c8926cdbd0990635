"""Metrics as Prometheus reads them, of one server and of several processes."""

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

import saelake
from saelake.store.errors import InvalidInput, NotFound
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.service.telemetry.metrics import Metrics
from saelake.store.service.telemetry.observing import shared_metrics
from saelake.store.service.telemetry.settings import Telemetry
from saelake.store.snapshot.inmemory import InMemory
from tests.lakes import make_lake

NAME = "made/random"
HERE = Address(port=0)
COUNTING = """
import sys, time
from tests.store.service.telemetry.test_logs import ended
from saelake.store.service.telemetry.metrics import Metrics
from saelake.store.wire.address import Address
metrics = Metrics(Address(port=0))
assert metrics.address is None, "another process answers scrapes"
for _ in range(int(sys.argv[1])):
    metrics.begins("Tokens")
    metrics.ends(ended(code="OK", n_bytes=5))
metrics.begins("Tokens")
print("counted", flush=True)
sys.stdin.read()
"""


def scraped(address: Address | None) -> Mapping[str, float]:
    """Each sample by its name and labels, as `name{label=value}`."""
    with urlopen(f"http://{address}/metrics", timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        s.name + "".join(f"{{{k}={v}}}" for k, v in sorted(s.labels.items())): s.value
        for family in families
        for s in family.samples
    }


def test_calls_of_a_server_are_counted(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=10)
    telemetry = Telemetry(metrics=HERE)
    settings = ServerSettings(uri=made.lake.uri, address=HERE, telemetry=telemetry)
    with BackgroundServer(settings) as running, saelake.connect(running.target) as lake:
        for feature in (1, 2, 3):
            lake[NAME].tokens(feature)
        with pytest.raises(NotFound):
            lake["no/where"].tokens(1)
        until = time.monotonic() + 10
        while "saelake_calls_total{code=NOT_FOUND}{method=Tokens}" not in (
            found := scraped(running.metrics_address)
        ):
            assert time.monotonic() < until
    assert found["saelake_calls_total{code=OK}{method=Tokens}"] == 3
    assert found["saelake_calls_total{code=NOT_FOUND}{method=Tokens}"] == 1
    assert found["saelake_call_seconds_count{method=Tokens}"] == 4
    assert found["saelake_calls_in_flight{method=Tokens}"] == 0
    assert found["saelake_answer_bytes_total{method=Tokens}"] > 1000
    assert found["saelake_cache_limit_bytes"] == 1 << 30
    assert found["process_resident_memory_bytes"] > 1 << 20


def test_the_state_of_memory_is_shown() -> None:
    metrics = Metrics(HERE)
    first = InMemory(n_bytes=5, capacity=10, n_found=7, n_missed=2, age_s=0.5)
    second = InMemory(n_bytes=6, capacity=10, n_found=9, n_missed=2, age_s=0.25)
    for held in (first, second):
        metrics.sample(held, {"analysis": 3})
    found = scraped(metrics.address)
    metrics.close()
    assert found["saelake_cache_bytes"] == 6
    assert found["saelake_cache_lookups_total{found=yes}"] == 9
    assert found["saelake_cache_lookups_total{found=no}"] == 2
    assert found["saelake_snapshot_age_seconds"] == 0.25
    assert found["saelake_calls_waiting{cost=analysis}"] == 3


def test_an_address_that_is_taken_is_refused() -> None:
    metrics = Metrics(HERE)
    assert metrics.address is not None
    with pytest.raises(InvalidInput, match="another --metrics"):
        Metrics(metrics.address)
    metrics.close()


def test_several_processes_are_one_answer_and_a_dead_one_has_nothing_in_work() -> None:
    shared = shared_metrics(HERE)
    try:
        children = [
            subprocess.Popen(
                [sys.executable, "-c", COUNTING, str(n)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for n in (2, 3)
        ]
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "counted\n"
        found = scraped(shared.address)
        assert found["saelake_calls_total{code=OK}{method=Tokens}"] == 5
        assert found["saelake_answer_bytes_total{method=Tokens}"] == 25
        assert found["saelake_calls_in_flight{method=Tokens}"] == 2
        children[0].kill()
        children[0].communicate()
        shared.forget(children[0].pid)
        found = scraped(shared.address)
        assert found["saelake_calls_in_flight{method=Tokens}"] == 1
        assert found["saelake_calls_total{code=OK}{method=Tokens}"] == 5
        children[1].communicate("")
    finally:
        shared.close()
