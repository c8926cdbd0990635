"""What answers are to whoever holds them: sequences, tables, text and HTML."""

import re
import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.answers.features import Features, TopToken
from saelake.answers.lookups import Document, Hit, Tokens, Verification
from saelake.answers.markup import view_html
from saelake.answers.text import described, one_line
from saelake.answers.view import Histogram, Passage, Proportion, View
from saelake.store.errors import NotFound
from tests.client.answers.pages import Tags

HOSTILE = """<script>alert('x')</script>"><img src=x onerror=alert(1)>&amp;"""


def hit(**changes: Any) -> dict[str, Any]:
    row = {
        "doc": 3,
        "id": "d3",
        "position": 1,
        "value": 2.5,
        "token": "rain",
        "text": "the rain\nfell",
        "token_start": 4,
        "token_length": 4,
        "metadata": {"label": "pos", "rating": None},
    }
    return row | changes


def tokens(*rows: dict[str, Any]) -> Tokens:
    return Tokens(pa.Table.from_pylist(list(rows)), expression="12")


def test_hits_are_a_sequence() -> None:
    hits = tokens(hit(), hit(doc=4, value=-1.0), hit(doc=5, value=0.5))
    assert len(hits) == 3
    assert [h.doc for h in hits] == [3, 4, 5]
    assert hits[-1].doc == 5
    assert [h.doc for h in hits[1:]] == [4, 5]
    assert hits[0] in hits
    assert next(reversed(hits)) == hits[2]
    assert hits == tokens(*hits.to_dicts())
    assert hits != tokens(hit())
    with pytest.raises(IndexError):
        hits[3]
    with pytest.raises(TypeError):
        hash(hits)


def test_answers_of_another_kind_are_not_equal() -> None:
    none = pa.table({"table": pa.array([], pa.string())})
    assert Verification(none) == Verification(none)
    assert Verification(none) != Features(none)


def test_hits_are_tables_too() -> None:
    hits = tokens(hit(), hit(doc=4))
    assert hits.to_arrow()["doc"].to_pylist() == [3, 4]
    assert hits.to_dicts()[0] == hit()
    pytest.importorskip("pandas")
    frame = hits.to_pandas()
    assert list(frame["doc"]) == [3, 4]
    assert list(frame["value"]) == [2.5, 2.5]


WITHOUT_PANDAS = """
import sys

class Bar:
    def find_spec(self, name, path=None, target=None):
        if name == "pandas":
            raise ModuleNotFoundError("not installed here", name=name)

sys.meta_path.insert(0, Bar())
import pyarrow, saelake
from saelake.answers.lookups import Verification
answer = Verification(pyarrow.table({"ok": [True]}))
try:
    answer.to_pandas()
except saelake.MissingExtra as error:
    print(error)
"""


def test_data_frames_need_pandas() -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_PANDAS], capture_output=True, text=True, check=True
    )
    assert "pip install pandas" in run.stdout


def test_hits_mark_the_token_in_one_line() -> None:
    hits = tokens(hit())
    assert hits[0].parts == ("the ", "rain", "\nfell")
    assert hits[0].marked == "the <<rain>> fell"
    header, columns, row = repr(hits).splitlines()
    assert header == "1 hits of 12"
    assert columns.split() == ["value", "id", "text", "metadata"]
    assert row.split(maxsplit=2) == ["2.5", "d3", "the <<rain>> fell  label=pos"]


def test_no_hits_are_shown_as_none() -> None:
    empty = tokens(hit())
    none = Tokens(empty.to_arrow().slice(0, 0), expression="12")
    assert len(none) == 0
    assert list(none) == []
    assert repr(none).startswith("0 hits of 12\n")
    assert none._repr_html_().count("<tr>") == 1


def test_of_many_rows_the_first_are_shown() -> None:
    hits = tokens(*(hit(doc=i, id=f"d{i}") for i in range(70)))
    assert repr(hits).splitlines()[-1] == "… 20 more rows"
    assert "d49" in repr(hits)
    assert "d50" not in repr(hits)
    assert "… 20 more rows" in Tags(hits._repr_html_()).text


def test_hostile_hits_are_only_text_in_html() -> None:
    rows = hit(
        id=HOSTILE,
        token=HOSTILE,
        text=f"{HOSTILE} {HOSTILE} {HOSTILE}",
        token_start=len(HOSTILE) + 1,
        token_length=len(HOSTILE),
        metadata={HOSTILE: HOSTILE},
    )
    page = Tags(tokens(rows)._repr_html_())
    assert page.tags == {"div", "table", "thead", "tbody", "tr", "th", "td", "mark"}
    assert page.attributes <= {"title", "style"}
    assert page.text.count(HOSTILE) == 4 + 2, "the id, three times in the text, name and value"


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.floats(-1e6, 1e6))
def test_any_text_is_whole_in_html(before: str, token: str, after: str, value: float) -> None:
    text = before + token + after
    row = Hit(**hit(text=text, token_start=len(before), token_length=len(token), value=value))
    assert row.parts == (before, token, after)
    assert "\n" not in row.marked
    view = View(header=["text"], rows=[[Passage(*row.parts, 1.0)]])
    assert text in Tags(view_html(view)).text


def document(**changes: Any) -> Document:
    """Four tokens; feature 2 fires on the first and third, 5 and 9 on the second."""
    row = {
        "doc": 7,
        "id": "d7",
        "text": "the rain it's end",
        "metadata": {"label": "pos"},
        "error": None,
        "token_ids": [6, 0, 10, 11],
        "token_starts": [0, 4, 9, 14],
        "token_lengths": [3, 4, 4, 3],
        "features": [2, 5, 9],
        "max": [1.5, 3.0, 3.0],
        "counts": [2, 1, 1],
        "positions": [0, 2, 1, 1],
        "values": [1.5, 0.5, 3.0, 3.0],
    }
    schema = pa.schema(
        [
            ("doc", pa.uint64()),
            ("id", pa.string()),
            ("text", pa.string()),
            ("metadata", pa.struct([("label", pa.string())])),
            ("error", pa.string()),
            ("token_ids", pa.list_(pa.int32())),
            ("token_starts", pa.list_(pa.uint32())),
            ("token_lengths", pa.list_(pa.uint16())),
            ("features", pa.list_(pa.uint32())),
            ("max", pa.list_(pa.float32())),
            ("counts", pa.list_(pa.uint32())),
            ("positions", pa.list_(pa.uint32())),
            ("values", pa.list_(pa.float32())),
        ]
    )
    return Document(pa.Table.from_pylist([row | changes], schema=schema))


def nothing_fires(**changes: Any) -> Document:
    codes = ("features", "max", "counts", "positions", "values")
    return document(**{name: [] for name in codes}, **changes)


def test_a_document_knows_its_tokens() -> None:
    found = document()
    assert [t.text for t in found.tokens] == ["the", "rain", "it's", "end"]
    assert [t.position for t in found.tokens] == [0, 1, 2, 3]
    assert [t.token_id for t in found.tokens] == [6, 0, 10, 11]


def test_a_document_knows_where_each_feature_fires() -> None:
    found = document()
    assert found.features.tolist() == [2, 5, 9]
    here = found.codes(2)
    assert (here.feature, here.max, len(here)) == (2, 1.5, 2)
    np.testing.assert_array_equal(here.positions, [0, 2])
    np.testing.assert_array_equal(here.values, np.array([1.5, 0.5], np.float32))
    assert found.codes(9).positions.tolist() == [1]
    assert found.activations(9).positions.tolist() == [1]  # the former name
    for silent in (0, 3, 10):
        with pytest.raises(NotFound, match=f"Feature {silent} does not fire in document d7"):
            found.codes(silent)


def test_the_strongest_come_first_and_ties_by_number() -> None:
    assert [a.feature for a in document().strongest()] == [5, 9, 2]
    assert [a.feature for a in document().strongest(1)] == [5]
    assert nothing_fires().strongest() == []


def test_documents_are_equal_when_all_of_them_is() -> None:
    assert document() == document()
    assert document() != document(id="other")
    assert document() != "d7"
    with pytest.raises(TypeError):
        hash(document())


def test_a_document_is_shown_with_what_it_is_about() -> None:
    shown = repr(document())
    assert shown.splitlines()[0] == "d7 (doc 7): 4 tokens, 3 features"
    assert "label=pos" in shown
    assert re.search(r"5\s+3\s+1\s+rain", shown)
    assert "it was too long" in repr(nothing_fires(error="it was too long"))


def test_a_document_in_html_is_its_text_with_marks() -> None:
    html = document()._repr_html_()
    page = Tags(html)
    assert "the rain it's end" in page.text
    marks = re.findall(r"<mark[^>]*>([^<]*)</mark>", html)
    assert marks[:3] == ["5: rain", "9: rain", "2: the"], "a legend, a hue a feature"
    assert marks[3:] == ["the", "rain", "it&#x27;s"]
    assert 'title="feature 5: 3"' in html
    assert "the rain it's end" in Tags(nothing_fires()._repr_html_()).text


def test_a_hostile_document_is_only_text_in_html() -> None:
    n = len(HOSTILE)
    found = document(text=HOSTILE * 2, token_starts=[0, n, n, n], token_lengths=[n, n, n, n])
    page = Tags(found._repr_html_())
    assert HOSTILE * 2 in page.text
    assert page.tags == {"div", "mark", "table", "thead", "tbody", "tr", "th", "td"}


def test_tokens_of_one_character_are_marked_once() -> None:
    found = document(text="日!", token_starts=[0, 0, 0, 1], token_lengths=[1, 1, 1, 1])
    assert "日!" in Tags(found._repr_html_()).text
    legend, text = found._repr_html_().split("</div>", 1)
    assert (legend.count("<mark"), text.count("<mark")) == (3, 1)


def feature(number: int, top: list[dict[str, Any]] | None, **changes: Any) -> dict[str, Any]:
    row = {
        "feature": number,
        "token_frequency": 3,
        "document_frequency": 2,
        "max": 1.5,
        "mean": 1.0,
        "sum": 3.0,
        "density": 0.25,
        "histogram": [0, 3],
        "top_tokens": top,
    }
    return row | changes


def test_features_are_values() -> None:
    found = Features(
        pa.Table.from_pylist(
            [
                feature(4, [{"token": " a\nb", "documents": 2}]),
                feature(5, [], token_frequency=0, max=None, mean=None),
            ]
        )
    )
    assert found[0].top_tokens == (TopToken(token=" a\nb", documents=2),)
    assert found[0].histogram == (0, 3)
    assert found[1].top_tokens == ()
    assert found[1].max is None
    assert len({found[0], found[1]}) == 2, "values can be members of sets"
    assert len(repr(found).splitlines()) == 3


def test_verification_is_ok_when_all_checks_are() -> None:
    def made(oks: list[bool]) -> Verification:
        rows = [
            {"table": "t", "check": f"c{i}", "ok": ok, "detail": ""} for i, ok in enumerate(oks)
        ]
        return Verification(pa.Table.from_pylist(rows))

    assert made([True, True]).ok
    damaged = made([True, False])
    assert not damaged.ok
    assert [check.check for check in damaged.problems] == ["c1"]
    assert "DAMAGED  t      c1" in repr(damaged)


def test_columns_are_aligned() -> None:
    view = View(header=("n", "text", "more"), rows=[(1, "a", None), (22, "bb", "x")])
    assert str(view).splitlines() == [
        " n  text  more",
        " 1  a",
        "22  bb    x",
    ]
    assert str(View(header=("n", "text"))) == "n  text"


def test_shares_and_histograms_are_drawn() -> None:
    view = View(
        header=("share", "values"), rows=[(Proportion(0.25), Histogram([0, 0, 3, 5, 0, 0, 2, 2]))]
    )
    assert str(view).splitlines()[1].split() == ["0.25", "█", "▄"]
    page = Tags(view_html(view))
    assert "25.00%" in page.text
    assert page.tags >= {"svg", "rect", "span"}
    assert "8" in page.text, "hovering a bar says its count"
    assert str(Histogram([0, 0])) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\r\n\tb", "a b"), ("\x1b[31mred", " [31mred"), ("日本", "日本"), ("a  b", "a b"), ("", "")],
)
def test_control_characters_do_not_reach_the_terminal(text: str, expected: str) -> None:
    assert one_line(text) == expected
    view = View(header=["x"], rows=[(text,)])
    assert str(view).split("\n") == ["x", expected]
    assert described({"n": text}) == f"n={expected}"


def test_answers_are_a_line_a_row_whatever_is_in_them() -> None:
    nasty = "\x1b[2J\nd3"
    hits = tokens(hit(id=nasty, metadata={"label": nasty}), hit())
    assert len(repr(hits).splitlines()) == 2 + len(hits)
    shown = repr(hits) + repr(document(id=nasty, metadata={"label": nasty}))
    assert shown.replace("\n", "").isprintable()
