"""What it costs to append to a collection, to delete from it and to compact it.

`python -m benchmarks growth`: a synthetic collection is indexed, grows by one shard, loses 1 % of
its documents, and is compacted; after each step the 20 strongest tokens of features are asked for.
With `--appends` it begins empty, and grows by as many portions that are indexed one by one.
"""

import tempfile
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.common.measure import elapsed_s
from benchmarks.common.places import PROFILES
from benchmarks.common.profile import Profile
from benchmarks.common.synthetic import BLOCK, NAME, SHARD_BLOCKS, Synthesis, shards
from benchmarks.growth.appends import Appends, run_appends
from benchmarks.growth.questions import question_ms
from saelake.store.documents.documents import import_documents
from saelake.store.growth.clean_up import clean_up
from saelake.store.growth.compact import compact
from saelake.store.growth.delete import delete_documents
from saelake.store.growth.index import index
from saelake.store.lake.lake import Lake


def main(
    documents: Annotated[int, typer.Option(help="documents, of 1,024 a shard")] = 20_480,
    mean_length: Annotated[float, typer.Option(help="tokens a document on average")] = 60,
    appends: Annotated[
        int, typer.Option(min=0, help="portions to append, in place of the steps")
    ] = 0,
    each: Annotated[int, typer.Option(min=1, help="documents a portion, in blocks of 128")] = 1000,
    every: Annotated[int, typer.Option(min=1, help="appends between two rows")] = 50,
    seed: int = 0,
) -> None:
    """Run the steps, and print a table of them; of many appends, publish how they went."""
    if appends:
        run_appends(Appends(n=appends, each=each, every=every, mean_length=mean_length, seed=seed))
        return
    table = Table("step", "seconds", "median question, ms", title=f"{documents:,} documents")
    with tempfile.TemporaryDirectory(prefix="saelake-") as folder:
        lake = Lake(folder)
        course = _Course(lake, documents, mean_length, seed)
        for step, run in course.steps().items():
            seconds = elapsed_s(run)
            table.add_row(step, f"{seconds:.2f}", f"{question_ms(lake)[0]:.2f}")
    Console().print(table)


class _Course:
    """The collection, and what is done to it."""

    def __init__(self, lake: Lake, n_documents: int, mean_length: float, seed: int) -> None:
        self._lake = lake
        synthesis = Synthesis(
            Profile.load(PROFILES / "imdb-minilm.npz"),
            n_documents,
            seed=seed,
            mean_length=mean_length,
        )
        import_documents(lake, NAME.corpus, synthesis)
        self._shards = shards(lake, synthesis)
        while next(self._shards) < n_documents - BLOCK * SHARD_BLOCKS:
            pass

    def steps(self) -> dict[str, Callable[[], Any]]:
        """What to time, in order."""
        return {
            "index all but the last shard": lambda: index(self._lake, NAME),
            "one shard more (not indexed)": lambda: next(self._shards),
            "index it": lambda: index(self._lake, NAME),
            "delete 1 %": lambda: delete_documents(self._lake, NAME.corpus, where="shelf < 10"),
            "compact, and index again": lambda: compact(self._lake, NAME.corpus),
            "clean up": lambda: clean_up(self._lake),
        }
