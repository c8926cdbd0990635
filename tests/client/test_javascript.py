"""A client in another language, which has nothing but lake.proto and an Arrow library."""

import shutil
import subprocess
from pathlib import Path

import pytest

import saelake
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from tests.lakes import make_lake

EXAMPLE = Path(__file__).parents[2] / "examples" / "javascript"


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.skipif(
    not (EXAMPLE / "node_modules").exists(), reason=f"needs npm install in {EXAMPLE}"
)
def test_the_client_in_javascript_prints_what_python_finds(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=60)
    with BackgroundServer(ServerSettings(uri=made.lake.uri, address=Address(port=0))) as server:
        ran = subprocess.run(
            ["node", "client.mjs", str(server.address), "made/random", "3"],
            cwd=EXAMPLE,
            capture_output=True,
            text=True,
            check=False,
        )
    chosen = saelake.connect(made.lake.uri)["made/random"]
    hits = [f"{h.id} {h.position} {h.value:.3f} {h.token}" for h in chosen.tokens(3, k=3)]
    said = f"fires in {chosen.feature(3).document_frequency} documents"
    assert (ran.stderr, ran.stdout.splitlines()) == ("", [*hits, said])
