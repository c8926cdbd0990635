"""Reports as files: all of it is there, and texts of others command nothing."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from saelake.explaining.claims.decided import decided
from saelake.explaining.claims.stages import ModelAsked, StageCount
from saelake.explaining.hypotheses import (
    Hypothesis,
    HypothesisOptions,
    HypothesisReport,
    JudgedHypothesis,
    TextVerdict,
    as_html,
    as_markdown,
    write_report,
)
from saelake.language.amounts import Spending
from saelake.store.errors import InvalidInput

EVIL = "<script>alert(1)</script> | [x](javascript:1) **b** \u202e`c`\n# title"


def made(statement: str = "rain", quote: str = "it rains", n_unread: int = 1) -> HypothesisReport:
    verdicts = [
        TextVerdict(
            doc=number,
            id=f"d{number}",
            side="A" if number % 2 else "B",
            unit=None,
            holds=None if number < n_unread else bool(number % 2),
            quote=quote,
        )
        for number in range(40)
    ]
    options = HypothesisOptions()
    rows = decided(
        [Hypothesis(more_in="A", statement=statement, features=(7,))], [verdicts], options.rule
    )
    return HypothesisReport(
        a="c/d where label = 'x'",
        b="c/d where label = 'y'",
        state=None,
        options=options,
        hypotheses=rows,
        features=(),
        test="Fisher's exact test, two-sided",
        diff_test="z",
        n_features_tested=9,
        n_judged_a=20,
        n_judged_b=20,
        n_cut=0,
        notes=(),
        asked=ModelAsked(
            model="m",
            base_url="http://localhost:1/v1",
            said=("m-2",),
            stages=(StageCount(stage="verdicts", n_prompts=40, n_unread=1),),
            run="run",
            spending=Spending(n_requests=42),
            cost=None,
            cache="cache",
        ),
    )


class Tags(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_every_form_has_the_hypothesis_its_numbers_and_quotes(tmp_path: Path) -> None:
    report = made()
    for name in ("r.md", "r.html", "r.json"):
        write_report(report, tmp_path / name)
        text = (tmp_path / name).read_text()
        assert "it rains" in text
        assert "d21" in text or "d1" in text
        assert "holm" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.html", "r.json", "r.md"]
    (row,) = json.loads((tmp_path / "r.json").read_text())["hypotheses"]
    assert (row["accepted"], row["n_a"], row["n_b"], row["n_unread"]) == (True, 20, 19, 1)
    assert "1 unread" in as_markdown(report)


def test_hostile_words_are_text_in_every_form() -> None:
    report = made(EVIL, EVIL)
    page = Tags()
    page.feed(as_html(report))
    assert not page.tags & {"script", "a", "b", "img"}
    assert "<script>alert(1)</script>" in page.text
    assert "\u202e" not in as_html(report) + as_markdown(report)
    for line in as_markdown(report).splitlines():
        assert "<script>" not in line.replace("\\<", "")
        assert not line.startswith("# title")
        assert "](javascript" not in line
    rows = [line for line in as_markdown(report).splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1


def test_an_unread_verdict_that_decides_is_told() -> None:
    sure, unsure = (made(n_unread=n).hypotheses[0] for n in (1, 34))
    assert isinstance(sure, JudgedHypothesis)
    assert (sure.is_accepted, sure.is_sure) == (True, True)
    assert not unsure.is_accepted
    mixed = made(n_unread=26).hypotheses[0]
    assert (mixed.is_accepted, mixed.is_sure) == (True, False)


def test_a_hypothesis_of_the_other_side_is_rejected() -> None:
    report = made()
    verdicts = [
        TextVerdict(doc=n, id=str(n), side="A" if n % 2 else "B", unit=None, holds=n % 2 == 0)
        for n in range(40)
    ]
    said = replace(report.hypotheses[0].hypothesis, more_in="A")
    (row,) = decided([said], [verdicts], report.options.rule)
    assert (row.is_accepted, row.corrected < 1e-6) == (False, True)


def test_another_form_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"\.md, \.html, \.json"):
        write_report(made(), tmp_path / "r.pdf")
    assert list(tmp_path.iterdir()) == []
