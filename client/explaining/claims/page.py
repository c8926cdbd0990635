"""A report as one page of HTML that needs nothing else, in which no text of others is markup."""

from collections.abc import Iterator, Sequence
from html import escape

from saelake.explaining.claims.sections import ReportSection, WrittenReport
from saelake.store.format.visible import escaped

# No script is allowed, and nothing is loaded.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;display:block;overflow-x:auto}"
    "th,td{border-bottom:1px solid #888;padding:.3rem .6rem;text-align:left;vertical-align:top}"
    "blockquote{margin:.5rem 0;border-left:3px solid #888;padding-left:.8rem}"
    "@media(prefers-color-scheme:dark){body{background:#181818;color:#e8e8e8}}"
)


def as_html(report: WrittenReport) -> str:
    """The report as a page."""
    name = _text(report.title)
    body = "\n".join(line for section in report.sections() for line in _section(section))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{name}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _section(section: ReportSection) -> Iterator[str]:
    yield f"<section>\n<h2>{_text(section.title)}</h2>"
    yield from (f"<p>{_text(line)}</p>" for line in section.lines)
    if section.table:
        head, *rows = section.table
        yield f"<table>\n<thead>{_row('th', head)}</thead>\n<tbody>"
        yield from (_row("td", row) for row in rows)
        yield "</tbody>\n</table>"
    for quote in section.quotes:
        whose = f"{_text(quote.side)}, {_text(quote.id)}"
        yield f"<blockquote>{_text(quote.quote)}<br><cite>{whose}</cite></blockquote>"
    yield "</section>"


def _row(cell: str, values: Sequence[str]) -> str:
    cells = "".join(f"<{cell}>{_text(value)}</{cell}>" for value in values)
    return f"<tr>{cells}</tr>"


def _text(text: str) -> str:
    return escape(escaped(text))
