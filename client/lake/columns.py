"""Columns of documents that come after the import."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from saelake.exports import write_codes
from saelake.lake.placed import PlacedLake
from saelake.lake.values import Values, rows_of
from saelake.store.errors import extra
from saelake.store.requests.commands.columns import AnnotateCommand, DropColumnCommand
from saelake.store.requests.texts import TextsQuery

if TYPE_CHECKING:  # a name in a signature costs nothing until it is used
    from saelake.store.reports import AnnotateReport, DropColumnReport


class LakeColumns(PlacedLake):
    """What is known of documents besides what they were imported with."""

    __slots__ = ()

    def annotate(
        self,
        corpus: str,
        values: Values,
        *,
        column: str | None = None,
        id_column: str = "id",
        known_only: bool = False,
        replace_imported: bool = False,
        about: str | None = None,
    ) -> "AnnotateReport":
        """Set values in a column of a corpus for some documents, by one commit.

        `values` are truths, numbers or texts, None where nothing is known, by document id (or by
        number); or a table or rows with `id` or `doc` and the values, of one column or several;
        or a file of such (CSV, JSON lines, Parquet). A column that is not there comes with them,
        and is null for other documents, also for those that are imported later. What was set before
        stays for documents that are not named, and in earlier states for those that are.

        Rows of no document are refused, or left out and counted if `known_only`. A column that came
        with documents is refused unless `replace_imported`. `about` is what `info` is to say of the
        columns. Set again, nothing changes. Raises `NotFound`, `Conflict` and `InvalidInput`.
        """
        self._changeable("annotate")
        command = AnnotateCommand(
            corpus=corpus, known_only=known_only, replace_imported=replace_imported, about=about
        )
        rows = rows_of(values, column, id_column=id_column)
        if self.is_remote:
            told: AnnotateReport = self.transport.tell(command, rows.to_reader())
            return told
        with extra("store"):
            from saelake.store.growth.annotate import annotate
            from saelake.store.lake.lake import Lake as StoredLake
        return annotate(
            StoredLake(self.uri),
            corpus,
            rows,
            about=about,
            known_only=known_only,
            replace_imported=replace_imported,
        )

    def texts(
        self,
        corpus: str,
        *,
        where: str | None = None,
        sample: int | None = None,
        seed: int = TextsQuery.seed,
    ) -> pa.RecordBatchReader:
        """The documents of a corpus that `where` keeps, encoded or not: doc, id, text, metadata.

        Or a `sample` of so many, drawn by a hash of the seed and the document's number: the same
        ones for the same seed. Batches come as they are read, by document number.
        """
        return self.transport.ask(TextsQuery(corpus=corpus, where=where, sample=sample, seed=seed))

    def export_texts(
        self,
        path: Path,
        corpus: str,
        *,
        where: str | None = None,
        sample: int | None = None,
        seed: int = TextsQuery.seed,
        on_progress: Callable[[int], object] | None = None,
    ) -> int:
        """Write `texts` to a Parquet file, which appears when it is whole; how many documents."""
        rows = self.texts(corpus, where=where, sample=sample, seed=seed)
        return write_codes(path, rows, on_progress)

    def drop_column(
        self, corpus: str, column: str, *, imported: bool = False
    ) -> "DropColumnReport":
        """Take a column out of a corpus, by one commit; earlier states keep it.

        One that came with documents only if `imported` says so: raises `Conflict` else.
        """
        self._changeable("drop a column")
        command = DropColumnCommand(corpus=corpus, column=column, imported=imported)
        report: DropColumnReport = self.transport.tell(command)
        return report
