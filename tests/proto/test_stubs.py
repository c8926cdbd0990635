"""The committed message classes are those that the .proto file makes."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "proto"


def test_committed_classes_are_fresh(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools")
    spec = importlib.util.spec_from_file_location("generate", ROOT / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for stub in generate.generate(tmp_path):
        assert stub.read_text() == (ROOT / "v1" / stub.name).read_text(), "run `make protos`"
