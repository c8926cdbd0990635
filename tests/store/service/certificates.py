"""Certificates for servers and clients, by openssl."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

import pytest

# Names in the certificates that the authority signs, besides the common name, which is the file's.
SIGNED: Mapping[str, str] = {
    "server": "DNS:localhost,IP:127.0.0.1",
    "client": "DNS:localhost,IP:127.0.0.1",
    "robot": "URI:spiffe://example.com/robot",
}


class Pair(TypedDict):
    """A certificate and its key."""

    certificate: Path
    key: Path


def pair_of(folder: Path, name: str) -> Pair:
    return {"certificate": folder / f"{name}.pem", "key": folder / f"{name}.key"}


def make_certificates(folder: Path) -> Path:
    """An authority `ca`, another one, and certificates that the first has signed."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    new_key = ["-newkey", "rsa:2048", "-nodes"]
    for name in ("ca", "other"):
        own = ["-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}"]
        run("req", "-x509", *new_key, *own)
    for name, others in SIGNED.items():
        (folder / "names").write_text(f"subjectAltName={others}")
        run("req", *new_key, "-keyout", f"{name}.key", "-out", "request", "-subj", f"/CN={name}")
        sign = ["x509", "-req", "-in", "request", "-CA", "ca.pem", "-CAkey", "ca.key"]
        run(*sign, "-CAcreateserial", "-out", f"{name}.pem", "-extfile", "names")
    return folder
