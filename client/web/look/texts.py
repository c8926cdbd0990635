"""Text of documents as a page shows it: whatever it holds, it stays where it is and is seen."""

from markupsafe import Markup, escape

from saelake.answers.text import HIDDEN


def plain(text: str) -> str:
    """The text on one line, in which hidden characters are named: for titles and attributes."""
    return HIDDEN.sub(lambda found: f"⟨{ord(found[0]):04X}⟩", " ".join(text.split()))


def marks(text: str) -> Markup:
    """The text as it is, white space too, in which hidden characters are drawn as marks."""
    shown, at = [], 0
    for found in HIDDEN.finditer(text):
        shown.append(escape(text[at : found.start()]))
        shown.append(Markup('<span class="hidden-character">{:04X}</span>').format(ord(found[0])))
        at = found.end()
    shown.append(escape(text[at:]))
    return Markup("").join(shown)
