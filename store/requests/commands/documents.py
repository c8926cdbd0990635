"""Commands about documents."""

from dataclasses import dataclass

from saelake.store.errors import InvalidInput
from saelake.store.reports import DeleteReport, ImportReport, OnDuplicate
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.keys import check_key

FILE, ROW = "saelake:file", "saelake:row"  # columns that say where a row came from
LONGEST_SOURCE = 1000


@dataclass(frozen=True, kw_only=True)
class ImportCommand(Command, right="encode", report=ImportReport, has_rows=True):
    """Append documents to a corpus by one commit.

    The rows have the columns `id` and `text`, `saelake:file` and `saelake:row` (where each came
    from), and the metadata. `source` is what people call where they are from, and `generated_ids`
    says that ids are places in files. Of one `key` the rows are imported once: sent again, the
    report is that of the first time.
    """

    corpus: str
    source: str
    on_duplicate: OnDuplicate = "skip"
    generated_ids: bool = False
    key: str | None = None

    def check(self) -> None:
        """See `Command`."""
        check_key("key", self.key)
        if len(self.source) > LONGEST_SOURCE:
            raise InvalidInput(f"A source has a name of up to {LONGEST_SOURCE} characters.")

    @property
    def corpora(self) -> tuple[str, ...]:
        """See `Command`."""
        return (self.corpus,)


@dataclass(frozen=True, kw_only=True)
class DeleteCommand(Command, right="admin", report=DeleteReport, is_long=True):
    """Delete documents of a corpus, those that a predicate keeps or that have these ids.

    With `dry_run` they are only counted; nothing is deleted where there are not as many as one may
    `expect`.
    """

    corpus: str
    where: str | None = None
    ids: tuple[str, ...] = ()
    dry_run: bool = False
    expect: int | None = None

    @property
    def corpora(self) -> tuple[str, ...]:
        """See `Command`."""
        return (self.corpus,)
