"""ray-job.yaml is what KubeRay, Kubernetes and Ray accept, and what it asks for fits together."""

import shlex
from copy import deepcopy
from importlib.metadata import version
from typing import Any

import kubernetes_validate
import pytest
import yaml
from dockerfile_parse import DockerfileParser
from jsonschema import Draft202012Validator

from tests.deploy.commands import DEPLOY, read, shown
from tests.deploy.kuberay import RAY_JOB

KUBERNETES = "1.37"
JOB: dict[str, Any] = yaml.safe_load((DEPLOY / "ray-job.yaml").read_text())
SPEC = JOB["spec"]
CLUSTER = SPEC["rayClusterSpec"]
HEAD, (WORKERS,) = CLUSTER["headGroupSpec"], CLUSTER["workerGroupSpecs"]
GROUPS = [HEAD, WORKERS]


def wrong_fields(job: dict[str, Any]) -> list[str]:
    """Where a RayJob is not of KubeRay's types."""
    return [error.json_path for error in Draft202012Validator(RAY_JOB).iter_errors(job)]


def check_pod(template: dict[str, Any]) -> None:
    """Raises `ValidationError` if Kubernetes would refuse the template of a pod."""
    wrapped = {"apiVersion": "v1", "kind": "PodTemplate", "template": template}
    kubernetes_validate.validate(wrapped, KUBERNETES, strict=True)


def container(group: dict[str, Any]) -> dict[str, Any]:
    (only,) = group["template"]["spec"]["containers"]
    return dict(only)


def test_the_job_has_kuberays_fields_and_types() -> None:
    assert wrong_fields(JOB) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "saelake_encode"),
        ("spec.ttlSecondsAfterFinish", 600),
        ("spec.backoffLimit", "5"),
        ("spec.rayClusterSpec.rayVersion", 2.6),
        ("spec.rayClusterSpec.enableAutoscaling", True),
        ("spec.rayClusterSpec.headGroupSpec.rayStartParams", {"num-cpus": 0}),
        ("spec.rayClusterSpec.workerGroupSpecs.0.maxReplicas", -1),
        ("spec.rayClusterSpec.workerGroupSpecs.0.minReplica", 1),
    ],
)
def test_a_wrong_field_is_found(path: str, value: object) -> None:
    job = deepcopy(JOB)
    *way, last = [int(name) if name.isdigit() else name for name in path.split(".")]
    place: Any = job
    for name in way:
        place = place[name]
    place[last] = value
    assert len(wrong_fields(job)) == 1


def test_what_kuberay_refuses_beyond_its_types() -> None:
    """The rules of `ray-operator/controllers/ray/utils/validation.go` at v1.7.0."""
    assert SPEC["shutdownAfterJobFinishes"]  # else a time to live is refused
    assert WORKERS["minReplicas"] <= WORKERS["replicas"] <= WORKERS["maxReplicas"]
    policies = [group["template"]["spec"].get("restartPolicy", "Never") for group in GROUPS]
    assert policies == ["Never", "Never"]  # where the autoscaler replaces pods


@pytest.mark.parametrize("group", GROUPS, ids=["head", "workers"])
def test_pods_are_as_kubernetes_wants_them(group: dict[str, Any]) -> None:
    check_pod(group["template"])
    broken = deepcopy(group["template"])
    broken["spec"]["containers"][0]["resource"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="resource"):
        check_pod(broken)


@pytest.mark.parametrize("group", GROUPS, ids=["head", "workers"])
def test_ray_starts_with_the_parameters(group: dict[str, Any]) -> None:
    words = [f"--{name}={value}" for name, value in group["rayStartParams"].items()]
    assert read(["ray", "start", *words])


def test_versions_and_images_are_one() -> None:
    assert CLUSTER["rayVersion"] == version("ray")
    (image,) = {container(group)["image"] for group in GROUPS}
    assert image.endswith(f"/saelake:{version('saelake')}")
    assert any(command.endswith(f" {image}") for command in shown(page()))


def test_the_secret_is_the_one_that_the_page_makes() -> None:
    for group in GROUPS:
        (source,) = container(group)["envFrom"]
        made = f"kubectl create secret generic {source['secretRef']['name']} "
        assert any(command.startswith(made) for command in shown(page()))


def test_pods_have_the_images_user_and_cache() -> None:
    image = DockerfileParser(str(DEPLOY / "Dockerfile"))
    user = next(line["value"] for line in image.structure if line["instruction"] == "USER")
    for group in GROUPS:
        security = group["template"]["spec"]["securityContext"]
        assert f"{security['runAsUser']}:{security['fsGroup']}" == user
        (mount,) = container(group)["volumeMounts"]
        assert mount["mountPath"] == image.envs["HF_HOME"]


def test_workers_bear_spot_nodes_and_the_driver_does_not() -> None:
    tolerated = {each["key"] for each in WORKERS["template"]["spec"]["tolerations"]}
    assert {"nvidia.com/gpu", "cloud.google.com/gke-spot"} <= tolerated
    assert "tolerations" not in HEAD["template"]["spec"]
    assert HEAD["rayStartParams"]["num-cpus"] == "0"  # so that no worker is there


def test_what_the_encode_asks_for_fits_the_workers() -> None:
    asked = read(shlex.split(SPEC["entrypoint"]))
    resources = container(WORKERS)["resources"]
    gpus, cpus = resources["limits"]["nvidia.com/gpu"], int(resources["requests"]["cpu"])
    assert gpus == resources["requests"]["nvidia.com/gpu"]
    each = min(gpus // asked["gpus_per_worker"], cpus // asked["cpus_per_worker"])
    assert asked["workers"] == WORKERS["maxReplicas"] * each
    assert asked["ray"] == "auto"


def page() -> str:
    return (DEPLOY / "README.md").read_text()
