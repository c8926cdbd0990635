"""Commands about columns of documents that come after the import."""

from dataclasses import dataclass

from saelake.store.errors import InvalidInput
from saelake.store.format.schema import check_name
from saelake.store.reports import AnnotateReport, DropColumnReport
from saelake.store.requests.commands.command import Command

KEYS = ("id", "doc")  # columns that say of which document a row is
MOST_COLUMNS = 16  # that come by one command
LONGEST_VALUE = 32_768  # characters of a text
LONGEST_ABOUT = 16_384


@dataclass(frozen=True, kw_only=True)
class AnnotateCommand(Command, right="encode", report=AnnotateReport, has_rows=True):
    """Set values in columns of a corpus, for some of its documents, by one commit.

    The rows have `id` (text) or `doc` (whole number, unsigned), which name the documents, and one
    column or more of truths, numbers or texts, null where nothing is known. A column that is not
    there comes with them. Other documents keep what they have. Rows of no document are refused, or
    left out where `known_only`. A column that came with documents is only changed where
    `replace_imported`. `about` is what to say of the columns in `info`; None leaves what was said.
    """

    corpus: str
    known_only: bool = False
    replace_imported: bool = False
    about: str | None = None

    def check(self) -> None:
        """See `Command`."""
        check_name("corpus", self.corpus)
        if len(self.about or "") > LONGEST_ABOUT:
            raise InvalidInput(f"What is said of a column has up to {LONGEST_ABOUT:,} characters.")

    @property
    def corpora(self) -> tuple[str, ...]:
        """See `Command`."""
        return (self.corpus,)


@dataclass(frozen=True, kw_only=True)
class DropColumnCommand(Command, right="admin", report=DropColumnReport):
    """Take a column out of a corpus; earlier states keep it. One that came with documents only
    where `imported` says so. Where there is none, nothing is done.
    """

    corpus: str
    column: str
    imported: bool = False

    def check(self) -> None:
        """See `Command`."""
        check_name("corpus", self.corpus)

    @property
    def corpora(self) -> tuple[str, ...]:
        """See `Command`."""
        return (self.corpus,)
