"""Check `saelake tokens` from outside: against brute force over `saelake export --codes`.

    python examples/check_by_brute_force.py lake imdb/minilm-l4-4096 imdb_6k.parquet \
        --id-column doc_id --column label --value pos

Random features are asked for on the command line, per document and per token, for all documents
and for those where the column has the value; of a signed dictionary both poles of each together,
and each by itself. The same is computed from the exported codes and the corpus's own file with
pyarrow alone. Prints one line a question and exits 1 at a difference.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

Hit = tuple[int, str, int, float]
POLES = ("", "+", "-")  # of a feature that fires on both sides of 0: both, above, below


def saelake(*arguments: str) -> str:
    """What the command prints."""
    run = subprocess.run(
        [sys.executable, "-m", "saelake", *arguments], check=True, capture_output=True, text=True
    )
    return run.stdout


def asked(options: argparse.Namespace, feature: str, per: str, where: str | None) -> list[Hit]:
    """The answer of `saelake tokens` about a feature, or a pole of one."""
    command = ["tokens", options.collection, feature, "--lake", options.lake]
    command += ["-k", str(options.k), "--per", per, "--format", "json"]
    command += ["--where", where] if where else []
    answer: dict[str, Any] = json.loads(saelake(*command))
    return [(h["doc"], h["id"], h["position"], h["value"]) for h in answer["hits"]]


def computed(codes: list[Hit], per: str, ids: set[str] | None, k: int) -> list[Hit]:
    """The same by brute force: strongest first, ties by document and then position."""
    kept = [hit for hit in codes if ids is None or hit[1] in ids]
    kept.sort(key=lambda hit: (-abs(hit[3]), hit[0], hit[2]))
    if per == "document":
        best: dict[int, Hit] = {}
        for hit in kept:
            best.setdefault(hit[0], hit)
        kept = list(best.values())
    return kept[:k]


def of_pole(codes: list[Hit], pole: str) -> list[Hit]:
    """The codes of one pole of a feature, or all."""
    return [hit for hit in codes if not pole or (hit[3] < 0) == (pole == "-")]


def questions(options: argparse.Namespace) -> Iterator[tuple[int, str, bool]]:
    """Random features, each per document and per token, with and without the filter."""
    info = json.loads(saelake("info", "--lake", options.lake, "--format", "json"))
    rows = {f"{row['corpus']}/{row['dictionary']}": row for row in info["collections"]}
    features = random.Random(options.seed).sample(
        range(rows[options.collection]["d_sae"]), options.features
    )
    filtered = (False, True) if options.column else (False,)
    yield from product(features, ("document", "token"), filtered)


def main() -> int:
    """Compare all answers; the number of differences is the exit status (at most 1)."""
    options = arguments()
    asking = list(questions(options))
    wanted = sorted({feature for feature, _, _ in asking})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "codes.parquet"
        saelake("export", options.collection, "--lake", options.lake, "--codes", str(path))
        table = ds.dataset(path).to_table(
            columns=["feature", "doc", "id", "position", "value"],
            filter=pc.field("feature").isin(wanted),
        )
    codes: dict[int, list[Hit]] = {feature: [] for feature in wanted}
    for feature, *hit in zip(*(column.to_pylist() for column in table.columns), strict=True):
        codes[feature].append(tuple(hit))
    ids, where = None, None
    if options.column:
        corpus = pq.read_table(options.corpus, columns=[options.id_column, options.column])
        chosen = corpus.filter(pc.field(options.column) == options.value)
        ids = set(chosen[options.id_column].cast("string").to_pylist())
        where = f"{options.column} = '{options.value}'"
    n_different = 0
    is_signed = any(hit[3] < 0 for each in codes.values() for hit in each)
    poles = POLES if is_signed else ("",)
    for (feature, per, filtered), pole in product(asking, poles):
        found = asked(options, f"{pole}{feature}", per, where if filtered else None)
        expected = of_pole(codes[feature], pole)
        expected = computed(expected, per, ids if filtered else None, options.k)
        n_different += found != expected
        says = "equal" if found == expected else "DIFFERENT"
        shown = f" where {where}" if filtered else ""
        print(f"{says}: feature {pole}{feature} per {per}{shown}, {len(found)} hits")
    n_asked = len(asking) * len(poles)
    print(f"{n_asked - n_different} of {n_asked} answers equal brute force")
    return int(n_different > 0)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lake")
    parser.add_argument("collection")
    parser.add_argument("corpus", help="the Parquet file that was imported")
    parser.add_argument("--id-column", default="id")
    parser.add_argument("--column", help="a text column to filter by")
    parser.add_argument("--value")
    parser.add_argument("--features", type=int, default=50)
    parser.add_argument("-k", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
