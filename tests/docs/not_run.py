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
    "kubectl": "needs a cluster; that the manifests are right is tested",
    "claude": "is a program that the project does not install",
    "curl": "needs a server that goes on; the tests of the API ask the same",
    "grpcurl": "is a program that the project does not install",
}

# Commands and Python that are only parsed, by a pattern in them; comments are left out.
ONLY_PARSED: Mapping[str, str] = {
    r"--explain\b|explaining.hypotheses": "asks a language model; its tests have a scripted one",
    r"hf://": "fetches from the hub",
    r"s3://": "needs a bucket; tests/system runs commands on one",
    r"--ray\b": "needs a Ray cluster; tests/system runs commands on one",
    r"cuda:": "needs GPUs; the tests of them are marked gpu",
    "--quantization": "needs a library that few have; its tests skip without",
    "RayCluster": "needs a Ray cluster",
    "grpcs://": "needs a server with certificates; the tests of the server have one",
    r"^saelake (serve|page|mcp)\b": "runs until it is stopped",
    r"^saelake (explain|score)\b": "asks a language model; their tests have a scripted one",
    "LanguageSettings": "asks a language model; the tests of runs have a scripted one",
    "…": "leaves something out",
    r"token rotate ana\b": "changes a cluster's secret; the tests of tokens have files",
    r"http://localhost:8000/v1": "needs a language model; tests of judging have a scripted one",
    r"labels\.json": "needs a file of labels; the tests of labels make one",
}
