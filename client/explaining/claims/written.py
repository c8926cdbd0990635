"""A report as a file: Markdown, HTML or JSON, which is there when it is whole."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from saelake.answers.plain import as_json
from saelake.explaining.claims.page import as_html
from saelake.explaining.claims.sections import ReportSection, WrittenReport
from saelake.exports import whole
from saelake.store.errors import InvalidInput
from saelake.store.format.visible import HIDDEN

# What Markdown would read, also as HTML: a text of others is shown, and commands nothing.
MEANT = re.compile(r"([\\`*_{}\[\]()#+!|~>&<$^:=-])")


def as_markdown(report: WrittenReport) -> str:
    """The report as Markdown, in which no text of others means anything."""
    parts = [f"# {_plain(report.title)}"]
    for section in report.sections():
        parts += _section(section)
    return "\n\n".join(parts) + "\n"


def _section(section: ReportSection) -> Iterator[str]:
    yield f"## {_plain(section.title)}"
    yield from map(_plain, section.lines)
    if section.table:
        head, *rows = (f"| {' | '.join(map(_plain, row))} |" for row in section.table)
        yield "\n".join([head, f"|{' --- |' * len(section.table[0])}", *rows])
    if section.quotes:
        yield "\n".join(f"- {q.side}, {_plain(q.id)}: “{_plain(q.quote)}”" for q in section.quotes)


def _plain(text: str) -> str:
    """A text in one line, with what Markdown would read escaped."""
    line = HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", " ".join(text.split()))
    return MEANT.sub(r"\\\1", line)


def _as_document(report: WrittenReport) -> str:
    return as_json(report.to_plain()) + "\n"


FORMS: Mapping[str, Callable[[WrittenReport], str]] = {
    ".md": as_markdown,
    ".html": as_html,
    ".json": _as_document,
}


def write_report(report: WrittenReport, path: Path) -> None:
    """Write a report in the form that its file's name says. Raises `InvalidInput`."""
    form = FORMS[check_form(path)]
    try:
        with whole(path) as partial:
            partial.write_text(form(report), encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"Cannot write the report to {path}: {error.strerror}.") from error


def check_form(path: Path) -> str:
    """The form that a file's name says. Raises `InvalidInput`, before anything is asked."""
    if path.suffix not in FORMS:
        raise InvalidInput(f"A report is a file of {', '.join(FORMS)}: not {path}.")
    return path.suffix
