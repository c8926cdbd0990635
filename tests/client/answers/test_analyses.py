"""What analyses answer, to whoever holds it: values, sequences, and text."""

import json
from collections.abc import Callable
from typing import Any, cast

import pyarrow as pa
import pytest

from saelake.answers.answer import Answer
from saelake.answers.associations import Associations
from saelake.answers.clusters import Clusters
from saelake.answers.correlations import Correlations
from saelake.answers.differences import Diff, Example
from saelake.answers.families import Families
from saelake.answers.found import FoundDocuments, SharedFeature
from saelake.answers.labels import Labels, Neighbors
from saelake.answers.matches import Matches
from saelake.answers.shares import Shares
from saelake.answers.values import ValueCounts
from saelake.dictionary import Dictionary
from saelake.store.engine import Engine
from tests.lakes import MadeLake, make_lake

NASTY = "\x1b[2J a\nlabel"


def table(*rows: dict[str, Any], **said: float | str) -> pa.Table:
    made = pa.Table.from_pylist(list(rows))
    return made.replace_schema_metadata({name: str(value) for name, value in said.items()})


def found(**changes: Any) -> dict[str, Any]:
    shared = [
        {"feature": 3, "label": "rain", "share": 0.75, "value": 2.0},
        {"feature": 9, "label": None, "share": 0.25, "value": 1.0},
    ]
    row = {"doc": 7, "id": "d7", "score": 0.5, "text": "the rain\nfell", "metadata": {"year": 1999}}
    return row | {"shared_features": shared} | changes


def example(**changes: Any) -> dict[str, Any]:
    row = {"doc": 1, "id": "d1", "position": 1, "value": 2.5, "token": "rain"}
    return row | {"text": "the rain\nfell", "token_start": 4, "token_length": 4} | changes


def difference(**changes: Any) -> dict[str, Any]:
    numbers = ("frequency_a", "frequency_b", "difference", "relative", "log_odds", "p_value")
    row = {"feature": 3, **dict.fromkeys(numbers, 0.25), "q_value": 0.5, "against": "c/n"}
    return row | {"label": "rain", "example_a": example(), "example_b": None} | changes


def correlation(**changes: Any) -> dict[str, Any]:
    row = {"feature_a": 3, "feature_b": 9, "npmi": 0.8, "n_a": 10, "n_b": 20, "n_both": 9}
    given = {"b_given_a": 0.9, "a_given_b": 0.45, "label_similarity": 0.1}
    return row | given | {"label_a": "rain", "label_b": "umbrellas"} | changes


def value_count(**given: Any) -> dict[str, Any]:
    """A row of values."""
    return {
        "value": "pos",
        "kind": "value",
        "n_documents": 40,
        "share": 0.5,
        "n_values": 1,
        "low": None,
        "high": None,
        "where": "label = 'pos'",
        **given,
    }


OF_VALUES: dict[str, Any] = {"by": "label", "n": 80, "n_values": 6, "n_missing": 1200, "n_nan": 0}


def share(**changes: Any) -> dict[str, Any]:
    row = {"value": "pos", "kind": "value", "n_documents": 40, "n_firing": 10, "share": 0.25}
    more = {"ci_low": 0.142, "ci_high": 0.402, "lift": 2.0, "n_values": 1, "low": None}
    return row | more | {"high": None, "where": "label = 'pos'"} | changes


COUNTED: dict[str, Any] = {"expression": "3 & !9", "by": "label", "n": 80, "n_firing": 10}
COUNTED |= {"level": 0.95, "share": 0.125, "ci_low": 0.069, "ci_high": 0.215}
TESTED = {"chi_squared": 11.43, "degrees": 1, "p_value": 0.00072, "cramers_v": 0.378}


def cluster(**changes: Any) -> dict[str, Any]:
    row = {"cluster": 0, "n_documents": 2, "docs": [4, 7], "centrality": [0.5, 0.75]}
    features = [
        {"feature": 3, "label": "rain", "frequency_in": 0.9, "frequency_out": 0.1},
        {"feature": 9, "label": None, "frequency_in": 0.5, "frequency_out": 0.1},
    ]
    central = [{"doc": 7, "id": "d7", "centrality": 0.75, "text": "the rain\nfell"}]
    return row | {"features": features, "central": central} | changes


def match(**changes: Any) -> dict[str, Any]:
    row = {"feature_a": 3, "feature_b": 9, "score": 0.8, "n_a": 5, "n_b": 6, "n_both": 4}
    return row | {"label_a": "rain", "label_b": None} | changes


def family(**changes: Any) -> dict[str, Any]:
    row = {"family": 0, "n_features": 9, "n_pairs": 12, "mean_npmi": 0.7}
    return row | {"features": [3], "labels": [None]} | changes


def test_found_documents_say_why() -> None:
    (document,) = FoundDocuments(table(found()))
    assert (document.doc, document.id, document.score) == (7, "d7", 0.5)
    assert document.metadata == {"year": 1999}
    first, second = document.shared_features
    assert first == SharedFeature(feature=3, label="rain", share=0.75, value=2.0)
    assert second.label is None
    assert FoundDocuments(table(found())).recall == 1
    assert FoundDocuments(table(found(), recall="0.97")).recall == 0.97
    header, row = repr(FoundDocuments(table(found()))).splitlines()
    assert header.split() == ["score", "id", "text", "shared", "features", "metadata"]
    assert row.split() == ["0.5", "d7", "the", "rain", "fell", "3", "(rain),", "9", "year=1999"]


def test_a_difference_has_examples_of_both_sides() -> None:
    answer = Diff(table(difference(), n_a=1200, n_b=90, n_tested=4096, test="z"))
    assert (answer.n_a, answer.n_b, answer.n_tested, answer.test) == (1200, 90, 4096, "z")
    (row,) = answer
    assert row.example_a == Example(**example())
    assert row.example_a.marked == "the <<rain>> fell"
    assert row.example_b is None
    head, columns, shown = repr(answer).splitlines()
    assert head == ("1,200 documents against 90; 4,096 features tested: z; q: Benjamini-Hochberg")
    assert columns.split()[:3] == ["feature", "frequency", "a"]
    assert shown.split() == ["3", "0.25", "0.25", "0.25", "0.5", "rain", "the", "<<rain>>", "fell"]


def test_a_diff_says_what_must_be_read_with_it() -> None:
    said: dict[str, Any] = {"n_a": 12, "n_b": 9, "n_tested": 4, "test": "z", "unit": "token"}
    lengths: dict[str, Any] = {"length_a": 210.0, "length_b": 64.5, "level": 0.9}
    notes = json.dumps(["The sides differ in length.", f"Of {NASTY}."])
    answer = Diff(table(difference(), **said, **lengths, notes=notes))
    assert answer.about == {**said, **lengths, "notes": answer.notes}
    assert (answer.unit, answer.level) == ("token", 0.9)
    lines = repr(answer).splitlines()
    assert lines[0].startswith("12 tokens against 9; median length 210 against 64 tokens; ")
    assert lines[1] == "The sides differ in length."
    assert len(lines) == 5


def test_associations_say_what_was_measured() -> None:
    row = {"feature": 3, "effect": 0.9, "p_value": 0.1, "q_value": 0.2, "n_documents": 40}
    answer = Associations(table(row | {"label": None}, statistic="AUC of pos", n=1000, n_tested=7))
    assert answer[0].effect == 0.9
    assert (answer.statistic, answer.n, answer.n_tested) == ("AUC of pos", 1000, 7)
    head, _, shown = repr(answer).splitlines()
    assert head == "AUC of pos over 1,000 documents; 7 features"
    assert shown.split() == ["3", "0.9", "0.2", "40"]


def test_answers_say_how_they_were_tested() -> None:
    row = {"feature": 3, "effect": None, "p_value": None, "q_value": None, "n_documents": 40}
    row |= {"label": None}
    given = {"test": "Mann-Whitney", "correction": "BH", "control": "length in 20 bins"}
    units = {"unit": "value of author", "n_units": "70", "level": "0.9", "length_effect": "0.7"}
    notes = json.dumps(["Length alone goes with it."])
    answer = Associations(
        table(row, statistic="AUC of pos", n=1000, n_tested=7, notes=notes, **given, **units)
    )
    assert (answer[0].effect, answer[0].ci_low, answer[0].category) == (None, None, None)
    assert answer.about["length_effect"] == 0.7
    head, note, *_ = repr(answer).splitlines()
    assert head == (
        "AUC of pos over 1,000 documents of 70 values of author; controlled for length in 20 bins; "
        "7 features tested: Mann-Whitney; q: BH"
    )
    assert answer.notes == (note,) == ("Length alone goes with it.",)
    pairs = Correlations(
        table(
            correlation(controlled_npmi=0.25, expected=3.5, p_value=0.1, q_value=0.125),
            n=1000,
            n_tested=21,
            **given,
        )
    )
    assert pairs[0].expected == 3.5
    head, header, shown = repr(pairs).splitlines()
    assert head.startswith("over 1,000 documents; controlled for length in 20 bins; 21 pairs")
    assert header.split()[2:5] == ["NPMI", "controlled", "q"]
    assert shown.split()[2:5] == ["0.8", "0.25", "0.125"]
    aligned = Correlations(table(correlation(), n=300, unit="value of prompt"))
    assert repr(aligned).splitlines()[0] == "over 300 values of prompt"
    families = Families(table(family(), n=1000, notes=notes))
    assert repr(families).splitlines()[:2] == ["over 1,000 documents", "Length alone goes with it."]


def test_correlations_show_both_labels() -> None:
    answer = Correlations(table(correlation(), n=1000))
    assert answer.n == 1000
    assert (answer[0].b_given_a, answer[0].a_given_b) == (0.9, 0.45)
    head, _, shown = repr(answer).splitlines()
    assert head == "over 1,000 documents"
    assert shown.split() == ["3", "9", "0.8", "9", "10", "20", "rain", "|", "umbrellas"]
    unnamed = Correlations(table(correlation(label_a=None, label_b=None), n=3))
    assert "|" not in repr(unnamed)


def test_shares_say_of_what_they_are() -> None:
    rows = [
        share(),
        share(value=None, kind="others", n_values=3, where=None, lift=None),
        share(value="", low=None),
        share(value="NaN", kind="nan"),
        share(value=None, kind="missing", n_values=0),
    ]
    answer = Shares(table(*rows, **COUNTED, **TESTED, notes=json.dumps(["Read this."])))
    names = ["pos", "others (3 values)", "(empty)", "NaN", "no value"]
    assert [row.name for row in answer] == names
    assert answer[0].interval == "14.2% to 40.2%"
    assert (answer.share, answer.p_value, answer.cramers_v) == (0.125, 0.00072, 0.378)
    head, note, header, shown, *_ = repr(answer).splitlines()
    assert head == (
        "3 & !9 in 10 of 80 documents: 12.5% (6.9% to 21.5%); chi-squared 11.43 of 1 degree of "
        "freedom, p 0.00072, Cramér's V 0.38"
    )
    assert note == "Read this."
    assert header.split() == ["label", "share", "from", "to", "documents", "firing", "lift"]
    assert shown.split() == ["pos", "0.25", "0.142", "0.402", "40", "10", "2"]
    assert answer.to_plain() == {**answer.about, "notes": ["Read this."], "rows": rows}
    untested = Shares(table(share(), **COUNTED))
    assert untested.head.endswith("; nothing to test")
    nothing = {name: COUNTED[name] for name in ("expression", "by", "level")}
    assert Shares(table(share(), **nothing, n=0, n_firing=0)).share is None


def test_values_say_of_what_they_are() -> None:
    rows = [
        value_count(),
        value_count(value=None, kind="others", n_values=3, where=None),
        value_count(value="", where="label = ''"),
        value_count(value=None, kind="nan"),
        value_count(value=None, kind="missing", n_values=0),
    ]
    answer = ValueCounts(table(*rows, **OF_VALUES, notes=json.dumps(["Read this."])))
    names = ["pos", "others (3 values)", "(empty)", "NaN", "no value"]
    assert [row.name for row in answer] == names
    assert (answer.n, answer.n_values, answer.n_missing, answer.n_nan) == (80, 6, 1200, 0)
    head, note, header, shown, *_ = repr(answer).splitlines()
    assert head == "label: 6 values in 80 documents, 1,200 without a value"
    assert note == "Read this."
    assert header.split() == ["label", "documents", "share", "where"]
    assert shown.split() == ["pos", "40", "0.5", "label", "=", "'pos'"]
    assert answer.to_plain() == {**answer.about, "notes": ["Read this."], "rows": rows}


def test_clusters_show_what_they_are_about() -> None:
    answer = Clusters(table(cluster(), n=2, n_left_out=1))
    assert (answer.n, answer.n_left_out) == (2, 1)
    assert answer[0].docs == (4, 7)
    assert answer[0].central[0].id == "d7"
    assert answer[0].features[0].frequency_in == 0.9
    said, _, shown = repr(answer).splitlines()
    assert said == "1 document has none of the features"
    assert shown.split() == ["0", "2", "rain;", "9", "the", "rain", "fell"]


def test_matches_families_labels_and_neighbors_are_lines() -> None:
    assert repr(Matches(table(match()))).splitlines()[1].split()[:3] == ["3", "9", "0.8"]
    answer = Families(table(family(features=list(range(9)), labels=["rain"] * 9)))
    assert answer[0].features == tuple(range(9))
    assert "0, 1, 2, 3, 4, 5, 6, 7 " in repr(answer)
    label = {"feature": 3, "label": "rain", "explainer": "me", "score": None, "similarity": 0.5}
    assert repr(Labels(table(label))).splitlines()[1].split() == ["3", "rain", "me"]
    neighbor = {"feature": 3, "cosine": 0.5, "label": "rain"}
    assert repr(Neighbors(table(neighbor))).splitlines()[1].split() == ["3", "0.5", "rain"]


ANSWERS: list[Answer[Any]] = [
    FoundDocuments(table(found(id=NASTY, text=NASTY * 20, metadata={NASTY: NASTY}))),
    Diff(table(difference(label=NASTY), n_a=1, n_b=1, n_tested=1, test="z")),
    Associations(
        table(
            {"feature": 3, "effect": 0.9, "p_value": 0.1, "q_value": 0.2, "n_documents": 40}
            | {"label": NASTY},
            statistic="AUC",
            n=1,
            n_tested=1,
        )
    ),
    Shares(table(share(value=NASTY), **{**COUNTED, "by": NASTY})),
    ValueCounts(table(value_count(value=NASTY, where=NASTY), **{**OF_VALUES, "by": NASTY})),
    Correlations(table(correlation(label_a=NASTY, label_b=NASTY), n=3)),
    Clusters(
        table(
            cluster(central=[{"doc": 7, "id": NASTY, "centrality": 0.75, "text": NASTY}]),
            n=2,
            n_left_out=0,
        )
    ),
    Matches(table(match(label_a=NASTY, label_b=NASTY))),
    Families(table(family(labels=[NASTY]))),
    Labels(
        table({"feature": 3, "label": NASTY, "explainer": NASTY, "score": 0.5, "similarity": None})
    ),
    Neighbors(table({"feature": 3, "cosine": 0.5, "label": NASTY})),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_every_row_is_a_line_of_what_can_be_printed(answer: Answer[Any]) -> None:
    shown = repr(answer)
    assert shown.replace("\n", "").isprintable()
    has_head = isinstance(answer, Diff | Associations | Shares | ValueCounts | Correlations)
    extra = int(has_head)
    assert len(shown.splitlines()) == 1 + extra + len(answer)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_rows_are_values_and_tables(answer: Answer[Any]) -> None:
    (row,) = answer
    assert row == answer[0] == next(iter(answer))
    made = cast("Callable[[pa.Table], Answer[Any]]", type(answer))  # each kind knows its own values
    assert answer == made(answer.to_arrow())
    empty = made(answer.to_arrow().slice(0, 0))
    assert list(empty) == []
    assert answer != empty
    assert len(repr(empty).splitlines()) < len(repr(answer).splitlines())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("dictionary") / "lake", n_documents=5)


def test_a_dictionary_is_named(made: MadeLake) -> None:
    dictionary = Dictionary("random", Engine(made.lake.uri))
    assert repr(dictionary) == "<Dictionary random>"
    assert list(dictionary.labels()) == []
