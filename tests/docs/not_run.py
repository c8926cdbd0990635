"""What of the pages is not run, and why. Everything else is."""

from collections.abc import Mapping

# Commands of other programs, by how they begin.
OTHER_PROGRAMS: Mapping[str, str] = {
    "pip install": "installs; that the extras exist is tested",
    "make": "runs for minutes; that the target exists is tested",
    "export": "sets variables of a shell",
    "pytest": "runs tests within a test; that the files exist is tested",
    "python -m benchmarks": "measures for minutes, with parts of its own",
    "python -m tests.floors": "prints a table; tests/test_floors.py tests what is in it",
    "openssl": "makes keys, of which the tests of the server have their own",
    "grpcurl": "is a program that the project does not install",
}

# Commands and Python that are only parsed, by a word in them.
ONLY_PARSED: Mapping[str, str] = {
    "hf://": "fetches from the hub",
    "s3://": "needs a bucket; tests/system runs commands on one",
    "--ray": "needs a Ray cluster; tests/system runs commands on one",
    "RayCluster": "needs a Ray cluster",
    "grpcs://": "needs a server with certificates; the tests of the server have one",
    "serve": "runs until it is stopped",
    "demo": "takes minutes; tests/client/cli/demo runs it",
    "…": "leaves something out",
    "labels.json": "needs a file of labels; the tests of labels make one",
}
