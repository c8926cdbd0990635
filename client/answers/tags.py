"""States of a lake that have names."""

from collections.abc import Sequence

import pyarrow as pa

from saelake.answers.answer import Answer
from saelake.answers.view import View
from saelake.store.reports import Tag


class Tags(Answer[Tag]):
    """The tags of a lake, the oldest first."""

    called = "tags"

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Tag)

    def _view(self, rows: Sequence[Tag]) -> View:
        return View(
            header=("name", "created", "tables"),
            rows=[(tag.name, tag.created.isoformat(), tag.n_tables) for tag in rows],
        )
