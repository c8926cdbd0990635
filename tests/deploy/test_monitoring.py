"""The dashboard and alerts are of metrics that a server has, in queries that Prometheus takes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import promql_parser
import pytest
import yaml

from saelake.store.service.telemetry.metrics import Metrics
from saelake.store.wire.address import Address
from tests.deploy.commands import DEPLOY, ROOT

FOLDER = DEPLOY / "kubernetes" / "monitoring"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "saelake.json").read_text())
ALERTS: dict[str, Any] = yaml.safe_load((FOLDER / "alerts.yaml").read_text())
RULES = [rule for group in ALERTS["spec"]["groups"] for rule in group["rules"]]
VARIABLES = {each["name"] for each in DASHBOARD["templating"]["list"]}
# What Prometheus itself says, and kube-state-metrics.
OTHERS = {"up", "kube_pod_container_resource_limits"}
NAME = re.compile(r"\b(?:saelake|process|kube|up)\w*\b(?=[{\[ )]|$)")


def queries() -> Iterator[str]:
    """Every query of the alerts and of the dashboard, with values for its variables."""
    yield from (rule["expr"] for rule in RULES)
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "5m").replace("$", "")


@pytest.fixture(scope="module")
def served() -> str:
    """What a server answers that has metrics, from its beginning."""
    metrics = Metrics(Address(port=0))
    with urlopen(f"http://{metrics.address}/metrics", timeout=10) as answer:
        text = str(answer.read().decode())
    metrics.close()
    return text


@pytest.mark.parametrize("query", list(queries()))
def test_a_query_is_one_that_prometheus_takes(query: str) -> None:
    assert promql_parser.parse(query)
    with pytest.raises(ValueError):
        promql_parser.parse(f"{query})")


@pytest.mark.parametrize("query", list(queries()))
def test_a_query_is_of_metrics_that_are_there(query: str, served: str) -> None:
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", served, re.MULTILINE))
    known = {f"{name}_bucket" if kind == "histogram" else name for name, kind in kinds.items()}
    named = set(NAME.findall(re.sub(r'"[^"]*"', '""', query)))
    assert named
    assert named <= known | OTHERS


def test_every_metric_of_ours_is_on_the_dashboard(served: str) -> None:
    ours = set(re.findall(r"^# TYPE (saelake\w+) ", served, re.MULTILINE))
    ours -= {name for name in ours if name.endswith("_created")}
    shown = " ".join(queries())
    assert {name for name in ours if name not in shown} == set()


def test_the_dashboard_uses_the_variables_that_it_has() -> None:
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD["panels"])))
    assert used - {"__rate_interval"} == VARIABLES
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert len({(place["x"], place["y"]) for place in places}) == len(places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    page, _, section = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^## (.+)$", (Path(ROOT) / page).read_text(), re.MULTILINE)
    assert section in [heading.lower().replace(" ", "-") for heading in headings]
