"""The seam to models: what turns a text into codes or into a dense embedding."""

from collections.abc import Sequence
from typing import NoReturn, Protocol

import pyarrow as pa

from saelake.store.codes.embeddings import Block
from saelake.store.errors import MissingExtra
from saelake.store.format.lists import Array
from saelake.store.format.schema import CollectionSettings
from saelake.store.requests.checks import Pooling


class Texts(Protocol):
    """Reads texts with the models of a lake. `saelake.workers.texts.texts` does."""

    def codes(
        self,
        settings: CollectionSettings,
        model: str,
        dictionary: str,
        text: str,
        pooling: Pooling,
        /,
    ) -> Block:
        """The SAE embedding of a text, one row, as the collection's documents were encoded.

        `model` and `dictionary` say where these are. Raises `ModelError`, `DictionaryError`, and
        `DictionaryMismatch` when they are no longer those that the collection was made with.
        """

    def rows(
        self,
        settings: CollectionSettings,
        model: str,
        dictionary: str,
        texts: Sequence[str],
        /,
    ) -> pa.Table:
        """The codes of texts, by pole, as rows of the codes table; `doc` numbers the texts from 0.

        A text of over 65,535 tokens has several rows. Raises as `codes` does, and `ValueOverflow`.
        """

    def embed(self, model: str, texts: Sequence[str], /) -> Array:
        """Dense embeddings of length 1, float32 (n, d), pooled as the model's folder says."""


class NoTexts:
    """Stands where no models can be run."""

    def codes(self, *_: object) -> Block:
        """Raise `MissingExtra`."""
        self._refuse()

    def rows(self, *_: object) -> pa.Table:
        """Raise `MissingExtra`."""
        self._refuse()

    def embed(self, *_: object) -> Array:
        """Raise `MissingExtra`."""
        self._refuse()

    @staticmethod
    def _refuse() -> NoReturn:
        raise MissingExtra(
            "To read a text, this needs the model: pip install 'saelake[workers]' where the lake "
            "is. Or ask by document or features.",
            extra="workers",
        )
