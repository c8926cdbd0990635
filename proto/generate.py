"""Regenerates the committed message classes: `python proto/generate.py`.

With `--released` the contract as it is becomes that of the last release, from which nothing may be
taken away any more (tests/proto/test_released.py).

protoc names Python modules after the path of the .proto file under its include folder, and the
stubs must be `saelake.proto.v1.lake_pb2`: a temporary folder with the link `saelake/proto` gives
the file that path.
"""

import sys
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
STUBS = ("lake_pb2.py", "lake_pb2.pyi")


def generate(into: Path) -> list[Path]:
    """The stubs of `v1/lake.proto`, written under `into`/saelake/proto/v1."""
    with tempfile.TemporaryDirectory() as folder:
        include = Path(folder)
        (include / "saelake").mkdir()
        (include / "saelake" / "proto").symlink_to(HERE)
        _protoc(include, into, "saelake/proto/v1/lake.proto")
    return [into / "saelake" / "proto" / "v1" / name for name in STUBS]


def _protoc(include: Path, into: Path, source: str) -> None:
    arguments: Sequence[str] = [
        "protoc",
        f"--proto_path={include}",
        f"--proto_path={files('grpc_tools') / '_proto'}",  # google.protobuf's own
        f"--python_out={into}",
        f"--pyi_out={into}",
        source,
    ]
    if protoc.main(list(arguments)) != 0:
        sys.exit(f"protoc could not compile {source}.")


def main() -> None:
    """Replace the committed stubs."""
    with tempfile.TemporaryDirectory() as folder:
        for stub in generate(Path(folder)):
            (HERE / "v1" / stub.name).write_bytes(stub.read_bytes())
    if sys.argv[1:] == ["--released"]:
        from saelake.proto.v1 import lake_pb2

        (HERE / "v1" / "released.binpb").write_bytes(lake_pb2.DESCRIPTOR.serialized_pb)


if __name__ == "__main__":
    main()
