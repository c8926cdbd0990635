"""Pieces of HTML, as a browser reads them."""

from html.parser import HTMLParser

# What an answer is made of: tables, marked texts, and drawn histograms.
USED = {"div", "table", "thead", "tbody", "tr", "th", "td"} | {
    "mark",
    "span",
    "svg",
    "rect",
    "title",
}


class Tags(HTMLParser):
    """Which tags a page has, with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data
