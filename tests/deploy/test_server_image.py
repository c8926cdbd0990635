"""server.Dockerfile passes hadolint and fits this checkout; so do its probe and compose.yaml."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from dockerfile_parse import DockerfileParser
from grpc_health.v1 import health_pb2, health_pb2_grpc
from jsonschema import Draft202012Validator

from saelake.making.quantities import parse_size
from tests.client.cli.command import asked
from tests.deploy.commands import DEPLOY, ROOT
from tests.deploy.kuberay import ANY, TEXT, fields
from tests.deploy.memory import memory_of
from tests.deploy.test_dockerfile import PROJECT, lint, package_folders
from tests.lakes import MadeLake, make_lake
from tests.store.service.test_stopping import NOT_SERVING, SERVING, free_port, served

FILE = DEPLOY / "server.Dockerfile"
LINES = DockerfileParser(str(FILE)).structure
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVER = COMPOSE["services"]["server"]

TEXT_LIST = {"type": "array", "items": TEXT}
WAITS = {
    "type": "object",
    "additionalProperties": fields(
        "condition",
        condition={
            "enum": ["service_started", "service_healthy", "service_completed_successfully"]
        },
    ),
}
# After compose-spec's schema (compose-spec/compose-go, schema/compose-spec.json), as far as used.
SERVICE = fields(
    "image",
    image=TEXT,
    build=fields("context", context=TEXT, dockerfile=TEXT, target=TEXT),
    command=TEXT_LIST,
    entrypoint=TEXT_LIST,
    environment={"type": "object", "additionalProperties": {"type": "string"}},
    ports=TEXT_LIST,
    volumes=TEXT_LIST,
    tmpfs=TEXT_LIST,
    read_only={"type": "boolean"},
    cap_drop=TEXT_LIST,
    security_opt=TEXT_LIST,
    mem_limit=TEXT,
    stop_grace_period={"type": "string", "pattern": "^[0-9]+s$"},
    restart={"enum": ["no", "always", "on-failure", "unless-stopped"]},
    healthcheck=fields("test", test=TEXT_LIST, interval=TEXT, retries={"type": "integer"}),
    depends_on=WAITS,
)
SCHEMA = fields(
    "services", services={"type": "object", "additionalProperties": SERVICE}, volumes=ANY
)


def values(instruction: str) -> list[str]:
    return [line["value"] for line in LINES if line["instruction"] == instruction]


def test_hadolint_finds_nothing() -> None:
    run = lint(FILE)
    assert (run.returncode, run.stdout) == (0, "")


def test_all_that_is_copied_is_in_the_checkout() -> None:
    sources = {source for value in values("COPY") for source in value.split()[:-1]}
    packed = {folder.partition("/")[0] for folder in package_folders()}
    assert packed | {"pyproject.toml", "constraints.txt"} <= sources
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_its_targets_are_for_cpus_and_for_a_gpu() -> None:
    targets = [value.split(" AS ")[1] for value in values("FROM")]
    assert targets == ["wheel", "base", "gpu", "cpu"]
    extras = re.findall(r"saelake\[([\w,]+)\]", " ".join(values("RUN")))
    assert extras == [f"{first},auth,mcp,metrics,traces" for first in ("gpu", "store")]
    known = set(PROJECT["project"]["optional-dependencies"])
    assert {name for each in extras for name in each.split(",")} <= known
    assert not any("faiss-cpu" in needed for needed in installed(extras[0]) if ";" not in needed)


def installed(extras: str) -> set[str]:
    """What extras bring, with those that they name."""
    found: set[str] = set()
    for extra in extras.split(","):
        for needed in PROJECT["project"]["optional-dependencies"][extra]:
            named = re.fullmatch(r"saelake\[([\w,-]+)\]", needed)
            found |= {needed} if named is None else installed(named[1])
    return found


def test_its_image_keeps_to_itself() -> None:
    assert values("USER") == ["1000:1000", "1000:1000"]
    assert [json.loads(each) for each in values("ENTRYPOINT")] == [["saelake"]]
    variables = dict(word.split("=", 1) for each in values("ENV") for word in shlex.split(each))
    kept = [variables[name] for name in ("HF_HOME", "NUMBA_CACHE_DIR")]
    assert all(each.startswith(f"{values('VOLUME')[0]}/") for each in kept)
    assert variables["SAELAKE_SERVE_HEALTH"].endswith(f":{PROBED}")


PROBED = 50052


def probe(port: int) -> int:
    """How the image's check of health ends, of a server whose health is at this port."""
    (check,) = values("HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    words = [word.replace(str(PROBED), str(port)) for word in command[1:]]
    return subprocess.run([sys.executable, *words], capture_output=True, check=False).returncode


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("probed") / "lake", n_documents=10)


def test_its_probe_is_answered_where_only_health_is(made: MadeLake) -> None:
    port = free_port()
    assert probe(port) != 0
    with served(made, 0, "--health", str(port), "--drain-delay", "600") as server:
        server.becomes(SERVING)
        assert probe(port) == 0
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            with pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
                list(channel.unary_stream("/saelake.v1.Lake/Info", lambda each: each)(b""))
            check = health_pb2_grpc.HealthStub(channel).Check
            assert check(health_pb2.HealthCheckRequest(service="saelake.v1.Lake")).status == SERVING
        server.process.terminate()
        server.becomes(NOT_SERVING)
        assert probe(port) == 1


def test_compose_has_the_fields_that_it_knows() -> None:
    errors = [each.json_path for each in Draft202012Validator(SCHEMA).iter_errors(COMPOSE)]
    assert errors == []
    wrong = {"services": {"server": {**SERVER, "readonly": True}}}
    assert list(Draft202012Validator(SCHEMA).iter_errors(wrong))


def test_the_server_of_compose_is_the_image_and_may_write_little() -> None:
    context = DEPLOY / SERVER["build"]["context"]
    assert (context / SERVER["build"]["dockerfile"]).resolve() == FILE
    assert SERVER["build"]["target"] in ("cpu", "gpu")
    assert SERVER["read_only"]
    assert SERVER["cap_drop"] == ["ALL"]
    assert {each.partition(":")[2] for each in SERVER["volumes"]} == set(values("VOLUME"))
    names = {
        each.partition(":")[0]
        for s in COMPOSE["services"].values()
        for each in s.get("volumes", ())
    }
    assert names == set(COMPOSE["volumes"])


def test_the_server_of_compose_takes_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVER["environment"].items():
        if name.startswith("SAELAKE_"):
            monkeypatch.setenv(name, value)
    settings = tomllib.loads(asked("serve", "--print-config"))
    assert settings["lake"] == "s3://lakes/lake"
    assert int(SERVER["stop_grace_period"].removesuffix("s")) > settings["grace"]
    published = {
        each.split(":")[0] for s in COMPOSE["services"].values() for each in s.get("ports", ())
    }
    assert published == {"127.0.0.1"}, "what has no protection is for this machine alone"
    assert Path(settings["disk-cache"]).parent == Path("/cache")
    assert parse_size(SERVER["mem_limit"]) >= memory_of(settings)
