"""The part of a document that is judged, where the whole is too long."""

from dataclasses import dataclass

import numpy as np

from saelake.lake import Lake
from saelake.store.errors import InvalidInput, NotFound


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What is shown of a document: characters [start, start + len(text)) of it."""

    text: str
    start: int
    is_cut: bool

    @property
    def said(self) -> str:
        """What the prompt says of it."""
        if not self.is_cut:
            return ""
        where = "its beginning" if self.start == 0 else "a part from within it"
        return f"The document is longer than what is shown, which is {where}.\n"


@dataclass(frozen=True, slots=True)
class Excerpts:
    """How long documents are cut: to `characters`, from the beginning.

    With `around`, a collection and its features, around the token where one of these is strongest;
    from the beginning where none fires, or the document is not encoded. Raises `InvalidInput`.
    """

    characters: int = 8000
    around: tuple[str, tuple[str | int, ...]] | None = None

    def __post_init__(self) -> None:
        if not 100 <= self.characters <= 1_000_000:
            raise InvalidInput(
                f"A document is cut to 100 to 1,000,000 characters, not {self.characters:,}."
            )
        if self.around is not None and not self.around[1]:
            raise InvalidInput("Name features of the collection to cut documents around.")

    def of(self, lake: Lake, document_id: str, text: str) -> Excerpt:
        """What is shown of a document."""
        if len(text) <= self.characters:
            return Excerpt(text, 0, is_cut=False)
        middle = self._strongest(lake, document_id)
        start = max(min(middle - self.characters // 2, len(text) - self.characters), 0)
        return Excerpt(text[start : start + self.characters], start, is_cut=True)

    def _strongest(self, lake: Lake, document_id: str) -> int:
        """The character at which the features are strongest; 0 where none fires."""
        if self.around is None:
            return 0
        name, features = self.around
        try:
            row = lake[name].document(document_id, features=features).to_arrow()
        except NotFound as error:
            if "encoded" not in error.message:  # no such feature or collection
                raise
            return 0
        values = np.abs(row["values"][0].values.to_numpy())
        if not len(values):
            return 0
        position = row["positions"][0].values[int(values.argmax())].as_py()
        return int(row["token_starts"][0].values[position].as_py())
