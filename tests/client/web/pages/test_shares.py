"""A feature's page shows in which share of the documents of each value it fires."""

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from saelake.collection import Collection
from tests.client.web.calling import Answered, call
from tests.client.web.pages.columns import looked_at

PATH = "/c/made/random/features/3"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Collection]]:
    """The address of a page, and the collection: with columns of several kinds."""
    with looked_at(tmp_path_factory.mktemp("shares"), third="c") as found:
        yield found


def asked(
    url: str, path: str = "", headers: Mapping[str, str] | None = None, **fields: object
) -> Answered:
    return call(url, f"{PATH}{path}?{urlencode(fields)}", **(headers or {}))


def bars(source: str) -> list[tuple[str, str, str, str]]:
    """Of each row its name, share and number of documents, and the address that it leads to."""
    rows = re.findall(r"<li title=\"[^\"]*documents;.*?</li>", source, re.DOTALL)
    found = []
    for row in rows:
        name = re.search(r'<span class="name[^>]*>(.*?)</span>', row, re.DOTALL)
        assert name is not None
        link = re.search(r'href="([^"]+)"', name[1])
        share, n = re.findall(r'<span class="number[^>]*>([^<]*)</span>', row)
        text = html.unescape(re.sub("<[^>]*>", "", name[1]))
        found.append((text, share, n, html.unescape(link[1]) if link else ""))
    return found


@pytest.mark.parametrize("by", ["kind", "year", "name", 'meta."at all"', "label"])
def test_rows_are_those_that_python_counts(made: tuple[str, Collection], by: str) -> None:
    url, collection = made
    answered = asked(url, by=by, where="length > 12")
    assert answered.status == 200
    found = bars(answered.text)
    expected = collection.shares(3, by=by, k=15, where="length > 12")
    said = [(f"{row.share:.2%}", f"of {row.n_documents:,}") for row in expected]
    assert [(share, n) for _, share, n, _ in found] == said
    assert f"{expected.share:.2%} (dashed)" in answered.text
    assert answered.text.count('class="interval"') == len(expected)


def test_a_row_leads_to_its_documents(made: tuple[str, Collection]) -> None:
    url, collection = made
    for given in ({}, {"where": "year < 1980 OR length > 20"}):
        expected = collection.shares(3, by="kind", **given)  # type: ignore[arg-type]
        found = bars(asked(url, "", None, by="kind", **given).text)
        for (*_, address), row in zip(found, expected, strict=True):
            where = parse_qs(urlsplit(address).query)["where"][0]
            kept = collection.shares(3, by="label", where=where)
            assert (kept.n, kept.n_firing) == (row.n_documents, row.n_firing)
            assert urlsplit(address).path == PATH
    others = bars(asked(url, by="name").text)[-1]
    assert (others[0], others[3]) == ("others (25 values)", "")


def test_what_values_say_is_text(made: tuple[str, Collection]) -> None:
    source = asked(made[0], by="kind").text
    assert "<b>it" not in source
    assert "\u202e" not in source
    assert "&lt;b&gt;it&#39;s" in source


def test_columns_are_offered_that_documents_can_be_counted_by(
    made: tuple[str, Collection],
) -> None:
    url, _ = made
    source = asked(url, by="year").text
    offered = re.findall(r"<option( selected)?>([^<]*)</option>", source)
    names = [html.unescape(name) for _, name in offered]
    assert names == ["label", "length", "kind", "year", 'meta."at all"', "name"]
    assert [html.unescape(name) for chosen, name in offered if chosen] == ["year"]


def test_a_part_of_the_page_is_the_same(made: tuple[str, Collection]) -> None:
    url, _ = made
    whole, part = asked(url, by="year"), asked(url, "/shares", by="year")
    assert bars(part.text) == bars(whole.text) != []
    assert "<html" not in part.text
    chosen = {"hx-request": "true", "hx-trigger": "share-by"}
    address = asked(url, "/shares", chosen, by="year", where="length > 9").headers["hx-replace-url"]
    assert address == f"{PATH}?by=year&where=length+%3E+9"
    assert "hx-replace-url" not in asked(url, "/shares", {"hx-request": "true"}, by="year").headers


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"by": "none"}, "no metadata column"),
        ({"by": "tags"}, "list"),
        ({"by": "y", "where": "1 ="}, ""),
    ],
)
def test_what_cannot_be_counted_is_told(
    made: tuple[str, Collection], fields: dict[str, str], said: str
) -> None:
    url, _ = made
    for path in ("", "/shares"):
        answered = asked(url, path, None, **fields)
        assert answered.status == 400
        assert answered.text.count('role="alert"') == 1
        assert said in answered.text
    assert asked(url, "/shares", {"hx-request": "true"}, **fields).status == 200


def test_a_filter_that_keeps_nothing_has_no_rows(made: tuple[str, Collection]) -> None:
    answered = asked(made[0], by="year", where="year > 3000")
    assert answered.status == 200
    assert "There are no documents" in answered.text


@pytest.fixture
def browsed(chromium: Any, made: tuple[str, Collection]) -> Iterator[Any]:
    """A page of a browser; fails on an error of a script."""
    context = chromium.new_context(base_url=made[0], viewport={"width": 390, "height": 800})
    context.set_default_timeout(15_000)
    page, failed = context.new_page(), []
    page.route("**/near", lambda route: route.fulfill(body=""))  # the lake has no decoder
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("console", lambda said: failed.append(said.text) if said.type == "error" else None)
    yield page
    context.close()
    assert not failed


def test_a_column_is_chosen_and_the_address_says_it(browsed: Any) -> None:
    page = browsed
    page.goto(PATH)
    page.wait_for_selector(".shares li")
    assert page.locator(".shares li").count() == 2  # of the first column, the label
    page.select_option("#share-by select", label="kind")
    page.wait_for_url(re.compile("by=kind"))
    page.wait_for_selector(".shares li >> text=no value")
    rows = page.locator(".shares li").all_inner_texts()
    page.reload()
    assert page.locator(".shares li").all_inner_texts() == rows
    assert page.locator("#share-by select").input_value() == "kind"
    is_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(is_wide)


def test_it_works_without_scripts(chromium: Any, made: tuple[str, Collection]) -> None:
    context = chromium.new_context(base_url=made[0], java_script_enabled=False)
    page = context.new_page()
    page.goto(PATH)
    page.select_option("#share-by select", label="year")
    page.click("#share-by button")
    assert parse_qs(urlsplit(page.url).query)["by"] == ["year"]
    assert page.locator(".shares li").count() >= 8
    page.click(".shares li a >> nth=0")
    assert "year" in parse_qs(urlsplit(page.url).query)["where"][0]
    context.close()
