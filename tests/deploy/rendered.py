"""deploy/kubernetes as Kubernetes gets it: rendered by kubectl, with parts or without."""

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.commands import DEPLOY

FOLDER = DEPLOY / "kubernetes"
PARTS = ("monitoring", "mtls", "gpu", "ray")
BOTH = "example"

Manifest = dict[str, Any]


@cache
def rendered(name: str) -> tuple[Manifest, ...]:
    """The manifests of a folder, or of the base with a part. Skips where there is no kubectl."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("needs kubectl")
    if name not in PARTS:
        return _render(kubectl, FOLDER / name)
    folder = FOLDER / f".with-{name}"
    folder.mkdir(exist_ok=True)
    try:
        text = yaml.safe_dump({"resources": ["../base"], "components": [f"../{name}"]})
        (folder / "kustomization.yaml").write_text(text)
        return _render(kubectl, folder)
    finally:
        shutil.rmtree(folder)


def _render(kubectl: str, folder: Path) -> tuple[Manifest, ...]:
    run = subprocess.run(
        [kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (run.returncode, run.stderr) == (0, "")
    return tuple(yaml.safe_load_all(run.stdout))


def one(name: str, kind: str, of: str = "saelake") -> Manifest:
    """The manifest of a kind, with what is deployed as `of`."""
    (found,) = [
        each
        for each in rendered(name)
        if each["kind"] == kind
        and each["metadata"]["name"].startswith(of)
        and (kind != "NetworkPolicy" or each["metadata"]["name"] == of)
    ]
    return found


def pod(name: str) -> Manifest:
    """The pod of the server."""
    return dict(one(name, "Deployment")["spec"]["template"]["spec"])


def container(name: str) -> Manifest:
    """The server in its pod."""
    (only,) = pod(name)["containers"]
    return dict(only)
