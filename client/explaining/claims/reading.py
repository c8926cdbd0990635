"""Answers about texts as values: phrases and verdicts."""

from saelake.explaining.claims.quotes import found_quote
from saelake.explaining.claims.verdicts import ReadVerdict
from saelake.language.prompts import Prompt
from saelake.language.reading import Unreadable, by_schema
from saelake.language.replies import Reply
from saelake.store.requests.commands.labels import LONGEST_LABEL


def phrase_of(text: str, what: str) -> str | Unreadable:
    """What was said, in one line, or what is wrong with it."""
    said = " ".join(text.split())
    if not said:
        return Unreadable(reason=f"the {what} is empty")
    if len(said) > LONGEST_LABEL:
        return Unreadable(reason=f"the {what} has {len(said):,} characters")
    return said


class VerdictReader:
    """Reads verdicts, each with the text that its prompt is about."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def about(self, prompt: Prompt, text: str) -> Prompt:
        """The prompt, whose answer is about this text."""
        self._texts[prompt.hash] = text
        return prompt

    def __call__(self, prompt: Prompt, reply: Reply) -> ReadVerdict | Unreadable:
        """The verdict: one that holds has a quote, which stands in the text."""
        found = by_schema(prompt, reply)
        if isinstance(found, Unreadable):
            return found
        if not found["holds"]:
            return ReadVerdict(holds=False)
        quote = found_quote(found["quote"], self._texts[prompt.hash])
        if quote is None:
            return Unreadable(reason="the quote does not stand in the text word for word")
        return ReadVerdict(holds=True, quote=quote)
