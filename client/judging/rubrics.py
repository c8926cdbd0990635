"""A rubric in words: what is asked of each document, and how the answer is read."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from saelake.judging.excerpts import Excerpt
from saelake.judging.scales import VerdictScale
from saelake.language.fences import BROKEN, Fence
from saelake.language.prompts import Message, Prompt
from saelake.language.reading import Unreadable, by_schema
from saelake.language.replies import Reply
from saelake.language.shapes import TEXT, object_of
from saelake.store.errors import InvalidInput

LONGEST_QUESTION = 8000
MOST_ANSWER_TOKENS = 400
LONGEST_QUOTE = 2000  # characters
SYSTEM = (
    'You judge documents by one question. Answer with JSON alone: {{"verdict": …, "quote": …}}. '
    "The verdict is {verdicts}. The quote is one passage, of at most 200 characters, copied from "
    "the document letter by letter, that shows the verdict best; an empty text where none does. "
    "{rule}"
)
ASK = (
    "The question: {question}\n\n{document}\n{cut}\nJudge the document by the question: {question}"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a document was judged, and the quote where it is in what was shown, word for word.

    With `is_invented` the model gave one that is not.
    """

    value: bool | int | str
    quote: str | None
    is_invented: bool = False


@dataclass(frozen=True, slots=True)
class Rubric:
    """A question about each document, and what the verdict may be. Raises `InvalidInput`."""

    question: str
    scale: VerdictScale

    def __post_init__(self) -> None:
        if not self.question.strip() or len(self.question) > LONGEST_QUESTION:
            raise InvalidInput(f"A rubric has 1 to {LONGEST_QUESTION:,} characters.")

    def prompt(self, excerpt: Excerpt) -> Prompt:
        """What is asked of one document, whose text can say nothing outside of its place."""
        fence = Fence.around([excerpt.text])
        system = SYSTEM.format(verdicts=self.scale.asked, rule=fence.rule)
        asked = ASK.format(
            question=self.question.strip(),
            document=fence.put("document", excerpt.text),
            cut=excerpt.said,
        )
        return Prompt(
            messages=(
                Message(role="system", content=system),
                Message(role="user", content=asked),
            ),
            max_tokens=MOST_ANSWER_TOKENS,
            schema=object_of(verdict=self.scale.schema, quote=TEXT),
        )

    @property
    def hash(self) -> str:
        """What tells the prompts of this rubric from those of another, in 16 characters."""
        said = json.dumps([SYSTEM, ASK, MOST_ANSWER_TOKENS, self.question.strip(), self.scale.said])
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def reader(self, excerpts: "Shown") -> Callable[[Prompt, Reply], Verdict | Unreadable]:
        """What makes a verdict of a prompt and its reply; `excerpts` says what a prompt showed."""

        def read(prompt: Prompt, reply: Reply) -> Verdict | Unreadable:
            said = by_schema(prompt, reply)
            if isinstance(said, Unreadable):
                return said
            value = self.scale.value(said["verdict"])
            return _checked(value, said["quote"], excerpts(prompt))

        return read


Shown = Callable[[Prompt], str]


def _checked(value: bool | int | str, quote: str, shown: str) -> Verdict:
    """The verdict, with the quote if the document has it."""
    wanted = quote.strip()
    if not wanted:
        return Verdict(value, None)
    for each in (wanted, wanted.replace(BROKEN, "")):
        if each and len(each) <= LONGEST_QUOTE and each in shown:
            return Verdict(value, each)
    return Verdict(value, None, is_invented=True)
