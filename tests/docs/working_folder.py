"""A folder as the pages have it before their first command: a corpus, models, dictionaries, a lake.

Names are those that the pages use. What they stand for is small: a model of three layers with
random weights is called `gpt2`, and texts are of its sixty words.
"""

import datetime as dt
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
from scipy import sparse

import saelake
from tests.deploy.commands import ROOT
from tests.tiny import WORDS, save_dictionary, save_model

MODEL, SENTENCES = "gpt2", "sentence-transformers/all-MiniLM-L6-v2"
N_DOCUMENTS, N_MORE = 80, 12
# How many features each has; l8 as many as the dictionary that README names.
DICTIONARIES = {
    "l8": 24_576,
    "l8-retrained": 24_576,
    "l4": 64,
    "my-sae": 64,
    "another-sae": 64,
    "minilm-l4-4096": 4096,
}
ENCODED = ("l8", "l8-retrained", "l4")


def reviews(n: int, *, first: int = 0) -> pa.Table:
    """Reviews with metadata of each kind that pages filter by."""
    random = np.random.default_rng(first)
    known = [word for word in WORDS if word.startswith("w")]
    number = np.arange(first, first + n)
    rating = random.integers(1, 11, n)
    day = [dt.date(2019, 1, 1) + dt.timedelta(days=int(d)) for d in number * 9]
    return pa.table(
        {
            "id": [f"tt0111161_{i}" for i in number],
            "text": [" ".join(random.choice(known, k)) for k in random.integers(4, 14, n)],
            "label": ["pos" if r > 5 else "neg" for r in rating],
            "rating": rating,
            "published": day,
            "genre": pa.array(["drama" if i % 3 else None for i in number]),
            "film title": [f"Film {i % 7}" for i in number],
            "model": ["a" if i % 2 else "b" for i in number],
            "prompt_id": number // 2,
            "lat": 40 + random.random(n),
            "lon": 10 + random.random(n),
            "spoiler": rating % 2 == 0,
            "tags": [["new", "long"] if i % 2 else ["long"] for i in number],
            "meta": [{"year": d.year} for d in day],
        }
    )


def make_working_folder(folder: Path) -> Path:
    """The folder, with the lakes `lake` and `demo-lake` in it."""
    save_model(folder / MODEL)
    save_model(folder / SENTENCES, bert=True)
    for seed, (name, d_sae) in enumerate(DICTIONARIES.items()):
        save_dictionary(folder / name, d_sae=d_sae, seed=seed)
    _save_corpora(folder)
    _save_settings(folder)
    _make_lake(folder)
    _make_demo_lake(folder)
    return folder


def _save_settings(folder: Path) -> None:
    """The settings of a server, as the guide shows them."""
    page = (ROOT / "docs/guide/serving.md").read_text()
    (shown,) = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (folder / "server.toml").write_text(shown)


def _save_corpora(folder: Path) -> None:
    pq.write_table(reviews(N_DOCUMENTS), folder / "reviews.parquet")
    pq.write_table(reviews(N_MORE, first=N_DOCUMENTS), folder / "more.parquet")
    films = reviews(20).select(["id", "text", "rating"]).rename_columns({"text": "review"})
    csv.write_csv(films, folder / "reviews.csv")
    grades = "".join(f"tt0111161_{i},{i % 5}\n" for i in range(0, N_DOCUMENTS, 2))
    (folder / "grades.csv").write_text(f"id,grade\n{grades}")
    (folder / "export.csv").write_text("id;text\n1;café w5\n2;w6 w7\n", encoding="latin-1")
    _save_vectors(folder)
    for label, part in (("pos", reviews(4)), ("neg", reviews(4, first=4))):
        (folder / "parts" / f"label={label}").mkdir(parents=True)
        where = folder / "parts" / f"label={label}" / "part-0.parquet"
        pq.write_table(part.drop_columns(["label"]), where)
    (folder / "letters").mkdir()
    for i, text in enumerate(reviews(5)["text"].to_pylist()):
        (folder / "letters" / f"{i}.txt").write_text(text)


def _save_vectors(folder: Path) -> None:
    """Vectors that another system made: of articles, of steps of the reviews, and a matrix."""
    random = np.random.default_rng(0)
    lines = []
    for i, text in enumerate(reviews(40)["text"].to_pylist()):
        vector = {word: round(float(random.random()) + 0.1, 3) for word in text.split()}
        row = {"id": f"a{i}", "text": text, "section": "ab"[i % 2], "vector": vector}
        lines.append(json.dumps(row | {"vector": {"rain": 1.5, **vector}} if i % 3 else row))
    (folder / "splade.jsonl").write_text("\n".join(lines) + "\n")
    spans = [
        (own, first, min(first + 12, len(text)))
        for own, text in zip(
            *(reviews(N_DOCUMENTS)[n].to_pylist() for n in ("id", "text")), strict=True
        )
        for first in range(0, len(text), 12)
    ]
    ids, starts, ends = (list(column) for column in zip(*spans, strict=True))
    experts = [random.choice(64, 2, replace=False).tolist() for _ in spans]
    gates = [random.normal(size=2).round(3).tolist() for _ in spans]
    table = {"id": ids, "start": starts, "end": ends, "indices": experts, "values": gates}
    pq.write_table(pa.table(table), folder / "steps.parquet")
    matrix = sparse.random(N_DOCUMENTS, 100, 0.05, format="csr", random_state=0)
    sparse.save_npz(folder / "bm25.npz", matrix)


def _make_lake(folder: Path) -> None:
    lake = saelake.connect(folder / "lake")
    lake.ingest(
        str(folder / "reviews.parquet"),
        "reviews",
        model=str(folder / MODEL),
        dictionary=[str(folder / name) for name in ENCODED],
    )
    lake.embed("reviews", model=str(folder / SENTENCES))
    lake.label("reviews/l4")


def _make_demo_lake(folder: Path) -> None:
    saelake.connect(folder / "demo-lake").ingest(
        str(folder / "reviews.parquet"),
        "docstrings",
        model=str(folder / MODEL),
        dictionary=str(folder / "minilm-l4-4096"),
    )


def copied(folder: Path, to: Path) -> Path:
    """A copy, for a page to change."""
    return Path(shutil.copytree(folder, to))
