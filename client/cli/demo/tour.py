"""The demo's questions, each with its answer and the command that asks the same."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from saelake.answers.differences import Diff
from saelake.answers.features import Features
from saelake.answers.found import FoundDocuments
from saelake.answers.lookups import Document, Tokens
from saelake.collection import Collection
from saelake.store.requests.tokens import Order

K = 5
WORD = "fast"

Answer: TypeAlias = Features | Tokens | Document | FoundDocuments | Diff


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A question in words, the arguments of `saelake` that ask it, and what was answered."""

    question: str
    arguments: tuple[str, ...]
    answer: Answer
    elapsed_s: float


def tour(collection: Collection) -> Iterator[Step]:
    """The questions in order; features are found by the words they fire on, not by number.

    What the features mean is not known beforehand: each question uses what the one before found.
    """
    ask = _Asker(collection)
    step, fast = ask.features(f"Which features fire on the word “{WORD}”?", WORD)
    yield step
    yield ask.tokens(f"Feature {fast} comes first. Where does it fire most strongly?", str(fast))
    yield ask.tokens("And in the installed packages only?", str(fast), where="origin = 'installed'")
    yield ask.tokens(
        "Is that all it fires on? Hits spread from its strongest value to its weakest:",
        str(fast),
        order="quantiles",
    )
    step, memory = ask.features("Which features fire on “memory”?", "memory")
    yield step
    yield ask.tokens(
        "Where do speed and memory meet, within 12 tokens of each other?",
        f"{fast} & {memory}",
        scope="window:12",
    )
    strongest = collection.tokens(f"{fast} & {memory}", k=1, scope="window:12")[0].id
    yield ask.document("What else fires in the first of these documents?", strongest)
    yield ask.similar("Which docstrings are like it, in all that they fire?", strongest)
    yield ask.diff(
        "How do installed packages write, next to the standard library?",
        "origin = 'installed'",
        "origin = 'standard library'",
    )


def first_feature(collection: Collection) -> int:
    """The feature that the tour begins with."""
    return collection.features(token=WORD, k=1)[0].feature


class _Asker:
    """Asks one collection, and keeps the time."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    def features(self, question: str, token: str) -> tuple[Step, int]:
        """The step, and the number of the feature that comes first."""
        begun = time.perf_counter()
        answer = self._collection.features(token=token, k=3)
        arguments = ("features", self._collection.name, "--token", token, "-k", "3")
        return self._step(question, arguments, answer, begun), answer[0].feature

    def tokens(
        self,
        question: str,
        expression: str,
        *,
        where: str | None = None,
        scope: str = "token",
        order: Order = "top",
    ) -> Step:
        begun = time.perf_counter()
        answer = self._collection.tokens(expression, k=K, where=where, scope=scope, order=order)
        arguments = ["tokens", self._collection.name, expression, "-k", str(K)]
        arguments += ["--where", where] if where else []
        arguments += ["--scope", scope] if scope != "token" else []
        arguments += ["--order", order] if order != "top" else []
        return self._step(question, tuple(arguments), answer, begun)

    def document(self, question: str, document_id: str) -> Step:
        begun = time.perf_counter()
        answer = self._collection.document(document_id)
        return self._step(question, ("document", self._collection.name, document_id), answer, begun)

    def similar(self, question: str, document_id: str) -> Step:
        begun = time.perf_counter()
        answer = self._collection.similar(id=document_id, k=3, idf=True)
        arguments = ("similar", self._collection.name, "--id", document_id, "-k", "3", "--idf")
        return self._step(question, arguments, answer, begun)

    def diff(self, question: str, one: str, other: str) -> Step:
        begun = time.perf_counter()
        name = self._collection.name
        answer = self._collection.where(one).diff(self._collection.where(other), k=K)
        arguments = ("diff", f"{name} where {one}", f"{name} where {other}", "-k", str(K))
        return self._step(question, arguments, answer, begun)

    def _step(
        self,
        question: str,
        arguments: tuple[str, ...],
        answer: Answer,
        begun: float,
    ) -> Step:
        elapsed_s = time.perf_counter() - begun
        return Step(question=question, arguments=arguments, answer=answer, elapsed_s=elapsed_s)
