"""Questions about codes from elsewhere equal a dict of vectors, whatever has them."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import saelake
from saelake.store.codes.characters import UNIT_CHARACTERS
from tests.workers.outside.vectors import Documents, cosine, npmi

UNITS = ("document", "span", "token")


def pole(feature: int, sign: str | None, names: dict[int, str]) -> str:
    return f"-{names[feature]}" if sign == "-" else names[feature]


@settings(max_examples=8)
@given(data=st.data(), unit=st.sampled_from(UNITS), signed=st.booleans(), seed=st.integers(0, 999))
def test_answers_are_those_of_a_dict_of_vectors(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    unit: str,
    signed: bool,
    seed: int,
) -> None:
    """Imported in two parts that interleave, and with some vectors replaced; indexed or not."""
    made = Documents.drawn(seed, unit=unit, signed=signed)
    lake = saelake.connect(tmp_path_factory.mktemp("outside"))
    first = data.draw(st.lists(st.sampled_from(list(made.texts)), min_size=2, unique=True))
    lake.import_corpus(
        [{"id": d, "text": t, "label": made.labels[d]} for d, t in made.texts.items()], "c"
    )
    before = Documents.drawn(seed + 1, unit=unit, signed=signed)  # other vectors of some
    stale = [own for own in first if before.texts[own] == made.texts[own] or unit == "document"][:2]
    rows = before.only(stale).rows(unit=unit, with_texts=False)
    rows += made.only([own for own in first if own not in stale]).rows(unit=unit, with_texts=False)
    asked: dict[str, Any] = {
        "unit": unit,
        "signed": signed,
        "keys": "names",
        "on_duplicate": "update",
    }
    lake.import_codes(rows, "c/v", **asked)
    if data.draw(st.booleans()):
        lake.index("c/v")
    lake.import_codes(made.rows(unit=unit, with_texts=False), "c/v", **asked)
    if data.draw(st.booleans()):
        lake.index("c/v")
    _check(lake, made, unit)
    lake.index("c/v")
    _check(lake, made, unit)
    _check_statistics(lake, made)


def _named(lake: saelake.Lake) -> dict[int, str]:
    return {
        label.feature: label.label
        for label in lake.dictionary("v").labels(k=None, explainers=["names"])
        if label.pole in (None, "+")
    }


def _check(lake: saelake.Lake, made: Documents, unit: str) -> None:
    names, codes = _named(lake), lake["c/v"]
    numbers = {name: number for number, name in names.items()}
    docs = {own: i for i, own in enumerate(made.texts)}
    every = list(made.strengths())
    sign = "+" if any(label.pole is not None for label in codes.labels(k=1)) else ""
    for name, number in numbers.items():
        fires = [(s, docs[d], p) for d, p, which, s in every if which == name]
        best = {doc: max(((s, -p) for s, d, p in fires if d == doc)) for _, doc, _ in fires}
        hits = codes.tokens(f"{sign}{number}", None, per="token")
        assert [(h.value, h.doc, h.position) for h in hits] == sorted(
            fires, key=lambda f: (-f[0], f[1], f[2])
        )
        strongest = codes.tokens(f"{sign}{number}", None)
        assert {(h.doc, h.value, -h.position) for h in strongest} == {
            (doc, *value) for doc, value in best.items()
        }
        for hit in hits:
            own = made.units[hit.id][hit.position]
            assert hit.token == made.texts[hit.id][own.start : own.end]
    asked = list(made.texts)[3]
    mine = made.pooled(asked)
    scores = {own: cosine(mine, made.pooled(own)) for own in made.texts if own != asked}
    if not mine:
        return
    found = codes.similar(id=asked, k=5)
    best_five = sorted(scores.values(), reverse=True)[:5]
    assert [h.score for h in found] == pytest.approx([s for s in best_five if s > 0], abs=1e-5)
    for near in found:
        assert near.score == pytest.approx(scores[near.id], abs=1e-5)


def _check_statistics(lake: saelake.Lake, made: Documents) -> None:
    names, codes = _named(lake), lake["c/v"]
    every = list(made.strengths())
    n_units = sum(len(units) for units in made.units.values())
    for feature in codes.features(k=None):
        if feature.feature not in names:
            assert feature.token_frequency == 0
            continue
        which = pole(feature.feature, feature.pole, names)
        fires = [(d, s) for d, _, name, s in every if name == which]
        assert feature.token_frequency == len(fires)
        assert feature.document_frequency == len({d for d, _ in fires})
        assert feature.density == pytest.approx(len(fires) / n_units)
        if fires:
            assert abs(feature.max or 0) == max(s for _, s in fires)
            assert abs(feature.mean or 0) == pytest.approx(sum(s for _, s in fires) / len(fires))
    sides = {label: [d for d, of in made.labels.items() if of == label] for label in ("pos", "neg")}
    compared = codes.where("label = 'pos'").diff(codes.where("label = 'neg'"), k=None)
    assert (compared.n_a, compared.n_b) == (len(sides["pos"]), len(sides["neg"]))
    for row in compared:
        which = pole(row.feature, row.pole, names)
        shares = [
            sum(which in made.pooled(d) for d in sides[label]) / len(sides[label])
            for label in ("pos", "neg")
        ]
        assert (row.frequency_a, row.frequency_b) == pytest.approx(tuple(shares))
    pooled = {own: made.pooled(own) for own in made.texts}
    pairs = codes.correlate(min_npmi=-1, min_documents=1, max_coverage=1, k=None)
    both_fire = sum(
        1
        for a, b in combinations(sorted({n for p in pooled.values() for n in p}), 2)
        if any(a in p and b in p for p in pooled.values())
    )
    assert len(pairs) == both_fire
    for pair in pairs:
        a = pole(pair.feature_a, pair.pole_a, names)
        b = pole(pair.feature_b, pair.pole_b, names)
        n_a, n_b = (sum(x in p for p in pooled.values()) for x in (a, b))
        both = sum(a in p and b in p for p in pooled.values())
        assert pair.npmi == pytest.approx(npmi(n_a, n_b, both, len(pooled)), abs=1e-6)


def test_a_document_is_shown_by_its_beginning_wherever_it_is_shown(tmp_path: Path) -> None:
    lake = saelake.connect(tmp_path)
    rows = [{"id": f"d{i}", "text": f"{i} " * 5000, "vector": {"rain": 1.0 + i}} for i in range(12)]
    lake.import_codes(rows, "c/v")
    lake.index("c/v")
    codes = lake["c/v"]
    beginning = ("11 " * 5000)[:UNIT_CHARACTERS]
    assert codes.tokens(0)[0].token == beginning
    assert codes.places([0])[0].token == beginning
    (window,) = codes.windows(0, [11], [0])
    assert window.text == beginning
