"""The models that read texts of questions, loaded when the first one asks."""

import sys
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING

from saelake.store.errors import extra

if TYPE_CHECKING:
    import pyarrow as pa

    from saelake.store.codes.embeddings import Block
    from saelake.store.format.lists import Array
    from saelake.store.format.schema import CollectionSettings
    from saelake.store.requests.checks import Pooling
    from saelake.store.snapshot.models import Texts

JOB_PROGRAM = (sys.executable, "-m", "saelake.workers.served")  # that a server gives its jobs to


def model_texts() -> "Texts | None":
    """What reads texts with models, or None where these parts are not installed."""
    if find_spec("torch") is None or find_spec("transformers") is None:
        return None
    return LazyTexts()


class LazyTexts:
    """`saelake.workers.texts.texts.ModelTexts`, imported when a question has a text in it.

    In another process it loads its own models.
    """

    def __reduce__(self) -> "tuple[type[LazyTexts], tuple[()]]":
        return LazyTexts, ()

    @cached_property
    def _texts(self) -> "Texts":
        with extra("workers", "To read a text, this"):
            from saelake.workers.texts.texts import ModelTexts
        return ModelTexts()

    def codes(
        self,
        settings: "CollectionSettings",
        model: str,
        dictionary: str,
        text: str,
        pooling: "Pooling",
    ) -> "Block":
        """See `store.snapshot.models.Texts`."""
        return self._texts.codes(settings, model, dictionary, text, pooling)

    def rows(
        self, settings: "CollectionSettings", model: str, dictionary: str, texts: Sequence[str]
    ) -> "pa.Table":
        """See `store.snapshot.models.Texts`."""
        return self._texts.rows(settings, model, dictionary, texts)

    def embed(self, model: str, texts: Sequence[str]) -> "Array":
        """See `store.snapshot.models.Texts`."""
        return self._texts.embed(model, texts)
