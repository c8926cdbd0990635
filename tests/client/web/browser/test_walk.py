"""One way through the pages, as somebody takes it who wants to know what is in a corpus."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import saelake
from tests.client.web.lassoing import lasso_left_half
from tests.encoded import EncodedLake

PLACE = "/c/words/sae"


@pytest.fixture(scope="module")
def collection(encoded: EncodedLake) -> saelake.Collection:
    """The collection, of whose documents there is a map."""
    lake = saelake.connect(encoded.lake.uri)
    lake.project("words/sae")
    return lake["words/sae"]


def test_from_a_search_to_a_lasso_and_all_the_way_back(
    page: Any, collection: saelake.Collection
) -> None:
    known = collection.features(k=1)[0]
    token = known.top_tokens[0].token
    seen = [page.url]

    def at(path: str) -> None:
        page.wait_for_url(lambda address: urlsplit(address).path.startswith(PLACE + path))
        seen.append(page.url)

    page.goto(f"{PLACE}/features")
    at("/features")
    page.get_by_label("Peak on the token").fill(token)
    page.get_by_role("button", name="Find").click()
    page.wait_for_url("**token=*")
    seen.append(page.url)
    page.get_by_role("link", name=str(known.feature), exact=True).first.click()
    at(f"/features/{known.feature}")
    hit = collection.tokens(known.feature, 1)[0]
    page.get_by_role("link", name=hit.id, exact=True).first.click()
    at(f"/documents/{hit.id}")
    page.get_by_role("link", name="Compare", exact=True).click()
    at("/compare")
    page.get_by_label("A: documents where").fill(f"id = '{hit.id}'")
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url("**a=*")
    seen.append(page.url)
    page.get_by_text("against 39").first.wait_for()
    page.get_by_role("link", name="Map", exact=True).click()
    at("/map")
    lasso_left_half(page)
    seen.append(page.url)
    area = parse_qs(urlsplit(page.url).query)["area"][0]
    assert f"{len(collection.map(inside=area))} of {len(collection.map())}" in page.inner_text(
        "aside"
    )
    for address in reversed(seen[:-1]):
        page.go_back()
        assert page.url == address
