"""Plots have every row of their answer, what was tested on how many, and nothing that acts."""

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import altair as alt
import pytest

import saelake
from saelake.answers.associations import Associations
from saelake.answers.clusters import Clusters
from saelake.answers.correlations import Correlations
from saelake.answers.differences import Diff
from saelake.answers.maps import MapPoints
from saelake.collection import Collection
from saelake.store.errors import InvalidInput
from tests.client.absent import hidden
from tests.client.answers.charts import read, texts, tooltips
from tests.client.answers.test_analyses import correlation, difference, table
from tests.client.answers.test_maps import answer as map_answer
from tests.lakes import make_lake

NAME = "made/random"
HOSTILE = "<script>alert(1)</script>\u202e\x1b[2J\u2066\nimage"


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    made = make_lake(
        tmp_path_factory.mktemp("plots") / "lake", n_documents=120, seed=3, density=0.1
    )
    lake = saelake.connect(made.lake.uri)
    lake.project(NAME)
    return lake[NAME]


def sides(collection: Collection, **asked: Any) -> Diff:
    a, b = (collection.where(f"label = '{label}'") for label in ("pos", "neg"))
    return a.diff(b, k=None, **asked)


def tip(row: Any, name: str) -> str:
    found: str = row[name]
    return found


# -- Differences.


@pytest.mark.parametrize("unit", ["document", "token"])
def test_every_difference_is_a_point(collection: Collection, unit: Any) -> None:
    diff = sides(collection, unit=unit)
    chart = read(diff.plot(level=0.2))
    points = {row["feature"]: row for row in chart.rows("point")}
    assert len(points) == len(diff) == len(chart.rows("point"))
    for row in diff:
        point = points[str(row.feature)]
        assert row.frequency_a is not None
        assert row.frequency_b is not None
        assert row.q_value is not None
        assert point["x"] == row.frequency_a
        assert point["y"] == row.frequency_b
        assert point["group"].startswith("q < 0.2" if row.q_value < 0.2 else "q ≥ 0.2")
        n = round(row.frequency_a * diff.n_a)
        assert tip(point, "in A") == f"{n / diff.n_a:.3%} ({n:,} of {diff.n_a:,})"
        assert tip(point, "q") == f"{row.q_value:.3g}"
    counted = sum(row.q_value is not None and row.q_value < 0.2 for row in diff)
    assert f"q < 0.2 ({counted:,})" in {*texts(chart.spec)}


def test_a_plot_of_differences_says_what_was_tested_on_how_many(collection: Collection) -> None:
    diff = sides(collection)
    chart = read(diff.plot())
    assert chart.title == f"{diff.n_a} documents in A against {diff.n_b} in B"
    assert diff.test in chart.said
    assert "Benjamini-Hochberg" in chart.said
    for note in diff.notes:
        assert note in chart.said


def test_the_diagonal_is_drawn(collection: Collection) -> None:
    for end in read(sides(collection).plot()).rows("line"):
        assert end["x"] == end["y"] > 0


def diff_of(*rows: dict[str, Any], **said: Any) -> Diff:
    known: dict[str, Any] = {
        "n_a": 100,
        "n_b": 50,
        "n_tested": len(rows),
        "test": "z",
        "notes": "[]",
    }
    return Diff(table(*rows, **(known | said)))


def test_a_feature_that_never_fires_on_a_side_stands_apart_and_is_counted() -> None:
    chart = read(
        diff_of(
            difference(feature=1, frequency_a=0.0, frequency_b=0.02),
            difference(feature=2, frequency_a=0.5, frequency_b=0.0),
            difference(feature=3, frequency_a=0.3, frequency_b=0.4),
        ).plot()
    )
    never, often, both = sorted(chart.rows("point"), key=lambda row: row["feature"])
    (edge, *_) = chart.rows("rule")
    assert 0 < never["x"] == often["y"] < edge["x"] < 0.01 <= never["y"]
    assert tip(never, "in A") == "0.000% (0 of 100)"
    assert (both["x"], both["y"]) == (0.3, 0.4)
    assert "features that never fire in A (1) or in B (1)" in chart.said
    words = {text for text in texts(chart.spec) if "datum.value" in text}
    assert all("'0'" in text for text in words)


def test_without_zeros_nothing_is_said_of_them() -> None:
    chart = read(diff_of(difference()).plot())
    assert "At 0" not in chart.said
    assert chart.rows("rule") == []


def test_what_could_not_be_compared_or_tested_is_counted() -> None:
    gone = dict.fromkeys(("frequency_a", "frequency_b", "difference", "q_value"))
    chart = read(diff_of(difference(), difference(q_value=None), difference(**gone)).plot())
    assert len(chart.rows("point")) == 2
    assert "Not drawn: 1 feature that could not be compared." in chart.said
    assert "not tested (1)" in {*texts(chart.spec)}


def test_counts_are_not_said_of_frequencies_that_are_not_of_counts() -> None:
    chart = read(diff_of(difference(raw_frequency_a=0.3, raw_frequency_b=0.1)).plot())
    assert tip(chart.rows("point")[0], "in A") == "25.000%"


def test_the_other_of_several_is_named() -> None:
    others = json.dumps(["c/n", "c/m"])
    rows = [difference(feature=1, against="c/n"), difference(feature=2, against="c/m")]
    points = read(diff_of(*rows, others=others).plot()).rows("point")
    assert {tip(point, "B") for point in points} == {"c/n", "c/m"}


def many(n: int, n_marked: int) -> Diff:
    return diff_of(
        *(difference(feature=i, q_value=0.001 if i < n_marked else 0.9) for i in range(n))
    )


def test_more_rows_than_altair_takes_are_drawn_by_chance_and_said() -> None:
    chart = read(many(6000, 40).plot())
    points = chart.rows("point")
    assert len({row["feature"] for row in points}) == 5000
    assert sum(row["group"].startswith("q < 0.05") for row in points) == 40
    said = "Drawn: 40 of 40 features with q < 0.05, 4,960 of 5,960 others, by chance (seed 0"
    assert said in chart.said
    assert read(many(6000, 40).plot()).rows("point") == points
    assert read(many(6000, 40).plot(seed=1)).rows("point") != points


def test_all_are_drawn_where_that_is_asked() -> None:
    chart = read(many(6000, 40).plot(most=6000))
    assert len(chart.rows("point")) == 6000
    assert "Drawn" not in chart.said


def test_marked_ones_are_drawn_by_chance_too_where_they_are_more() -> None:
    chart = read(many(60, 50).plot(most=20))
    assert {row["group"] for row in chart.rows("point")} == {"q < 0.05 (50)"}
    assert "Drawn: 20 of 50 features with q < 0.05, 0 of 10 others" in chart.said


@pytest.mark.parametrize("asked", [{"most": 0}, {"seed": -1}])
def test_nonsense_is_refused(asked: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match="at least"):
        diff_of(difference()).plot(**asked)


def test_an_answer_without_rows_has_a_plot(collection: Collection) -> None:
    said: dict[str, Any] = {"n_a": 1, "n_b": 1, "n_tested": 0, "test": "z"}
    none = table(difference(), **said).slice(0, 0)
    assert read(Diff(none).plot()).rows("point") == []
    pairs = collection.correlate(min_npmi=0.999)
    assert read(pairs.plot()).rows("circle") == []


# -- Associations.


def association(**changes: Any) -> dict[str, Any]:
    row = {"feature": 1, "effect": 0.2, "p_value": 0.1, "q_value": 0.2, "n_documents": 4}
    return row | {"ci_low": None, "ci_high": None} | changes


def test_every_association_is_a_line_with_its_interval(collection: Collection) -> None:
    found = collection.associate("label", k=None)
    chart = read(found.plot(level=0.5))
    points = {row["feature"]: row for row in chart.rows("point")}
    assert len(points) == len(found)
    for row in found:
        point = points[str(row.feature)]
        assert (point["effect"], point.get("low"), point.get("high")) == (
            row.effect,
            row.ci_low,
            row.ci_high,
        )
        is_sure = row.q_value is not None and row.q_value < 0.5
        assert point["group"].startswith("q <" if is_sure else "q ≥")
    assert chart.title == f"{found.statistic}, {found.n} documents"
    assert {"effect": 0.5} in chart.rows("rule")
    assert str(found.about["test"]) in chart.said
    assert str(found.about["correction"]) in chart.said
    assert "95% intervals" in chart.said


@pytest.mark.parametrize(
    ("statistic", "nothing"),
    [("AUC of x", 0.5), ("Spearman correlation with x", 0.0), ("Moran's I of x, y", -1 / 9)],
)
def test_a_line_says_where_a_feature_says_nothing(statistic: str, nothing: float) -> None:
    row: dict[str, Any] = {
        "feature": 1,
        "effect": 0.2,
        "p_value": 0.1,
        "q_value": 0.2,
        "n_documents": 4,
    }
    row |= {"label": None, "category": None, "ci_low": None, "ci_high": None}
    chart = read(Associations(table(row, statistic=statistic, n=10, n_tested=1)).plot())
    (at,) = (row for row in chart.rows("rule") if "feature" not in row)
    assert math.isclose(at["effect"], nothing)
    assert "Without an interval: 1 feature." in chart.said


def test_of_many_associations_the_first_are_drawn_and_that_is_said(collection: Collection) -> None:
    found = collection.associate("length", k=None, min_documents=1)
    chart = read(found.plot(most=3))
    assert [row["feature"] for row in chart.rows("point")] == [str(a.feature) for a in found[:3]]
    assert f"the first 3 of {len(found)} features" in chart.said


# -- Correlations.


def test_every_pair_is_a_line_between_its_features(collection: Collection) -> None:
    pairs = collection.correlate(min_npmi=-1, min_documents=1, k=30)
    chart = read(pairs.plot())
    circles = {row["feature"]: row for row in chart.rows("circle")}
    assert len(chart.rows("rule")) == len(pairs) == 30
    for pair, line in zip(pairs, chart.rows("rule"), strict=True):
        a, b = circles[str(pair.feature_a)], circles[str(pair.feature_b)]
        assert (line["x"], line["y"], line["x2"], line["y2"]) == (a["x"], a["y"], b["x"], b["y"])
        assert line["strength"] == abs(pair.npmi)
        assert line["sign"] == ("together" if pair.npmi >= 0 else "apart")
        assert (a["fires in"], b["fires in"]) == (pair.n_a, pair.n_b)
        assert tip(line, "both") == f"{pair.n_both:,}"
    assert {row["beside"] for row in chart.rows("text")} == {c["beside"] for c in circles.values()}
    assert chart.title == f"30 pairs of features over {pairs.n} documents"


def test_of_many_pairs_the_strongest_are_drawn_and_that_is_said(collection: Collection) -> None:
    pairs = collection.correlate(min_npmi=-1, min_documents=1, k=30, control="length()")
    chart = read(pairs.plot(most=5))
    assert [row["pair"] for row in chart.rows("rule")] == [
        f"{p.feature_a} | {p.feature_b}" for p in pairs[:5]
    ]
    assert chart.title.startswith("5 of 30 pairs")
    assert "the first 5 of 30 pairs" in chart.said
    assert str(pairs.about["test"]) in chart.said
    assert tip(chart.rows("rule")[0], "q") == f"{pairs[0].q_value:.3g}"


def test_a_feature_of_two_aligned_texts_stands_once_for_each() -> None:
    same = correlation(feature_a=3, feature_b=3)
    pairs = Correlations(table(same, n=5, unit="value of prompt_id", notes="[]"))
    circles = read(pairs.plot()).rows("circle")
    assert {row["feature"] for row in circles} == {"3 in a", "3 in b"}


# -- Maps.


@pytest.mark.parametrize("asked", [{}, {"column": "label"}, {"features": [3, 4]}])
def test_every_point_of_a_map_is_at_its_place_in_its_colour(
    collection: Collection, asked: dict[str, Any]
) -> None:
    points = collection.map(**asked)
    chart = read(points.plot())
    drawn = {row["name"]: row for row in chart.rows("circle")}
    assert len(drawn) == len(points)
    for point, colour in zip(points, points.colours.index, strict=True):
        row = drawn[str(point.id)]
        assert (row["x"], row["y"]) == (point.x, point.y)
        neither = "0, or no value" if points.colours.are_shades else "no value"
        assert row["colour"] == (neither if colour < 0 else points.colours.names[colour])
    assert points.made in chart.said
    assert f"{points.n:,} documents" in chart.title


def test_points_without_a_value_are_counted() -> None:
    chart = read(map_answer(value=[0.0, 1.0, None, None]).plot())
    assert "Without a value: 2 points." in chart.said
    groups = [row["colour"] for row in chart.rows("circle")]
    assert groups.count("0, or no value") == 3


def test_a_map_of_many_points_is_drawn_by_chance_and_says_so() -> None:
    chart = read(map_answer(value=[1.0] * 6000).plot())
    assert len({row["name"] for row in chart.rows("circle")}) == 5000
    assert "Drawn: 5,000 of 6,000 points, by chance (seed 0" in chart.said


def test_groups_that_would_read_alike_are_told_apart() -> None:
    chart = read(map_answer(category=["a b", "a\x1bb", "a b"]).plot())
    assert len({row["colour"] for row in chart.rows("circle")}) == 2


# -- Clusters.


def test_clusters_are_drawn_on_the_map_of_their_collection(collection: Collection) -> None:
    clusters = collection.cluster(4)
    where = {doc: c for c in clusters for doc in c.docs}
    chart = read(clusters.map())
    points = collection.map(k=None)
    drawn = {row["name"]: row for row in chart.rows("circle")}
    assert len(drawn) == len(points)
    for point in points:
        row, cluster = drawn[str(point.id)], where.get(point.row)
        assert (row["x"], row["y"]) == (point.x, point.y)
        assert row["cluster"] == ("none" if cluster is None else str(cluster.cluster))
        begins = "in no cluster"
        if cluster is not None:
            begins = f"{cluster.cluster} · {cluster.n_documents} · "
        assert row["colour"].startswith(begins)
    inside = sum(point.row in where for point in points)
    assert f"{inside:,} are in a cluster, {len(points) - inside:,} in none" in chart.said
    assert chart.title == f"{len(clusters)} clusters of {clusters.n} documents"
    assert read(clusters.map(points)).rows("circle") == chart.rows("circle")


def test_a_map_is_asked_for_as_many_points_as_are_drawn(collection: Collection) -> None:
    narrowed = collection.where("length > 4")
    chart = read(narrowed.cluster(3, where="label = 'pos'").map(most=9, seed=2))
    same = narrowed.map(where="label = 'pos'", k=9, seed=2)
    assert {row["name"] for row in chart.rows("circle")} == {str(p.id) for p in same}
    assert same.notes[0] in chart.said


def test_clusters_without_a_number_of_their_own_share_a_colour(collection: Collection) -> None:
    clusters = collection.cluster(12)
    assert len(clusters) == 12
    (shared,) = {
        row["colour"]
        for row in read(clusters.map()).rows("circle")
        if row["cluster"] in {str(c.cluster) for c in clusters[10:]}
    }
    assert shared == "2 others"


def test_clusters_that_cannot_ask_say_what_to_give(collection: Collection) -> None:
    alone = Clusters(collection.cluster(3).to_arrow())
    with pytest.raises(InvalidInput, match=r"clusters\.map\(collection\.map\(\)\)"):
        alone.map()
    assert read(alone.map(collection.map())).rows("circle")


def test_clusters_are_no_features(collection: Collection) -> None:
    points = map_answer(value=[1.0]).to_arrow()
    metadata = {**points.schema.metadata, b"of": b"features"}
    features = MapPoints(points.replace_schema_metadata(metadata))
    with pytest.raises(InvalidInput, match="documents"):
        collection.cluster(3).map(features)


# -- All of them.


def every(collection: Collection) -> Iterator[Any]:
    yield sides(collection).plot()
    yield collection.associate("label").plot()
    yield collection.correlate(min_npmi=-1, min_documents=1).plot()
    yield collection.map().plot()
    yield collection.cluster(3).map()


def test_charts_may_be_put_beside_each_other_and_changed(collection: Collection) -> None:
    charts = [*every(collection)]
    assert alt.hconcat(*charts).to_dict()
    assert charts[0].properties(background="black").to_dict()["background"] == "black"


def test_no_chart_asks_for_anything_else(collection: Collection) -> None:
    for chart in map(read, every(collection)):
        spec = {**chart.spec, "$schema": ""}
        assert not [text for text in texts(spec) if "://" in text or text in ("href", "url")]
        assert "config" in spec  # of Altair's theme, which a user may change
        assert not {*tooltips(spec)} & {"image", "title"}


def hostile() -> Iterator[Any]:
    yield diff_of(
        difference(label=HOSTILE, against=HOSTILE), others=json.dumps([HOSTILE]), test=HOSTILE
    ).plot()
    notes = json.dumps([HOSTILE])
    yield Correlations(table(correlation(label_a=HOSTILE), n=5, notes=notes)).plot()
    row: dict[str, Any] = {
        "feature": 1,
        "effect": 0.2,
        "p_value": 0.1,
        "q_value": 0.2,
        "n_documents": 4,
    }
    row |= {"label": HOSTILE, "category": HOSTILE, "ci_low": None, "ci_high": None}
    yield Associations(table(row, statistic=f"AUC {HOSTILE}", n=10, n_tested=1)).plot()
    yield map_answer(id=[HOSTILE], text=[HOSTILE], category=[HOSTILE]).plot()
    cluster: dict[str, Any] = {"cluster": 0, "n_documents": 1, "docs": [0], "centrality": [1.0]}
    feature = {"feature": 1, "label": HOSTILE, "frequency_in": 1.0, "frequency_out": 0.0}
    central = {"doc": 0, "id": HOSTILE, "centrality": 1.0, "text": HOSTILE}
    clusters = Clusters(
        table(cluster | {"features": [feature], "central": [central]}, n=1, n_left_out=0)
    )
    yield clusters.map(map_answer(id=[HOSTILE], text=[HOSTILE]))


def test_hostile_text_is_text_of_one_line() -> None:
    charts = [*map(read, hostile())]
    assert len(charts) == 5
    for chart in charts:
        shown = [*texts(chart.spec)]
        assert any("<script>" in text for text in shown), "it is there, as text"
        assert all(text.isprintable() for text in shown)
        assert not {*tooltips(chart.spec)} & {"image", "title"}


def test_without_altair_a_plot_says_what_to_install() -> None:
    code = """
import pyarrow as pa
from saelake import Diff, MissingExtra
said = {"n_a": "1", "n_b": "1", "n_tested": "0", "test": "z"}
diff = Diff(pa.table({"feature": []}).replace_schema_metadata(said))
try:
    diff.plot()
except MissingExtra as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", hidden({"altair"}) + code],
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = run.stdout.splitlines()
    assert line == ("A plot needs altair, which is not installed: pip install 'saelake[plots]'.")


def test_altair_is_loaded_by_plots_alone() -> None:
    code = "import sys; from saelake import Diff, Clusters, MapPoints, Feature, Collection\n"
    code += "from saelake.answers.answering import ANSWERS\nprint('altair' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_charts_are_altairs() -> None:
    assert isinstance(diff_of(difference()).plot(), alt.LayerChart)
    assert isinstance(map_answer(value=[1.0]).plot(), alt.Chart)
