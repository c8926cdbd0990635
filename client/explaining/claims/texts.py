"""The beginnings of documents as texts: what is shown of them, and what a judge reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from saelake.answers.windows import FeatureWindow
from saelake.collection import Collection, FeatureName
from saelake.explaining.claims.verdicts import DrawnDocument, SideName
from saelake.explaining.quoting import marked, quoted_tokens

AT_ONCE = 256  # documents of a question
STRONG = 0.3  # of the largest strength: tokens that are marked, as in delphi
BEFORE = 0.75  # of an excerpt, before its peak


@dataclass(frozen=True, slots=True, kw_only=True)
class SideText:
    """The first tokens of a document of a side, and how strongly a feature fires at each.

    `tokens` joined are the text. `is_cut`: the document goes on.
    """

    doc: int
    id: str
    side: SideName
    unit: str | None
    tokens: tuple[str, ...]
    strengths: tuple[float, ...]
    is_cut: bool

    @property
    def text(self) -> str:
        """The text."""
        return "".join(self.tokens)

    @property
    def peak(self) -> int:
        """Where it fires most."""
        return max(range(len(self.strengths)), key=self.strengths.__getitem__)

    @property
    def fires(self) -> bool:
        """Whether the feature fires in these tokens."""
        return max(self.strengths) > 0

    def begin(self, n: int) -> int:
        """Where an excerpt of `n` tokens begins that holds the peak."""
        return min(max(self.peak - int(n * BEFORE), 0), max(len(self.tokens) - n, 0))

    def beginning(self, n: int) -> str:
        """The first `n` tokens, of which none is marked."""
        return "".join(quoted_tokens(self.tokens[:n]))

    def excerpt(self, begin: int, n: int) -> str:
        """`n` tokens, those in << >> at which the feature fires strongly."""
        begin = min(begin, max(len(self.tokens) - n, 0))
        tokens = quoted_tokens(self.tokens[begin : begin + n])
        least = STRONG * max(self.strengths)
        is_strong = [s > 0 and s >= least for s in self.strengths[begin : begin + n]]
        return marked(tokens, is_strong)


class SideTexts:
    """Reads texts of the two sides, `n_tokens` of each at most."""

    def __init__(self, a: Collection, b: Collection, n_tokens: int) -> None:
        self._collections = {"A": a, "B": b}
        self._n_tokens = n_tokens

    def read(
        self, documents: Sequence[DrawnDocument], feature: FeatureName = 0
    ) -> tuple[SideText, ...]:
        """The texts of documents in their order, but for those without tokens."""
        found = {
            (text.side, text.doc): text
            for side in ("A", "B")
            for text in self._of_side([d for d in documents if d.side == side], feature)
        }
        keys = [(drawn.side, drawn.doc) for drawn in documents]
        return tuple(found[key] for key in keys if key in found)

    def _of_side(
        self, documents: Sequence[DrawnDocument], feature: FeatureName
    ) -> Iterator[SideText]:
        for begin in range(0, len(documents), AT_ONCE):
            part = documents[begin : begin + AT_ONCE]
            rows = self._collections[part[0].side].windows(
                feature, [drawn.doc for drawn in part], [0] * len(part), n_tokens=self._n_tokens + 1
            )
            for row in rows:
                if row.values:
                    yield _text(row, part[row.place], self._n_tokens)


def _text(row: FeatureWindow, drawn: DrawnDocument, n: int) -> SideText:
    return SideText(
        doc=row.doc,
        id=row.id,
        side=drawn.side,
        unit=drawn.unit,
        tokens=row.pieces[:n],
        strengths=tuple(abs(value) for value in row.values[:n]),
        is_cut=len(row.values) > n,
    )
