"""KubeRay's types as a JSON schema: the fields that our manifests may have, and no others.

Written after `ray-operator/apis/ray/v1/rayjob_types.go` and `raycluster_types.go` of
ray-project/kuberay at v1.7.0. Pod templates are Kubernetes' own and checked by its schemas. Fields
that we do not use are left out, so that a misspelt one is an error.
"""

from typing import Any

COUNT = {"type": "integer", "minimum": 0}  # int32, and refused by the operator when negative
TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
ANY = {"type": "object"}


def fields(*required: str, **types: Any) -> dict[str, Any]:
    """An object that has these fields, of which some must be there, and no others."""
    return {
        "type": "object",
        "properties": types,
        "required": list(required),
        "additionalProperties": False,
    }


RESOURCES = fields(requests=ANY, limits=ANY)
HEAD_GROUP = fields("rayStartParams", "template", rayStartParams=TEXTS, template=ANY)
WORKER_GROUP = fields(
    *("groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"),
    groupName=TEXT,
    replicas=COUNT,
    minReplicas=COUNT,
    maxReplicas=COUNT,
    idleTimeoutSeconds=COUNT,
    rayStartParams=TEXTS,
    template=ANY,
)
AUTOSCALER = fields(
    version={"enum": ["v1", "v2"]},
    idleTimeoutSeconds=COUNT,
    upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
    resources=RESOURCES,
    securityContext=ANY,
)
RAY_CLUSTER = fields(
    *("headGroupSpec", "workerGroupSpecs", "rayVersion"),
    rayVersion=TEXT,
    enableInTreeAutoscaling={"type": "boolean"},
    autoscalerOptions=AUTOSCALER,
    headGroupSpec=HEAD_GROUP,
    workerGroupSpecs={"type": "array", "items": WORKER_GROUP, "minItems": 1},
)
RAY_JOB = fields(
    *("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    # The operator refuses longer ones (`MaxRayJobNameLength`), and what is no DNS-1035 label.
    metadata=fields(
        "name", name={"type": "string", "maxLength": 47, "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"}
    ),
    spec=fields(
        *("entrypoint", "rayClusterSpec"),
        entrypoint=TEXT,
        submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]},
        runtimeEnvYAML=TEXT,
        backoffLimit=COUNT,
        activeDeadlineSeconds={"type": "integer", "minimum": 1},
        shutdownAfterJobFinishes={"type": "boolean"},
        ttlSecondsAfterFinished=COUNT,
        suspend={"type": "boolean"},
        rayClusterSpec=RAY_CLUSTER,
    ),
)
