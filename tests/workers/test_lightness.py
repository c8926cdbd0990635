"""The encoder runs where only torch, transformers, numpy and pyarrow are installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lakes import make_lake
from tests.tiny import save_dictionary, save_model

# Not typer and rich: the hub's client, which transformers needs, brings them.
BARRED = ("lance", "lancedb", "ray", "faiss", "numba", "grpc", "duckdb", "datasets")
ENCODE = """
import sys

class Bar:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {barred!r}:
            raise ModuleNotFoundError(f"{{name}} is not installed here", name=name)

sys.meta_path.insert(0, Bar())
from saelake.store.format.schema import CollectionSettings
from saelake.workers.dictionaries.load import load_dictionary
from saelake.workers.encoder.encode import PageEncoder, Target
from saelake.workers.encoder.hooks import resolve_hook
from saelake.workers.encoder.models import load_model
from saelake.workers.encoder.pages import pages
from saelake.workers.encoder.tokens import TokenSettings

model = load_model({model!r})
dictionary = load_dictionary({dictionary!r})
tokens = TokenSettings(window=model.window)
settings = CollectionSettings(
    corpus="c", dictionary="d", fingerprint=dictionary.fingerprint,
    architecture=dictionary.architecture, d_in=dictionary.d_in, d_sae=dictionary.d_sae,
    signed=dictionary.signed, model=model.name, model_fingerprint=model.fingerprint,
    hook=dictionary.hook_name, window=model.window,
)
target = Target(
    settings=settings, dictionary=dictionary, hook=resolve_hook(model.module, settings.hook)
)
encoder = PageEncoder(model, [target], batch_tokens=64, chunk_bytes=1 << 20)
batches = [([0, 1], ["w1 w2 w3", "w4 w5"])]
for page in pages(batches, model.tokenizer, tokens, page_tokens=1000):
    rows = encoder.pack(encoder.encode(page, ["c/d"]), "c/d")
    print(rows.num_rows, len(rows["values"].flatten()))
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    return ENCODE.format(
        barred=set(BARRED),
        model=str(save_model(tmp_path / "model")),
        dictionary=str(save_dictionary(tmp_path / "sae")),
    )


def test_texts_become_packed_codes_without_the_store(script: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    n_rows, n_codes = map(int, run.stdout.split())
    assert n_rows == 2
    assert 0 < n_codes <= 5 * 6


ASK = """
import sys
from saelake.store.engine import Engine
from saelake.store.requests.tokens import TokensQuery
hits = Engine({uri!r}).ask(TokensQuery(collection={name!r}, expression="0")).read_all()
print(hits.num_rows, sorted({{"numba", "scipy", "torch", "faiss", "ray"}} & set(sys.modules)))
"""


def test_tokens_of_a_feature_need_no_compiled_loops(tmp_path: Path) -> None:
    made = make_lake(tmp_path)
    script = ASK.format(uri=made.lake.uri, name=str(made.name))
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    n_hits, loaded = run.stdout.split(maxsplit=1)
    assert int(n_hits) > 0
    assert loaded.strip() == "[]"
