"""Pages show what Python answers, and hostile text does nothing."""

import html
import re
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import urlopen

import pytest

import saelake
from saelake.answers.charts import bars
from saelake.answers.shades import shade
from saelake.collection import Collection
from saelake.store.service.serve import BackgroundServer
from saelake.web.look.texts import marks, plain
from saelake.web.serving import WebServer

PLACE = "c/words/sae"
TAG = re.compile(r"<[^>]*>")


@pytest.fixture(scope="module")
def asked(server: BackgroundServer) -> Iterator[Collection]:
    """The collection, asked by Python."""
    with saelake.connect(server.target) as lake:
        yield lake["words/sae"]


def shown(web: WebServer, path: str = "", **fields: object) -> tuple[int, str]:
    """The status of a page, and its source."""
    address = f"{web.url}{PLACE}{path}?{urlencode(fields, doseq=True)}"
    try:
        with urlopen(address, timeout=60) as answer:
            return int(answer.status), answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def words(source: str) -> str:
    """The text of a page, on one line."""
    return " ".join(html.unescape(TAG.sub("", source)).split())


def firing(asked: Collection) -> str:
    """The feature that fires in the most documents."""
    return str(asked.features(k=1)[0].feature)


def test_a_feature_shows_its_statistics_and_strongest_documents(
    web: WebServer, asked: Collection
) -> None:
    feature = firing(asked)
    status, source = shown(web, f"/features/{feature}")
    assert status == 200
    known = asked.feature(feature)
    assert f"{known.document_frequency:,}" in words(source)
    for hit in asked.tokens(feature, 10):
        assert f"{hit.value:.3g}" in words(source)
        assert f'documents/{quote(hit.id)}?features={feature}"' in source


def test_every_token_that_fires_is_shaded(web: WebServer, asked: Collection) -> None:
    feature = firing(asked)
    hit = asked.tokens(feature, 1)[0]
    codes = asked.document(doc=hit.doc).codes(feature)
    status, source = shown(web, f"/documents/{quote(hit.id)}", features=feature)
    assert status == 200
    found = re.findall(r'<span class="token (\w+)" title="([^"]+)">', source)
    largest = max(map(abs, codes.values.tolist()))
    assert found == [(shade(v, largest), f"{v:.3g}") for v in codes.values.tolist()]


def test_features_are_those_that_python_finds(web: WebServer, asked: Collection) -> None:
    status, source = shown(web, "/features", order="max", k=7)
    assert status == 200
    linked = re.findall(r'<td class="number"><a href="[^"]*/features/(\d+)"', source)
    assert linked == [str(row.feature) for row in asked.features(k=7, order="max")]


def test_an_expression_is_kept_beside_what_is_wrong_with_it(web: WebServer) -> None:
    status, source = shown(web, "/tokens", expression="1 & ")
    assert status == 400
    assert 'role="alert"' in source
    assert 'value="1 &amp; "' in source


def test_a_form_keeps_what_was_written_beside_what_is_wrong_with_it(web: WebServer) -> None:
    status, source = shown(web, "/documents", features="1:much", where="label = 'pos'")
    assert status == 400
    assert "write 12:1.0" in words(source)
    assert 'value="label = &#39;pos&#39;"' in source


def test_a_feature_can_be_called_something(web: WebServer, asked: Collection) -> None:
    feature = firing(asked)
    assert f'/features/{feature}/label"' in shown(web, f"/features/{feature}")[1]


def test_a_comparison_with_the_rest_has_documents_without_a_value(
    web: WebServer, asked: Collection
) -> None:
    where = f"id = '{asked.tokens(firing(asked), 1)[0].id}'"
    status, source = shown(web, "/compare/answer", a=where, k=5)
    assert status == 200
    selected = asked.where(where)
    assert selected.diff(selected.rest(), k=5).head in words(source)


@pytest.mark.parametrize(
    ("path", "fields", "expected"),
    [
        ("/features/100000", {}, 404),
        ("/features/1", {"where": "sleep(9)"}, 400),
        ("/features", {"k": "many"}, 400),
        ("/documents", {"features": "1:much"}, 400),
        ("/documents", {"text": "w1", "phrase": "w2"}, 400),
        ("/documents/none", {}, 404),
        ("/encode", {"text": "w1", "feature": "x"}, 400),
        ("/compare/answer", {"a": "sleep(9)"}, 400),
        ("/compare/answer", {"other": "here"}, 400),
        ("/correlations/answer", {"where": "1 ="}, 400),
        ("/clusters", {"n": 1}, 400),
    ],
)
def test_what_cannot_be_answered_is_told(
    web: WebServer, path: str, fields: dict[str, object], expected: int
) -> None:
    status, source = shown(web, path, **fields)
    assert status == expected
    assert 'role="alert"' in source
    assert "its log says more" not in source


def test_a_text_is_shown_by_its_tokens(web: WebServer, asked: Collection) -> None:
    text = "w1 w2 <b>w3</b>"
    status, source = shown(web, "/encode", text=text, token=1)
    assert status == 200
    assert "<b>w3" not in source
    for token in asked.encode(text):
        assert f"token={token.position}" in source


def test_a_comparison_says_how_it_was_tested(web: WebServer, asked: Collection) -> None:
    status, source = shown(web, "/compare/answer", other="words/sae", k=5)
    assert status == 200
    diff = asked.diff(asked, k=5)
    assert diff.head in words(source)
    assert all(f'features/{row.feature}"' in source for row in diff)


def test_hidden_characters_are_seen_and_markup_is_text() -> None:
    said = str(marks("a\u202eb<script>\x1b"))
    assert "<script>" not in said
    assert said.count("hidden-character") == 2
    assert "202E" in said
    assert plain("x\u200b\ny") == "x⟨200B⟩ y"


def test_what_joins_letters_is_no_hidden_character() -> None:
    """Persian and families of emoji are written with joiners."""
    for text in ("می\u200cخواهم", "👩\u200d👧"):
        assert str(marks(text)) == text


def test_bars_are_of_all_values() -> None:
    histogram = [0, 0, 3, 0, 5, 0]
    found = bars(histogram)
    assert [bar.count for bar in found] == [3, 0, 5]
    assert max(bar.height for bar in found) == 1
    negative = bars(histogram, -1)
    assert [bar.count for bar in negative] == [5, 0, 3]
    assert negative[0].low == -found[-1].high
    assert bars([0, 0]) == []
