"""A signed dictionary end to end: both poles of each feature, by brute force over exported codes.

An AbsTopK dictionary over a tiny model, encoded, indexed, embedded and labelled by the real parts;
asked by every face.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse, stats

import saelake
from saelake.collection import Collection
from saelake.lake import Lake
from saelake.store.errors import InvalidExpression, InvalidInput, NotFound
from tests.client.cli.command import run
from tests.contract.faces import Faces
from tests.tiny import D_SAE, save_corpus, save_dictionary, save_model

NAME = "words/signed"
POSITIVE, NEGATIVE = "label = 'pos'", "label = 'neg'"
Floats = npt.NDArray[np.float64]
Pole = tuple[int, str]


@dataclass(frozen=True)
class Signed:
    """The lake, and what its exported codes say by themselves."""

    embedded: Lake
    parts: Path

    @cached_property
    def codes(self) -> pa.Table:
        path = self.parts / "codes.parquet"
        self.embedded[NAME].export_codes(path)
        return pq.read_table(path)

    @cached_property
    def by_pole(self) -> dict[Pole, list[tuple[int, int, float]]]:
        """(doc, position, value) of each pole that fires."""
        found: dict[Pole, list[tuple[int, int, float]]] = {}
        for row in self.codes.to_pylist():
            pole = row["feature"], "-" if row["value"] < 0 else "+"
            found.setdefault(pole, []).append((row["doc"], row["position"], row["value"]))
        return found

    @cached_property
    def ids(self) -> list[str]:
        return [f"d{doc}" for doc in range(self.embedded[NAME].info().n_documents)]

    @cached_property
    def lengths(self) -> Floats:
        """How many tokens each document has."""
        documents = (self.embedded[NAME].document(name, features=[]) for name in self.ids)
        return np.array([len(document.tokens) for document in documents], np.float64)

    def embeddings(self, pooling: str) -> dict[Pole, Floats]:
        """Each pole's strength in each document, by definition."""
        return {pole: self._pooled(codes, pooling) for pole, codes in self.by_pole.items()}

    def _pooled(self, codes: list[tuple[int, int, float]], pooling: str) -> Floats:
        found = np.zeros(len(self.ids))
        for doc, _, value in codes:
            strength = abs(value)
            found[doc] = max(found[doc], strength) if pooling == "max" else found[doc] + strength
        if pooling == "binary":
            return (found > 0).astype(np.float64)
        return found / np.maximum(self.lengths, 1) if pooling == "mean" else found


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    parts = tmp_path_factory.mktemp("signed")
    save_model(parts / "llama")
    save_model(parts / "sentences", bert=True)
    save_dictionary(parts / "signed", architecture="abstopk", seed=2)
    corpus = save_corpus(parts / "words.parquet", 60)
    lake = saelake.connect(str(parts / "lake"))
    lake.ingest(str(corpus), model=str(parts / "llama"), dictionary=str(parts / "signed"))
    lake.embed("words", model=str(parts / "sentences"))
    lake.label(NAME)
    return Signed(lake, parts)


@pytest.fixture(scope="module")
def asked(signed: Signed, face: str, faces: Faces) -> Iterator[Collection]:
    with faces.open(face, signed.embedded.uri) as lake:
        yield lake[NAME]


def named(pole: Pole) -> str:
    return f"{pole[1]}{pole[0]}"


def test_the_lake_is_of_both_signs(signed: Signed) -> None:
    """The negative half is no smaller, and some features fire on both sides in one document."""
    values = signed.codes["value"].to_numpy()
    assert 0.2 < (values < 0).mean() < 0.8
    both = [f for f, sign in signed.by_pole if sign == "+" and (f, "-") in signed.by_pole]
    docs = {f: [{d for d, _, _ in signed.by_pole[f, s]} for s in "+-"] for f in both}
    assert any(plus & minus for plus, minus in docs.values())
    assert max(signed.codes["feature"].to_pylist()) < D_SAE


def strongest(codes: list[tuple[int, int, float]], per: str) -> list[tuple[int, int, float]]:
    ordered = sorted(codes, key=lambda code: (-abs(code[2]), code[0], code[1]))
    if per == "token":
        return ordered
    seen: dict[int, tuple[int, int, float]] = {}
    for code in ordered:
        seen.setdefault(code[0], code)
    return list(seen.values())


@pytest.mark.parametrize("per", ["document", "token"])
def test_tokens_of_either_pole_and_of_both(signed: Signed, asked: Collection, per: Any) -> None:
    for feature in sorted({f for f, _ in signed.by_pole})[:12]:
        poles = {sign: signed.by_pole.get((feature, sign), []) for sign in "+-"}
        for expression, codes in (
            (f"-{feature}", poles["-"]),
            (f"+{feature}", poles["+"]),
            (f"{feature} < 0", poles["-"]),
            (f"{feature}", poles["+"] + poles["-"]),
            (f"{feature} < -1", [code for code in poles["-"] if code[2] < -1]),
            (f"{feature} > 1", [code for code in poles["+"] if code[2] > 1]),
        ):
            for k in (4, None):
                hits = asked.tokens(expression, k, per=per)
                found = [(h.doc, h.position, h.value) for h in hits]
                assert found == strongest(codes, per)[:k]
    assert asked.tokens(-3, 5) == asked.tokens("-3", 5)


def test_features_have_a_row_for_each_pole(signed: Signed, asked: Collection) -> None:
    rows = asked.features(k=None, order="feature")
    assert [(r.feature, r.pole) for r in rows] == [(f, s) for s in "+-" for f in range(D_SAE)]
    for row in rows:
        codes = signed.by_pole.get((row.feature, row.pole or ""), [])
        values = np.array([value for _, _, value in codes])
        assert row.token_frequency == len(codes) == sum(row.histogram)
        assert row.document_frequency == len({doc for doc, _, _ in codes})
        if len(codes):
            assert row.max == np.float32(values[np.abs(values).argmax()])
            assert row.mean == pytest.approx(values.mean(), rel=1e-5)
            assert row.sum == pytest.approx(values.sum(), rel=1e-5)
        else:
            assert row.max is None
    assert [(r.feature, r.pole) for r in asked.features([5, -7, "-0"])] == [
        (5, "+"), (5, "-"), (7, "-"), (0, "-"),
    ]  # fmt: skip
    assert asked.feature(5).pole == "+"
    first = asked.features(k=9, order="max")
    assert [abs(r.max or 0) for r in first] == sorted(
        (abs(r.max or 0) for r in first), reverse=True
    )


def test_a_document_has_its_values_with_their_signs(signed: Signed, asked: Collection) -> None:
    document = asked.document("d7")
    codes = {pole: [c for c in every if c[0] == 7] for pole, every in signed.by_pole.items()}
    codes = {pole: here for pole, here in codes.items() if here}
    assert document.poles is not None
    assert set(zip(document.features.tolist(), document.poles, strict=True)) == set(codes)
    for (feature, sign), here in codes.items():
        found = document.codes(f"{sign}{feature}")
        assert found.positions.tolist() == [position for _, position, _ in here]
        assert found.values.tolist() == [value for _, _, value in here]
        assert (found.pole, abs(found.max)) == (sign, max(abs(v) for _, _, v in here))
        whole = document.codes(feature)
        both = sorted(codes.get((feature, "+"), []) + codes.get((feature, "-"), []))
        assert whole.values.tolist() == [value for _, _, value in both]
        assert abs(whole.max) == max(abs(value) for _, _, value in both)
    ranks = [abs(codes.max) for codes in document.strongest(20)]
    assert ranks == sorted(ranks, reverse=True)
    assert any(codes.max < 0 for codes in document.strongest(20))
    feature = next(f for f, sign in codes if sign == "-")
    assert asked.document("d7", features=[f"-{feature}"]).poles == ("-",)


@pytest.mark.parametrize("pooling", ["max", "mean", "sum", "binary"])
def test_exported_embeddings_have_a_column_for_each_pole(
    signed: Signed, asked: Collection, tmp_path: Path, pooling: Any
) -> None:
    path = tmp_path / "embeddings.npz"
    asked.export_embeddings(path, pooling=pooling)
    matrix = sparse.load_npz(path)
    assert matrix.has_canonical_format
    with np.load(path) as arrays:
        feature, sign = arrays["feature"], arrays["sign"]
    assert matrix.shape == (60, 2 * D_SAE)
    assert feature.tolist() == [*range(D_SAE), *range(D_SAE)]
    assert sign.tolist() == [1] * D_SAE + [-1] * D_SAE
    dense = matrix.toarray()
    expected = signed.embeddings(pooling)
    for column in range(2 * D_SAE):
        pole = int(feature[column]), "+" if sign[column] > 0 else "-"
        values = expected.get(pole, np.zeros(60))
        np.testing.assert_allclose(dense[:, column], values, rtol=1e-5)


def test_a_diff_leaves_no_pole_out(signed: Signed, asked: Collection) -> None:
    pos, neg = asked.where(POSITIVE), asked.where(NEGATIVE)
    rows = pos.diff(neg, k=None)
    docs = [side.embeddings().read_all()["doc"].to_pylist() for side in (pos, neg)]
    fires = {pole: column > 0 for pole, column in signed.embeddings("max").items()}
    known = {pole: tuple(column[side].mean() for side in docs) for pole, column in fires.items()}
    known = {pole: shares for pole, shares in known.items() if max(shares) > 0}
    assert {(r.feature, r.pole): (r.frequency_a, r.frequency_b) for r in rows} == known
    assert rows.n_tested == len(known) > len({feature for feature, _ in known})
    for row in rows[:100]:  # those that have examples
        for example, side in ((row.example_a, pos), (row.example_b, neg)):
            best = side.tokens(named((row.feature, row.pole or "")), 1)
            assert (example is None) == (len(best) == 0)
            if example is not None:
                assert (example.doc, example.value) == (best[0].doc, best[0].value)
                assert (example.value < 0) == (row.pole == "-")


def test_associations_of_each_pole(signed: Signed, asked: Collection) -> None:
    rows = asked.associate("label", k=None, min_documents=3)
    labels = np.array(
        [
            d["metadata"]["label"] == "pos"
            for d in (asked.document(i).to_arrow().to_pylist()[0] for i in signed.ids)
        ]
    )
    embeddings = signed.embeddings("max")
    assert {(r.feature, r.pole) for r in rows} == {
        pole for pole, column in embeddings.items() if (column > 0).sum() >= 3
    }
    for row in rows:
        x = embeddings[row.feature, row.pole or ""]
        u = stats.mannwhitneyu(x[labels], x[~labels]).statistic
        assert row.effect == pytest.approx(u / labels.sum() / (~labels).sum(), abs=1e-9)


def test_shares_of_each_pole(signed: Signed, asked: Collection) -> None:
    embeddings = signed.embeddings("max")
    for said, poles in ((3, "+-"), ("3", "+-"), ("-3", "-"), ("+3", "+"), ("-0", "-")):
        fires = np.any([embeddings[abs(int(said)), pole] > 0 for pole in poles], axis=0)
        found = asked.shares(said, by="label")
        assert (found.n, found.n_firing) == (len(fires), fires.sum())
        assert sum(row.n_firing for row in found) == fires.sum()


def test_poles_that_fire_together(signed: Signed, asked: Collection) -> None:
    fires = {pole: column > 0 for pole, column in signed.embeddings("max").items()}
    pairs = asked.correlate(min_npmi=-1, min_documents=2, max_coverage=1, k=None)
    assert {p.pole_a for p in pairs} == {p.pole_b for p in pairs} == {"+", "-"}
    for pair in pairs:
        a, b = (
            fires[f, s or ""]
            for f, s in ((pair.feature_a, pair.pole_a), (pair.feature_b, pair.pole_b))
        )
        assert (pair.n_a, pair.n_b, pair.n_both) == (a.sum(), b.sum(), (a & b).sum())
    expected = sum(
        (a & b).sum() >= 2 for i, a in enumerate(fires.values()) for b in list(fires.values())[:i]
    )
    assert len(pairs) == expected
    name = f"-{pairs[0].feature_a}"
    only = asked.correlate(features=[name], min_npmi=-1, min_documents=2, max_coverage=1, k=None)
    poles = [((p.feature_a, p.pole_a), (p.feature_b, p.pole_b)) for p in only]
    assert all((pairs[0].feature_a, "-") in pair for pair in poles)
    family = asked.families(min_npmi=0.2, min_documents=3, max_coverage=1)[0]
    assert family.poles is not None
    assert len(family.names) == len(family.poles) == family.n_features


def test_similar_documents_share_poles(signed: Signed, asked: Collection) -> None:
    columns = signed.embeddings("max")
    matrix = np.stack(list(columns.values()), 1)
    for measure in ("cosine", "dot", "jaccard"):
        hits = asked.similar(doc=7, k=None, measure=measure)
        for hit in hits:
            a, b = matrix[7], matrix[hit.doc]
            expected = {
                "cosine": a @ b / np.linalg.norm(a) / np.linalg.norm(b),
                "dot": a @ b,
                "jaccard": np.minimum(a, b).sum() / np.maximum(a, b).sum(),
            }[measure]
            assert hit.score == pytest.approx(expected, rel=1e-4)
            for shared in hit.shared_features:
                pole = shared.feature, shared.pole or ""
                assert abs(shared.value) == np.float32(columns[pole][hit.doc])
                assert (shared.value < 0) == (shared.pole == "-")
                assert columns[pole][7] > 0
    (pole, column), *_ = ((p, c) for p, c in columns.items() if p[1] == "-" and (c > 0).sum() > 5)
    by_name = asked.similar(features={named(pole): 1.0}, measure="dot", k=None)
    assert {h.doc: h.score for h in by_name} == pytest.approx(
        {doc: float(value) for doc, value in enumerate(column) if value}
    )
    if pole[0]:
        assert asked.similar(features={-pole[0]: 1.0}, measure="dot", k=None) == by_name
        assert asked.similar(features={pole[0]: -1.0}, measure="dot", k=None) == by_name
    text = " ".join(t.text for t in asked.document("d7").tokens)
    assert asked.similar(text, k=1)[0].id == "d7"
    within = asked.similar(doc=7, within=[named(pole)], k=3)
    assert {(s.feature, s.pole) for h in within for s in h.shared_features} <= {pole}


def test_a_pole_has_labels_neighbors_and_matches(signed: Signed, asked: Collection) -> None:
    dictionary = asked.dictionary
    labels = {(row.feature, row.pole): row.label for row in dictionary.labels(k=None)}
    assert set(labels) == set(signed.by_pole)
    (feature, _), *_ = (pole for pole in labels if pole[1] == "-")
    both = dictionary.labels(features=[feature])
    assert {row.pole for row in both} == {s for f, s in labels if f == feature}
    assert [r.pole for r in dictionary.labels(features=[f"-{feature}"])] == ["-"]
    near = dictionary.neighbors(f"-{feature}", k=200)
    W = decoder(signed.parts)
    for row in near:
        sign = -1 if row.pole == "-" else 1
        assert row.cosine == pytest.approx(float(-W[feature] @ (sign * W[row.feature])), abs=1e-5)
    cosines = [row.cosine for row in near]
    assert cosines == sorted(cosines, reverse=True)
    assert len(near) == 2 * D_SAE - 1
    for by in ("activation", "jaccard", "decoder"):
        own = asked.match(asked, by=by, k=1)
        assert all((m.feature_a, m.pole_a) == (m.feature_b, m.pole_b) for m in own)
        assert {m.pole_a for m in own} == {"+", "-"}
        np.testing.assert_allclose([m.score for m in own], 1, atol=1e-5)
    found = asked.retrieve("w1 w2", k=5, method="sae")
    assert len(found)
    groups = asked.cluster(3)
    assert {f.pole for group in groups for f in group.features} <= {"+", "-"}


def test_poles_stand_for_a_phrase(signed: Signed, asked: Collection) -> None:
    """`chosen` names those whose labels are nearest, and only these are compared."""
    nearest = {(r.feature, r.pole): r for r in asked.dictionary.labels("w1 w2", k=20)}
    assert {pole for _, pole in nearest} == {"+", "-"}
    found = asked.retrieve("w1 w2", k=60, method="sae", n_features=20)
    alike = asked.similar(doc=7, about="w1 w2", k=60)
    groups = asked.cluster(2, about="w1 w2", n_labels=20)
    for answer in (found, alike, groups):
        chosen = {(c.feature, c.pole): c for c in answer.chosen}
        mine = list(chosen)[:20]
        assert mine == list(nearest)
        for pole, row in nearest.items():
            assert (chosen[pole].label, chosen[pole].similarity) == (row.label, row.similarity)
    for documents in (found, alike):
        shared = {(s.feature, s.pole) for hit in documents for s in hit.shared_features}
        assert shared
        assert shared <= {(c.feature, c.pole) for c in documents.chosen}
    name, row = next((n, r) for n, r in nearest.items() if n[1] == "-")
    given = asked.retrieve("w1 w2", method="sae", features={f"-{row.feature}": 2.0})
    (one,) = given.chosen
    assert ((one.feature, one.pole), one.weight, one.label) == (name, 2.0, row.label)
    assert {(s.feature, s.pole) for hit in given for s in hit.shared_features} == {name}
    lake = signed.parts / "lake"
    asking = ["retrieve", NAME, "w1 w2", "--chosen", "--format", "json", "--lake", str(lake)]
    rows = json.loads(run(*asking).out)["chosen"]
    assert [(row["feature"], row["pole"]) for row in rows[:20]] == list(nearest)


def decoder(parts: Path) -> Floats:
    from safetensors.numpy import load_file

    W: Floats = load_file(parts / "signed" / "sae_weights.safetensors")["W_dec"].astype(np.float64)
    unit: Floats = W / np.linalg.norm(W, axis=1, keepdims=True)
    return unit


def test_labels_of_a_file_name_poles(signed: Signed, tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps({"5": "above", "-5": "below", "-0": "zero below", "+6": "six"}))
    assert signed.embedded.import_labels("signed", path, explainer="me") == 4
    dictionary = signed.embedded.dictionary("signed")
    rows = {(r.feature, r.pole): r.label for r in dictionary.labels(k=None) if r.explainer == "me"}
    assert rows == {(5, "+"): "above", (5, "-"): "below", (0, "-"): "zero below", (6, "+"): "six"}
    lines = tmp_path / "labels.jsonl"
    lines.write_text('{"index": -7, "description": "seven below"}\n')
    assert signed.embedded.import_labels("signed", lines, explainer="me") == 1
    assert [r.label for r in dictionary.labels(features=-7)] == ["seven below"]
    path.write_text('{"-64": "x"}')
    with pytest.raises(InvalidInput, match="labels feature -64, but signed has no feature -64"):
        signed.embedded.import_labels("signed", path)


def test_answers_are_the_same_by_every_face(signed: Signed, asked: Collection) -> None:
    here = signed.embedded[NAME]
    questions: tuple[Callable[[Collection], object], ...] = (
        lambda c: c.tokens("3 & !-4 | 5 < -0.5", None, scope="window:3"),
        lambda c: c.features(["-0", 3]),
        lambda c: c.where(POSITIVE).diff(c.where(NEGATIVE)),
        lambda c: c.correlate(features=["+3", "-0"], min_npmi=-1, min_documents=1),
        lambda c: c.similar(features={"-0": 2.0, "3": 1.0}, weights={"+3": 2.0}),
        lambda c: c.match(c, features=["-0", 9], k=3),
        lambda c: c.document("d3", features=["-0", "+5", 9]),
        lambda c: c.dictionary.neighbors("-0"),
    )
    for ask in questions:
        assert ask(here) == ask(asked)


MISTAKES: dict[str, tuple[Any, type[Exception], str]] = {
    "beyond": (lambda c: c.tokens("-64"), NotFound, "no feature -64: its features are 0 to 63"),
    "both sides": (lambda c: c.tokens("3 > -1"), InvalidExpression, "both sides of 0"),
    "two signs": (lambda c: c.similar(features={-3: -1.0}), InvalidInput, "two signs"),
    "no pole": (lambda c: c.features("-x"), InvalidInput, "'-x' is no feature"),
    "huge": (lambda c: c.features(2**32 + 3), InvalidInput, "no dictionary has as many"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_error(asked: Collection, mistake: str) -> None:
    ask, kind, said = MISTAKES[mistake]
    with pytest.raises(kind, match=said):
        ask(asked)


def test_text_of_answers_names_poles(signed: Signed) -> None:
    collection = signed.embedded[NAME]
    pos, neg = collection.where(POSITIVE), collection.where(NEGATIVE)
    for answer in (
        collection.features((3, 5)),
        collection.document("d7"),
        pos.diff(neg, k=None),
        collection.associate("label", k=None),
        collection.correlate(min_npmi=-1, k=None),
        collection.match(collection, features=(3, 5, 7)),
        collection.similar(doc=7, k=None),
        collection.dictionary.neighbors(-3, k=100),
        collection.dictionary.labels(features=(3, 5, 7)),
        collection.families(min_npmi=0.1, min_documents=2, max_coverage=1),
    ):
        words = repr(answer).replace(",", " ").split()
        assert any(w[0] == "-" and w[1:].isdecimal() for w in words), answer
        assert any(w[0] == "+" and w[1:].isdecimal() for w in words), answer
