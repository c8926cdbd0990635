"""Where a feature fires, as it was found: one place of a document, the strongest first."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from sys import intern

import pyarrow as pa

from saelake.explaining.choosing import TokenPlace
from saelake.explaining.windows import Origin
from saelake.store.format.sampling import HELD_BACK


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureHits:
    """Places of a feature, as lists of one length.

    `words` are the tokens there, without the space around them, in small letters.
    """

    feature: str
    docs: Sequence[int]
    positions: Sequence[int]
    is_held_back: Sequence[bool]
    words: Sequence[str]

    @classmethod
    def of(cls, feature: str, hits: pa.Table) -> "FeatureHits":
        """Those of an answer to `tokens`."""
        docs = hits["doc"].to_pylist()
        return cls(
            feature=feature,
            docs=docs,
            positions=hits["position"].to_pylist(),
            is_held_back=HELD_BACK.has_documents(docs).tolist(),
            words=[intern(word_of(token)) for token in hits["token"].to_pylist()],
        )

    def __len__(self) -> int:
        return len(self.docs)

    def place(self, at: int, origin: Origin, interval: int | None = None) -> TokenPlace:
        """A place of them. Where the feature is another, it stands beside."""
        fires = origin in ("strongest", "interval")
        return TokenPlace(
            doc=self.docs[at],
            position=self.positions[at],
            is_held_back=self.is_held_back[at],
            origin=origin,
            interval=interval,
            beside=None if fires else self.feature,
        )

    def firing(self, n_intervals: int) -> list[TokenPlace]:
        """All of them, each in its part of the order."""
        n = len(self)
        return [self.place(at, "interval", at * n_intervals // n) for at in range(n)]

    def others(
        self, origin: Origin, used: Container[int], word: str | None = None
    ) -> Iterator[TokenPlace]:
        """The places as counterexamples, or those at a word; without documents that are used."""
        for at, doc in enumerate(self.docs):
            if doc not in used and (word is None or self.words[at] == word):
                yield self.place(at, origin)


def word_of(token: str) -> str:
    """A token without the space around it, in small letters."""
    return token.strip().lower()
