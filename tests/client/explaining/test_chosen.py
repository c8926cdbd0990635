"""Which features a run is about."""

from pathlib import Path

import pytest

from saelake.collection import Collection
from saelake.explaining.run.chosen import FeatureChoice
from saelake.store.errors import InvalidExpression, InvalidInput, NotFound
from tests.client.explaining.planted import PLANTED, planted_lake


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return planted_lake(tmp_path_factory.mktemp("chosen"), rules=[*PLANTED, "never"])


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return planted_lake(tmp_path_factory.mktemp("signed"), signed=True)


def test_all_that_fire_are_chosen_the_most_frequent_first(planted: Collection) -> None:
    rows = {str(r.feature): r.document_frequency for r in planted.features(k=None)}
    names = FeatureChoice().of(planted)
    assert sorted(names) == [str(i) for i, n in sorted(rows.items()) if n]
    assert [rows[name] for name in names] == sorted((rows[n] for n in names), reverse=True)
    assert FeatureChoice(k=2).of(planted) == names[:2]


def test_a_list_is_in_its_order_and_without_what_never_fires(planted: Collection) -> None:
    assert FeatureChoice(features=[3, 6, 1, 3]).of(planted) == ["3", "1"]
    with pytest.raises(NotFound, match="no feature 99"):
        FeatureChoice(features=[99]).of(planted)


def test_features_of_an_expression(planted: Collection, signed: Collection) -> None:
    assert FeatureChoice(expression="5 & (1 | !2) & 1").of(planted) == ["5", "1", "2"]
    assert FeatureChoice(expression="-1 & 2").of(signed) == ["-1", "+2", "-2"]
    with pytest.raises(InvalidExpression):
        FeatureChoice(expression="5 &").of(planted)


def test_poles_are_chosen_apart(signed: Collection) -> None:
    assert FeatureChoice(features=["-0", 2]).of(signed) == ["-0", "+2", "-2"]


def test_what_differs_is_in_the_order_of_the_diff(planted: Collection, signed: Collection) -> None:
    sides = planted.where("length > 40"), planted.where("length <= 40")
    rows = [str(row.feature) for row in sides[0].diff(sides[1], examples=False)]
    assert FeatureChoice(differing=sides, k=3).of(planted) == rows[:3]
    assert FeatureChoice(differing=sides).of(planted) == rows
    with pytest.raises(InvalidInput, match="features of"):
        FeatureChoice(differing=sides).of(signed.__class__("made/other", signed.transport))


def test_what_has_a_label_can_be_left_out(tmp_path: Path) -> None:
    planted = planted_lake(tmp_path, signed=True)
    planted.dictionary.label("-2", "by hand")
    left = FeatureChoice(features=[1, 2], unlabelled=True).of(planted)
    assert left == ["+1", "-1", "+2"]


def test_features_are_chosen_in_one_way() -> None:
    with pytest.raises(InvalidInput, match="in one way"):
        FeatureChoice(features=[1], expression="2")
    with pytest.raises(InvalidInput, match="1 or more"):
        FeatureChoice(k=0)
