"""The manifests of deploy/kubernetes: what Kubernetes and the operators accept, and what fits."""

import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from dockerfile_parse import DockerfileParser
from jsonschema import Draft202012Validator

from saelake.making.quantities import parse_size
from saelake.store.wire.address import Address
from tests.client.cli.command import asked
from tests.deploy.commands import DEPLOY
from tests.deploy.memory import memory_of
from tests.deploy.operators import SPECS, schema
from tests.deploy.rendered import BOTH, PARTS, Manifest, container, one, pod, rendered
from tests.deploy.test_ray_job import KUBERNETES, check_pod

ALL = ("base", BOTH, *PARTS)
IMAGE_CACHE = "/cache"  # where its variables say that all is kept
IMAGE = DockerfileParser(str(DEPLOY / "server.Dockerfile"))


def errors(manifest: Manifest) -> list[str]:
    """Where a manifest is not of its kind."""
    if manifest["kind"] in SPECS:
        found = Draft202012Validator(schema(manifest["kind"])).iter_errors(manifest)
        return [error.json_path for error in found]
    try:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [str(error)]
    return []


@pytest.mark.parametrize("name", ALL)
def test_every_manifest_is_of_its_kind(name: str) -> None:
    kinds = [manifest["kind"] for manifest in rendered(name)]
    assert {"Deployment", "Service", "HorizontalPodAutoscaler", "NetworkPolicy"} <= set(kinds)
    assert [errors(manifest) for manifest in rendered(name)] == [[]] * len(kinds)


def test_what_is_wrong_is_found() -> None:
    for kind in ("Deployment", "PodDisruptionBudget", "HorizontalPodAutoscaler", "ServiceMonitor"):
        wrong = {**one(BOTH, kind), "spec": {**one(BOTH, kind)["spec"], "replica": 3}}
        assert errors(wrong), kind


@pytest.mark.parametrize("name", ALL)
def test_a_server_may_do_nothing_that_it_need_not(name: str) -> None:
    assert pod(name)["securityContext"]["runAsNonRoot"]
    assert not pod(name)["automountServiceAccountToken"]
    security = container(name)["securityContext"]
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert container(name)["resources"]["limits"]["memory"]
    user = next(line["value"] for line in IMAGE.structure if line["instruction"] == "USER")
    context = pod(name)["securityContext"]
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == user


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the program makes of the base's settings: its file and its variables."""
    data = one("base", "ConfigMap", "saelake-server")["data"]
    path = tmp_path / "server.toml"
    path.write_text(data["server.toml"])
    for each in container("base")["env"]:
        monkeypatch.setenv(each["name"], each["value"])
    return tomllib.loads(asked("serve", "--config", str(path), "--print-config"))


def test_the_server_takes_its_settings(settings: dict[str, Any]) -> None:
    assert settings["lake"] == "s3://my-bucket/lake"
    command, option, file = container("base")["args"]
    assert (command, option) == ("serve", "--config")
    mounts = {each["mountPath"] for each in container("base")["volumeMounts"]}
    named = [file, settings["tokens"], settings["cert"], settings["key"]]
    assert {str(Path(each).parent) for each in named} <= mounts
    assert str(Path(settings["disk-cache"]).parent) in mounts
    assert IMAGE_CACHE in mounts


def test_there_is_memory_for_all_that_is_computed_at_once(settings: dict[str, Any]) -> None:
    memory = container("base")["resources"]["limits"]["memory"]
    assert parse_size(f"{memory}B") >= memory_of(settings)


def test_there_is_time_to_stop(settings: dict[str, Any]) -> None:
    seconds = pod("base")["terminationGracePeriodSeconds"]
    assert seconds >= settings["drain-delay"] + settings["grace"] + 10
    assert settings["drain-delay"] > container("base")["readinessProbe"]["periodSeconds"]


def test_ports_are_the_servers(settings: dict[str, Any]) -> None:
    ports = {each["name"]: each["containerPort"] for each in container("base")["ports"]}
    assert ports == {
        "grpc": settings["port"],
        "health": Address.parse(settings["health"]).port,
        "metrics": Address.parse(settings["metrics"]).port,
    }
    for probe in ("startupProbe", "readinessProbe"):
        assert container("base")[probe]["grpc"]["port"] == ports["health"]
    service = {each["name"]: each["port"] for each in one("base", "Service")["spec"]["ports"]}
    assert service == {name: ports[name] for name in ("grpc", "metrics")}
    rules = one("base", "NetworkPolicy")["spec"]["ingress"]
    assert [rule["ports"][0]["port"] for rule in rules] == [ports["grpc"], ports["metrics"]]


@pytest.mark.parametrize("name", ALL)
def test_everything_selects_the_servers_pods(name: str) -> None:
    labels = one(name, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert labels
    selectors = [
        one(name, "Deployment")["spec"]["selector"]["matchLabels"],
        one(name, "Service")["spec"]["selector"],
        one(name, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        one(name, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ]
    assert selectors == [labels] * 4


def test_variables_of_the_parts_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PARTS:
        for each in container(name)["env"]:
            monkeypatch.setenv(each["name"], each["value"])
    said = tomllib.loads(asked("serve", "--print-config"))
    assert said["client-ca"] == "/etc/saelake/tls/ca.crt"
    assert said["preload"] == ["reviews/l8"]
    assert said["ray"] == "ray://saelake-ray-head-svc:10001"
    assert said["memory"] == "8GiB"


def test_variables_that_kubernetes_would_set_are_off() -> None:
    assert pod("base")["enableServiceLinks"] is False


def test_the_ray_cluster_has_room_for_its_owners() -> None:
    cluster = one("ray", "RayCluster")["spec"]
    assert cluster["rayVersion"] == version("ray")
    (workers,) = cluster["workerGroupSpecs"]
    for group in (cluster["headGroupSpec"], workers):
        check_pod(group["template"])
        (each,) = group["template"]["spec"]["containers"]
        assert each["image"] == container("ray")["image"]
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]


def test_the_image_of_the_ray_part_keeps_compiled_loops_where_it_may_write() -> None:
    image = DockerfileParser(str(DEPLOY / "Dockerfile"))
    assert Path(image.envs["NUMBA_CACHE_DIR"]).parent == Path(image.envs["HF_HOME"])
    assert image.envs["HF_HOME"] in {each["mountPath"] for each in container("ray")["volumeMounts"]}
    assert "metrics" in image.content, "the settings ask for metrics"


def test_images_are_of_this_version() -> None:
    images = {container(name)["image"] for name in ALL}
    assert {image.partition(":")[2] for image in images} == {version("saelake")}
