"""Beside the field of a filter stand the values of columns, with counts, to choose from."""

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from saelake.collection import Collection
from tests.client.web.calling import Answered, call
from tests.client.web.pages.columns import NASTY, looked_at

PLACE = "/c/made/random"
PART: Mapping[str, str] = {"hx-request": "true"}
WHOLE: Mapping[str, str] = {}
PAGES = {
    "compare": ("/compare", "a"),
    "documents": ("/documents", "where"),
    "tokens": ("/tokens?expression=3", "where"),
    "feature": ("/features/3", "where"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Collection]]:
    """The address of a page, and the collection: with columns of several kinds."""
    with looked_at(tmp_path_factory.mktemp("values"), third="c\nd") as found:
        yield found


def asked(url: str, headers: Mapping[str, str] = PART, **fields: object) -> Answered:
    return call(url, f"{PLACE}/values?{urlencode(fields)}", **headers)


def rows(source: str) -> list[tuple[str, int, str]]:
    """Of each row its name, how many documents it says, and the filter or the address it has."""
    found = []
    for row in re.findall(r"<li>\s*<span class=\"name.*?</li>", source, re.DOTALL):
        name, n, _ = re.findall(r'<span class="(?:name|number)[^>]*>(.*?)</span>', row, re.DOTALL)
        leads = re.search(r'(?:data-filter|href)="([^"]*)"', name)
        text = html.unescape(re.sub("<[^>]*>", "", name))
        found.append((text, int(n), html.unescape(leads[1]) if leads else ""))
    return found


@pytest.mark.parametrize("by", ["kind", "year", "name", 'meta."at all"', "label"])
@pytest.mark.parametrize("given", ["", "length > 12"])
def test_rows_are_those_that_python_counts(
    made: tuple[str, Collection], by: str, given: str
) -> None:
    url, collection = made
    expected = collection.values(by, k=30, where=given or None)
    answered = asked(url, by=by, where=given)
    assert answered.status == 200
    assert "<html" not in answered.text
    assert [n for _, n, _ in rows(answered.text)] == [row.n_documents for row in expected]
    assert expected.head in html.unescape(answered.text)


@pytest.mark.parametrize("given", ["", "length > 12", "year < 1950 OR length > 20"])
def test_a_filter_that_is_chosen_keeps_what_is_counted(
    made: tuple[str, Collection], given: str
) -> None:
    url, collection = made
    found = rows(asked(url, by="year", field="a", a=given).text)
    assert len(found) >= 8
    for _, n, where in found:
        assert collection.values("label", where=where).n == n


def test_what_values_say_is_text_and_what_no_field_holds_is_not_offered(
    made: tuple[str, Collection],
) -> None:
    source = asked(made[0], by="kind").text
    assert "<b>it" not in source
    assert [leads for name, _, leads in rows(source) if name == "c d"] == [""]
    offered = [leads for *_, leads in rows(source) if "it''s" in leads]
    assert offered == ["kind = '{}'".format(NASTY.replace("'", "''"))]


def test_columns_are_offered_that_documents_can_be_counted_by(
    made: tuple[str, Collection],
) -> None:
    for headers in (PART, WHOLE):
        source = asked(made[0], headers, by="year").text
        offered = re.findall(r"<option( selected)?>([^<]*)</option>", source)
        names = [html.unescape(name) for _, name in offered]
        assert names == ["label", "length", "kind", "year", 'meta."at all"', "name"]
        assert [html.unescape(name) for chosen, name in offered if chosen] == ["year"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"by": "none"}, "no metadata column"),
        ({"by": "tags"}, "list"),
        ({"by": "year", "where": "1 ="}, ""),
        ({"field": "b", "other": "none"}, "write corpus/dictionary"),
        ({"field": "b", "other": "made/none"}, "made/none"),
    ],
)
def test_what_cannot_be_counted_is_told(
    made: tuple[str, Collection], fields: dict[str, str], said: str
) -> None:
    url, _ = made
    whole = asked(url, WHOLE, **fields)
    assert whole.status in (400, 404)
    for answered in (whole, asked(url, PART, **fields)):
        assert answered.text.count('role="alert"') == 1
        assert said in html.unescape(answered.text)
    assert asked(url, PART, **fields).status == 200


def test_b_may_be_of_another_collection(made: tuple[str, Collection]) -> None:
    named = {"by": "label", "other": "made/none"}
    assert 'role="alert"' not in asked(made[0], PART, field="a", **named).text
    assert rows(asked(made[0], field="b", by="label", other="made/random").text)


@pytest.mark.parametrize(
    "back",
    [
        "",
        "https://example.org/",
        "//example.org/c/made/random/x",
        "/c/made/other/x",
        "javascript:1",
    ],
)
def test_links_lead_to_pages_of_this_collection_alone(
    made: tuple[str, Collection], back: str
) -> None:
    for field, page in (("where", "documents"), ("b", "compare")):
        found = rows(asked(made[0], WHOLE, by="label", field=field, back=back).text)
        assert {urlsplit(leads)[:3] for *_, leads in found} == {("", "", f"{PLACE}/{page}")}


def is_failure(said: Any) -> bool:
    """Whether something failed: of a request that htmx ended itself it says so too."""
    ended = ("htmx:sendAbort", "htmx:afterRequest")
    return bool(said.type == "error") and not said.text.startswith(ended)


@pytest.fixture(params=[1440, 390])
def browsed(
    request: pytest.FixtureRequest, chromium: Any, made: tuple[str, Collection]
) -> Iterator[Any]:
    """A page of a browser; fails on an error of a script."""
    size = {"width": request.param, "height": 800}
    context = chromium.new_context(base_url=made[0], viewport=size)
    context.set_default_timeout(15_000)
    page, failed = context.new_page(), []
    page.route("**/near", lambda route: route.fulfill(body=""))  # the lake has no decoder
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("console", lambda said: failed.append(said.text) if is_failure(said) else None)
    yield page
    context.close()
    assert not failed


@pytest.mark.parametrize("name", PAGES)
def test_a_value_is_chosen_and_another_is_joined(
    browsed: Any, made: tuple[str, Collection], name: str
) -> None:
    page, (path, field) = browsed, PAGES[name]
    page.goto(PLACE + path)
    said = page.locator(f"#in-{field}")
    chooser = page.locator(f"[data-chooser=in-{field}]")
    chooser.locator("summary").click()
    chooser.locator(".counts button >> text=pos").click()
    assert said.input_value() == "label = 'pos'"
    assert page.evaluate("document.activeElement.id") == f"in-{field}"
    assert chooser.get_attribute("open") is None
    page.keyboard.press("Tab")  # by the keyboard alone
    page.keyboard.press("Enter")
    with page.expect_response(re.compile("by=kind")):
        chooser.locator("select").select_option("kind")
    row = chooser.locator(".counts li", has_text=re.compile(r"^\s*a\b"))
    row.wait_for()
    counted = made[1].values("kind", where="label = 'pos'")
    expected = next(each.n_documents for each in counted if each.value == "a")
    assert row.locator(".number").first.inner_text() == str(expected)
    is_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(is_wide)
    row.locator("button").focus()
    page.keyboard.press("Enter")
    assert said.input_value() == "label = 'pos' AND kind = 'a'"
    page.locator("form.asks button:not([data-filter])").first.click()
    page.wait_for_url(re.compile("AND"))
    assert set(parse_qs(urlsplit(page.url).query)) & {"by"} == set()  # what chooses is not asked


def test_it_is_closed_by_a_key_and_elsewhere_and_follows_the_field(browsed: Any) -> None:
    page = browsed
    page.goto(f"{PLACE}/documents")
    chooser = page.locator("[data-chooser]")
    summary = chooser.locator("summary")
    summary.click()
    chooser.locator(".counts li").first.wait_for()
    page.keyboard.press("Escape")
    assert chooser.get_attribute("open") is None
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    summary.click()
    with page.expect_response(re.compile("where=length")):
        page.locator("#in-where").fill("length > 12")
        page.locator("#in-where").blur()
    chooser.locator("text=Where the field's filter holds").wait_for()
    page.locator("h1").click()
    assert chooser.get_attribute("open") is None


@pytest.mark.parametrize("name", PAGES)
def test_it_works_without_scripts(chromium: Any, made: tuple[str, Collection], name: str) -> None:
    path, field = PAGES[name]
    context = chromium.new_context(base_url=made[0], java_script_enabled=False)
    page = context.new_page()
    page.goto(PLACE + path)
    before = parse_qs(urlsplit(page.url).query)
    for by, value in (("label", "pos"), ("kind", "a")):
        chooser = page.locator(f"[data-chooser=in-{field}]")
        chooser.locator("summary").click()
        chooser.locator("a").click()
        page.select_option("select[name=by]", label=by)
        page.click("form.asks button")
        page.locator(".counts a", has_text=re.compile(f"^{value}$")).click()
    assert page.locator(f"#in-{field}").input_value() == "label = 'pos' AND kind = 'a'"
    assert urlsplit(page.url).path == urlsplit(PLACE + path).path
    said = parse_qs(urlsplit(page.url).query)
    assert said == {**before, field: ["label = 'pos' AND kind = 'a'"]}
    context.close()
