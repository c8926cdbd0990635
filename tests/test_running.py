"""How tests run: what hangs ends and says where it was, and a busy machine fails none."""

import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from hypothesis import settings

ROOT = Path(__file__).parents[1]
LEFT_S = 100
PATIENCE_S = 60
# Signals do not end this test: Python sees none while the lock is asked for by a thread in C.
HANGING = """
import threading

def test_before():
    pass

def test_it_hangs():
    locked = threading.Lock()
    locked.acquire()
    locked.acquire()
"""
# Leaves a process that writes where it did.
MAKE = f"""#!/usr/bin/env bash
echo "made: $*"
sleep {LEFT_S} &
echo $! >left
exit 7
"""


def test_a_test_that_hangs_ends_the_run_with_the_stacks(tmp_path: Path) -> None:
    (tmp_path / "test_hanging.py").write_text(HANGING)
    settings = ("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path))
    soon = ("-o", "faulthandler_timeout=1", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", *settings, *soon, str(tmp_path)]
    ran = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert ran.returncode == 1
    assert "Timeout (0:00:01)!" in ran.stderr
    assert "in test_it_hangs" in ran.stderr
    assert "in test_before" not in ran.stderr


def test_continuous_integration_ends_though_a_process_is_left(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    script = tmp_path / ".ci" / "run"
    script.write_bytes((ROOT / ".ci" / "run").read_bytes())
    make = tmp_path / "bin" / "make"
    make.parent.mkdir()
    make.write_text(MAKE)
    make.chmod(0o755)
    began = time.monotonic()
    variables = {**os.environ, "PATH": f"{make.parent}{os.pathsep}{os.environ['PATH']}"}
    ran = subprocess.run(
        ["bash", str(script)], env=variables, capture_output=True, text=True, check=False
    )
    took_s = time.monotonic() - began
    os.kill(int((tmp_path / "left").read_text()), 9)
    assert (ran.returncode, ran.stdout) == (7, "made: test\n")
    assert took_s < LEFT_S / 2


def test_no_property_is_about_time() -> None:
    assert settings().deadline is None
    assert settings(max_examples=5).deadline is None


def test_small_models_run_in_one_thread() -> None:
    """Unless its variable says otherwise, which torch reads when it is imported."""
    assert torch.get_num_threads() == int(os.environ["OMP_NUM_THREADS"])
