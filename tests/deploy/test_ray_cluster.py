"""ray-cluster.yaml is what Ray's launcher takes, tried against a simulated EC2."""

import json
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import boto3
import jsonschema
import pytest
import ray.autoscaler
import yaml
from moto import mock_aws
from ray.autoscaler._private.aws.config import bootstrap_aws
from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.deploy.commands import DEPLOY, ROOT, of_programs, read, shown

SCHEMA = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
CONFIG: dict[str, Any] = yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text())
TYPES = CONFIG["available_node_types"]
COMMANDS = [command for name in CONFIG if name.endswith("_commands") for command in CONFIG[name]]


def test_the_file_is_of_rays_schema() -> None:
    jsonschema.validate(CONFIG, SCHEMA)
    for name, value in (("max_worker", 8), ("max_workers", "8"), ("provider", {})):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(CONFIG | {name: value}, SCHEMA)


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The file as Ray completes it before it starts machines."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))  # where Ray writes an SSH key
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        boto3.client("iam").create_instance_profile(InstanceProfileName="saelake")
        config = prepare_config(deepcopy(CONFIG))
        validate_config(config)
        yield bootstrap_aws(AWSNodeProvider.fillout_available_node_types_resources(config))


def started(config: dict[str, Any], node_type: str) -> dict[str, Any]:
    """What EC2 says of a machine of this type that Ray starts."""
    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    node_config = config["available_node_types"][node_type]["node_config"]
    (identity,) = provider.create_node(node_config, {"ray-node-type": node_type}, 1)
    ec2 = boto3.client("ec2", config["provider"]["region"])
    found = ec2.describe_instances(InstanceIds=[identity])
    return dict(found["Reservations"][0]["Instances"][0])


def test_ray_starts_the_head_on_demand_and_workers_on_spot(launched: dict[str, Any]) -> None:
    head, worker = (started(launched, name) for name in ("head", "gpu-spot"))
    for machine, name in ((head, "head"), (worker, "gpu-spot")):
        assert machine["InstanceType"] == TYPES[name]["node_config"]["InstanceType"]
        assert machine["IamInstanceProfile"]["Arn"].endswith("instance-profile/saelake")
    assert (head.get("InstanceLifecycle"), worker["InstanceLifecycle"]) == (None, "spot")


def test_ray_counts_a_gpu_for_a_worker_and_nothing_for_the_head(launched: dict[str, Any]) -> None:
    counted = {n: each["resources"] for n, each in launched["available_node_types"].items()}
    assert counted["head"] == {"CPU": 0}
    assert (counted["gpu-spot"]["GPU"], counted["gpu-spot"]["CPU"]) == (1, 4)


def test_what_the_page_asks_for_fits_the_workers(launched: dict[str, Any]) -> None:
    commands = of_programs(shown((DEPLOY / "README.md").read_text()))
    (words,) = [words for words in commands if words[:2] == ["saelake", "encode"]]
    asked = read(words)
    worker = launched["available_node_types"]["gpu-spot"]
    has = worker["resources"]
    each = min(has["GPU"] // asked["gpus_per_worker"], has["CPU"] // asked["cpus_per_worker"])
    assert asked["workers"] == worker["max_workers"] * each == launched["max_workers"] * each


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_one_for_bash(command: str) -> None:
    subprocess.run(["bash", "-n", "-c", command], check=True, timeout=10)


def test_ray_start_takes_the_options_of_the_file() -> None:
    starts = [piece for each in COMMANDS for piece in each.split("; ") if "ray start" in piece]
    assert len(starts) == 2
    for words in of_programs(starts):
        assert read(words)


def test_what_is_sent_to_the_machines_is_of_this_checkout() -> None:
    local = set(CONFIG["file_mounts"].values())
    assert "dist" in local  # which the page's `pip wheel` makes
    assert "$ pip wheel --no-deps --wheel-dir dist ." in (DEPLOY / "README.md").read_text()
    assert all((ROOT / path).exists() for path in local - {"dist"})
