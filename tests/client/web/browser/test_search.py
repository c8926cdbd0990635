"""Searching in a browser: from tokens to a document and back, a typed text, and what is refused."""

from typing import Any
from urllib.parse import unquote

import pytest

import saelake
from tests.encoded import EncodedLake

PLACE = "/c/words/sae"


@pytest.fixture(scope="module")
def collection(encoded: EncodedLake) -> saelake.Collection:
    """What the pages are compared with."""
    return saelake.connect(encoded.lake.uri)["words/sae"]


def test_hits_are_those_of_the_collection_and_lead_to_documents_and_back(
    page: Any, collection: saelake.Collection
) -> None:
    feature = collection.features(k=1)[0].feature
    hits = collection.tokens(feature, 5)
    page.goto(f"{PLACE}/tokens?expression={feature}&k=5")
    links = page.locator(".hits .about > a")
    assert links.all_inner_texts() == [hit.id for hit in hits]
    links.first.click()
    page.wait_for_url(f"**/documents/{hits[0].id}?*")
    page.go_back()
    assert links.all_inner_texts() == [hit.id for hit in hits]


def test_a_moved_slider_steers_the_search_and_the_address_says_so(
    page: Any, collection: saelake.Collection
) -> None:
    a, b = (row.feature for row in collection.features(k=2))
    page.goto(f"{PLACE}/documents?features={a}:1,{b}:1")
    page.locator(f'input[data-feature="{b}"]').fill("-1")
    page.wait_for_url(lambda address: f"{b}:-1" in unquote(address))
    found = collection.similar(features={a: 1.0, b: -1.0})
    links = page.locator(".hits .about > a:first-child")
    assert links.all_inner_texts() == [row.id for row in found]
    page.reload()
    assert links.all_inner_texts() == [row.id for row in found]


def test_a_typed_text_is_shown_in_its_tokens(page: Any, collection: saelake.Collection) -> None:
    text = collection.document(doc=0).text
    page.goto(f"{PLACE}/encode")
    page.get_by_label("Text").fill(text)
    page.get_by_role("button", name="Encode").click()
    page.wait_for_selector(".token")
    assert page.locator(".token").count() == len(collection.encode(text))
