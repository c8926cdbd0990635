"""The largest memory of each step, by the size of the dictionary and of the corpus.

The dictionaries have random weights: memory does not depend on which of a token's features fire.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import typer
from safetensors.torch import save_file

from benchmarks.common.places import DATA
from benchmarks.common.report import Cell, Table, publish
from benchmarks.growth.limit_runs import COLLECTION, STEPS
from saelake.store.documents.documents import import_documents
from saelake.store.lake.lake import Lake
from saelake.workers.corpus import open_source

MIB = 1 << 20
GROWTH = 10
K = 32
NOTE = (
    "A process for each step; peak MiB is its largest resident memory. `weights` are the "
    "dictionary's in float32, `above` is the peak without them and without what the process has "
    "before it begins: the imports."
)


def main(
    d_sae: Annotated[
        list[int] | None, typer.Option(help="features; may be repeated [default: 4k, 64k, 1M]")
    ] = None,
    documents: Annotated[int, typer.Option(help="of each row, and 10 times")] = 100,
    memory: Annotated[int, typer.Option(help="MiB that encode and index may use")] = 32,
    model: Path = DATA / "models" / "stories260K",
    corpus: Path = DATA / "corpora" / "tinystories_sample.parquet",
    hook: str = "blocks.2.hook_resid_post",
    folder: Annotated[Path | None, typer.Option(help="where lakes are made for a while")] = None,
) -> None:
    """Measure encode, index and two queries for dictionaries of up to a million features."""
    rows: list[dict[str, Cell]] = []
    with tempfile.TemporaryDirectory(dir=folder, prefix="saelake-limits-") as made:
        place = Path(made)
        for size in d_sae or (1 << 12, 1 << 16, 1 << 20):
            dictionary = save_dictionary(place / f"sae{size}", size, _width(model), hook)
            for n in (documents, GROWTH * documents):
                lake = place / f"lake{size}x{n}"
                import_first(corpus, n, lake)
                rows.append(measure(lake, model, dictionary, memory * MIB, size, n))
                shutil.rmtree(lake)
    title = f"memory, set to {memory} MiB, of {model.name}"
    publish("limits", [Table(title=title, rows=rows, note=NOTE)], facts={"memory MiB": memory})


def measure(
    lake: Path, model: Path, dictionary: Path, memory_bytes: int, d_sae: int, n_documents: int
) -> dict[str, Cell]:
    """A row of the table."""
    found = {
        step: fresh(step, str(lake), str(model), str(dictionary), str(memory_bytes))
        for step in STEPS
    }
    weights = (dictionary / "sae_weights.safetensors").stat().st_size / MIB
    peaks = {f"{step}: peak MiB": result["peak_bytes"] / MIB for step, result in found.items()}
    return {
        "d_sae, documents": f"{d_sae:,}, {n_documents:,}",
        "weights MiB": weights,
        "encode: above MiB": found["encode"]["grown_bytes"] / MIB - weights,
        **peaks,
        "index s": found["index"]["seconds"],
    }


def fresh(*arguments: str) -> dict[str, float]:
    """What a step in a new process prints last."""
    command = [sys.executable, "-m", "benchmarks.growth.limit_runs", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def import_first(corpus: Path, n_documents: int, lake: Path) -> None:
    """A lake with the first texts of a corpus, again from the start where there are too few."""
    texts = pq.read_table(corpus)["text"].to_pylist()
    repeated = [texts[i % len(texts)] for i in range(n_documents)]
    lake.mkdir()
    pq.write_table(pa.table({"text": repeated}), lake / "texts.parquet")
    source = open_source(str(lake / "texts.parquet"))
    import_documents(Lake(str(lake)), COLLECTION.corpus, source)


def save_dictionary(folder: Path, d_sae: int, d_in: int, hook: str) -> Path:
    """A top-k dictionary in SAELens's layout, of random directions."""
    folder.mkdir()
    W_dec = torch.nn.functional.normalize(torch.randn(d_sae, d_in), dim=1)
    weights = {
        "W_enc": W_dec.T.contiguous(),
        "b_enc": torch.zeros(d_sae),
        "W_dec": W_dec,
        "b_dec": torch.zeros(d_in),
    }
    save_file(weights, folder / "sae_weights.safetensors")
    config = {"architecture": "topk", "d_in": d_in, "d_sae": d_sae, "k": K}
    config["metadata"] = {"hook_name": hook}
    (folder / "cfg.json").write_text(json.dumps(config))
    return folder


def _width(model: Path) -> int:
    width: int = json.loads((model / "config.json").read_text())["hidden_size"]
    return width
