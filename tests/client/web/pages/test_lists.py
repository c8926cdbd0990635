"""Lists of features are addresses, and stars are a list that the browser keeps."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import saelake
from saelake.store.errors import InvalidInput
from saelake.web.pages.lists import MOST, ListItem, items_in
from tests.encoded import EncodedLake

PLACE = "/c/words/sae"


@pytest.fixture(scope="module")
def features(encoded: EncodedLake) -> list[int]:
    """Features that fire."""
    collection = saelake.connect(encoded.lake.uri)["words/sae"]
    return [row.feature for row in collection.features(k=3)]


def test_a_line_is_a_feature_and_a_note() -> None:
    found = items_in("12 about sorting\n\n -34\n12 once more\n")
    assert found == [ListItem(feature="12", note="about sorting"), ListItem(feature="-34", note="")]
    assert items_in(" \n") == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("twelve", "twelve"),
        (f"1 {'x' * 301}", "301 characters, and 300 is the most"),
        ("\n".join(map(str, range(MOST + 1))), "at most 200 features"),
    ],
)
def test_what_is_no_list_is_told(text: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        items_in(text)


def test_a_list_is_shown_in_its_order_with_its_notes(page: Any, features: list[int]) -> None:
    a, b, c = features
    page.goto(f"{PLACE}/list")
    page.get_by_label("Called").fill("Of <b>interest</b>")
    page.get_by_label("Features, one a line").fill(f"{c} the last\n{a}\n{b} <i>")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**items=*")
    assert page.locator("h1").inner_text() == "Of <b>interest</b>"
    assert page.locator("tbody td:nth-child(1)").all_inner_texts() == [str(c), str(a), str(b)]
    assert page.locator("tbody td:nth-child(2)").all_inner_texts() == ["the last", "", "<i>"]
    link = page.get_by_role("link", name="Where any of them fires").get_attribute("href")
    assert parse_qs(urlsplit(link).query)["expression"] == [f"{c} | {a} | {b}"]


def test_stars_are_kept_by_the_browser_until_they_are_taken_away(
    page: Any, features: list[int]
) -> None:
    for feature in features[:2]:
        page.goto(f"{PLACE}/features/{feature}")
        page.get_by_role("button", name="Star").click()
    page.get_by_role("link", name="List", exact=True).click()
    page.wait_for_url("**items=*")
    starred = page.locator("tbody td:nth-child(1)")
    assert starred.all_inner_texts() == [str(feature) for feature in features[:2]]
    page.goto(f"{PLACE}/features/{features[0]}")
    page.get_by_role("button", name="Starred", pressed=True).click()
    page.goto(f"{PLACE}/list")
    page.wait_for_url("**items=*")
    assert starred.all_inner_texts() == [str(features[1])]
    page.goto(f"{PLACE}/list?items={features[2]}")
    page.get_by_role("button", name="Make it my stars").click()
    page.goto(f"{PLACE}/list")
    page.wait_for_url(f"**items={features[2]}")
