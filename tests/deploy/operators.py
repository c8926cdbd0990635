"""The Prometheus operator's types as JSON schemas: fields that our manifests may have, no others.

Written after `pkg/apis/monitoring/v1/servicemonitor_types.go` and `prometheusrule_types.go` of
prometheus-operator/prometheus-operator at v0.86.0, as far as we use them.
"""

from typing import Any

from tests.deploy.kuberay import ANY, RAY_CLUSTER, TEXT, TEXTS, fields

DURATION = {"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"}
RULE = fields(
    *("alert", "expr"), alert=TEXT, expr=TEXT, labels=TEXTS, annotations=TEXTS, **{"for": DURATION}
)
GROUP = fields("name", "rules", name=TEXT, rules={"type": "array", "items": RULE, "minItems": 1})
SPECS = {
    "RayCluster": ("ray.io/v1", RAY_CLUSTER),
    "ServiceMonitor": (
        "monitoring.coreos.com/v1",
        fields(
            *("selector", "endpoints"),
            selector=fields(matchLabels=TEXTS),
            endpoints={"type": "array", "items": fields("port", port=TEXT, interval=DURATION)},
        ),
    ),
    "PrometheusRule": (
        "monitoring.coreos.com/v1",
        fields("groups", groups={"type": "array", "items": GROUP, "minItems": 1}),
    ),
}


def schema(kind: str) -> dict[str, Any]:
    """The schema of a kind that an operator brings."""
    version, spec = SPECS[kind]
    return fields(
        *("apiVersion", "kind", "metadata", "spec"),
        apiVersion={"const": version},
        kind={"const": kind},
        metadata=ANY,
        spec=spec,
    )
