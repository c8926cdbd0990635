"""Activations are kept, and encoded again, by options of the command line."""

from pathlib import Path

import numpy as np
import pytest

import saelake
from saelake.cli.options.activations import with_fraction
from tests.client.cli.command import run
from tests.client.cli.test_build import collections, encoding
from tests.tiny import D_MODEL


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("encode c --keep-activations", "encode c --keep-activations 1"),
        ("--keep-activations --model m", "--keep-activations 1 --model m"),
        ("--keep-activations 0.1 c", "--keep-activations 0.1 c"),
        ("--keep-activations 1e-3 c", "--keep-activations 1e-3 c"),
        ("--keep-activations corpus", "--keep-activations 1 corpus"),
        ("--keep-activations=0.1 c", "--keep-activations=0.1 c"),
    ],
)
def test_keep_activations_may_stand_without_a_number(typed: str, meant: str) -> None:
    assert with_fraction(typed.split()) == meant.split()


def done(*arguments: str) -> None:
    ran = run(*arguments)
    assert ran.code == 0, ran.err


def test_what_is_kept_is_encoded_again_without_a_model(tmp_path: Path, parts: Path) -> None:
    lake = str(tmp_path / "lake")
    done("import", str(parts / "some words.parquet"), "--corpus", "words", "--lake", lake)
    kept = ["--keep-activations", "--activations-dtype", "bfloat16"]
    done("encode", "words", *encoding(parts, "sae"), *kept, "--lake", lake)
    activations = saelake.connect(lake)["words/sae"].activations()
    (row,) = collections(lake).values()
    assert activations.shape == (row["n_tokens"], D_MODEL)
    assert activations.dtype == "bfloat16"
    again = ["--from-activations", "words/sae", "--dictionary", str(parts / "other")]
    done("encode", "words", *again, "--lake", lake)
    done("encode", "words", *encoding(parts, "other"), "--name", "run", "--lake", lake)
    opened = saelake.connect(lake)
    ours, theirs = (opened[f"words/{name}"].codes().read_all() for name in ("other", "run"))
    assert ours.num_rows == theirs.num_rows
    same = np.asarray(ours["feature"]) == np.asarray(theirs["feature"])
    assert same.mean() > 0.9, "more than rounding to 8 bits makes of it"
    assert run("verify", "--lake", lake).code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--keep-activations", "1.5"], "above 0 and at most 1"),
        (["--keep-activations", "0"], "above 0 and at most 1"),
        (["--activations-dtype", "float64"], "'float64' is not one of"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_one_line(
    tmp_path: Path, parts: Path, options: list[str], said: str
) -> None:
    lake = str(tmp_path / "lake")
    done("import", str(parts / "some words.parquet"), "--corpus", "words", "--lake", lake)
    ran = run("encode", "words", *encoding(parts, "sae"), *options, "--lake", lake)
    assert (ran.code, ran.err.splitlines()[-1].startswith("Error: ")) == (2, True)
    assert said in ran.err
