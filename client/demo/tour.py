"""The demo's questions, each with its answer and the command that asks the same."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from saelake.collection import Collection
from saelake.results import Document, Features, Tokens
from saelake.store.requests import Order

K = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A question in words, the arguments of `saelake` that ask it, and what was answered."""

    question: str
    arguments: tuple[str, ...]
    answer: Features | Tokens | Document
    elapsed_s: float


def tour(collection: Collection) -> Iterator[Step]:
    """The questions in order; features are found by the words they fire on, not by number.

    What the features mean is not known beforehand: each question uses what the one before found.
    """
    ask = _Asker(collection)
    step, fast = ask.features("Which features fire on the word “fast”?", "fast")
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

    def _step(
        self,
        question: str,
        arguments: tuple[str, ...],
        answer: Features | Tokens | Document,
        begun: float,
    ) -> Step:
        elapsed_s = time.perf_counter() - begun
        return Step(question=question, arguments=arguments, answer=answer, elapsed_s=elapsed_s)
