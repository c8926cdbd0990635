"""A feature's page: every value where it fires, both poles, and nothing of a text that acts."""

import pickle
import re
from dataclasses import replace
from html import escape

import pytest

import saelake
from saelake.answers.features import FeatureView
from saelake.collection import Collection
from saelake.store.errors import InvalidFilter, NotFound
from saelake.store.format.provenance import LabelScore
from tests.client.answers.pages import USED, Tags
from tests.lakes import MadeLake, make_lake

NAME = "made/random"
HOSTILE = "<script>alert(1)</script>\u202e\x1b[2J"


@pytest.fixture(scope="module", params=[False, True], ids=["unsigned", "signed"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    folder = tmp_path_factory.mktemp("features") / "lake"
    return make_lake(folder, n_documents=60, seed=3, signed=request.param, n_indexed=3)


@pytest.fixture(scope="module")
def collection(made: MadeLake) -> Collection:
    lake = saelake.connect(made.lake.uri)
    lake.dictionary(NAME.partition("/")[2]).label(3, "rain & umbrellas", explainer="ana")
    return lake[NAME]


def html(view: FeatureView) -> str:
    return view._repr_html_()


def test_every_token_on_which_it_fires_is_marked_with_its_value(
    made: MadeLake, collection: Collection
) -> None:
    view = collection.feature(3).show(k=5, context=10_000)
    assert [c.hit for c in view.contexts] == list(collection.tokens(3, 5, context=10_000))
    marked = re.findall(r'<mark [^>]*title="([^"]*)">([^<]*)</mark>', html(view))
    expected = []
    for context in view.contexts:
        doc = context.hit.doc
        for code in sorted(made.codes, key=lambda code: code.position):
            feature, sign = code.feature % made.poles.d_sae, 1
            if made.signed and code.feature >= made.poles.d_sae:
                sign = -1
            if code.doc == doc and feature == 3:
                word = made.words[doc][code.position]
                expected.append((f"{sign * code.value:.4g}", escape(word)))
    assert marked == expected
    assert len(marked) >= 5


def test_the_text_stands_as_it_is(made: MadeLake, collection: Collection) -> None:
    view = collection.show(3, 3, context=10_000)
    text = Tags(html(view)).text
    for context in view.contexts:
        assert made.texts[context.hit.doc] in text
    assert "white-space: pre-wrap" in html(view)


def test_the_strongest_pole_is_deepest_and_the_negative_one_has_another_hue(
    collection: Collection,
) -> None:
    view = collection.show(3)
    signs = {context.hit.value < 0 for context in view.contexts}
    hues = set(re.findall(r"background: rgba\((\d+, \d+, \d+), 0.\d+\)", html(view)))
    assert ("30, 136, 229" in hues) == (True in signs)
    assert "0.75" in html(view)


def test_each_pole_has_its_values(made: MadeLake, collection: Collection) -> None:
    view = collection.show(3)
    assert [f.pole for f in view.poles] == (["+", "-"] if made.signed else [None])
    bars = re.findall(r"<title>([-.\d]+) to ([-.\d]+): ([\d,]+)</title>", html(view))
    for sign in (1, -1):
        counted = sum(int(n) for low, _, n in bars if (float(low) < 0) == (sign < 0))
        feature = 3 if sign > 0 else 3 + made.poles.d_sae
        codes = [c for c in made.codes if c.feature == feature]
        assert counted == (len(codes) if sign > 0 or made.signed else 0)
    assert ("Negative pole" in html(view)) == made.signed


def test_it_says_what_it_is_called_by_whom_and_how_often_it_fires(collection: Collection) -> None:
    view = collection.show(3)
    text = Tags(html(view)).text
    assert "rain & umbrellas (by ana)" in text
    for feature in view.poles:
        assert f"{feature.document_frequency:,} documents" in text
        for top in feature.top_tokens[:20]:
            assert top.token in text
    assert "rain & umbrellas (by ana)" in repr(view)
    assert view.contexts[0].hit.marked in repr(view)


def test_a_score_is_said_with_its_interval(collection: Collection) -> None:
    view = collection.show(3)
    score = LabelScore(kind="words", value=0.714, low=0.65, high=0.78)
    scored = replace(view.labels[0], scores=(score,), score_kind="words", corpus="made")
    text = Tags(html(replace(view, labels=[scored]))).text
    assert "made from made; predicts where it fires with an AUC of 0.71" in text
    assert "95% interval 0.65 to 0.78" in text


def test_documents_are_those_of_the_selection(collection: Collection) -> None:
    view = collection.where("label = 'pos'").show(3, 8, where="length > 10")
    hits = collection.tokens(3, 8, where="label = 'pos' and length > 10")
    assert [c.hit.id for c in view.contexts] == [hit.id for hit in hits]
    assert "length > 10" in Tags(html(view)).text
    assert "fires in no such document" in html(collection.show(3, where="length > 10000"))
    with pytest.raises(InvalidFilter):
        collection.show(3, where="nothing = 1")
    with pytest.raises(NotFound):
        collection.show(10_000)


def test_what_takes_longer_is_asked_only_where_it_is_wanted(collection: Collection) -> None:
    assert collection.show(3).together is None
    view = collection.show(3, together=4)
    assert view.together == collection.correlate(features=[3], k=4)
    assert "Fires together with" in html(view)


def test_a_feature_of_an_answer_shows_itself(made: MadeLake, collection: Collection) -> None:
    for feature in collection.features(k=3):
        assert html(feature.show(k=2)) == html(collection.show(feature.name, 2))
    if made.signed:
        negative = collection.features("-3")[0]
        assert html(negative.show(k=2)) == html(collection.show("-3", 2))


def test_a_copy_has_what_it_holds_and_says_what_is_missing(collection: Collection) -> None:
    feature = collection.feature(3)
    copies = [pickle.loads(pickle.dumps(feature)), replace(feature)]
    copies += [pickle.loads(pickle.dumps(collection.features(3)))[0]]
    for copied in copies:
        assert copied == feature
        page = html(copied.show())
        assert "COLLECTION.show(" in page
        assert f"{feature.document_frequency:,}" in page
        assert "rain &amp; umbrellas" in page


def test_clusters_are_pickled_without_whom_they_ask(collection: Collection) -> None:
    clusters = collection.cluster(2)
    assert pickle.loads(pickle.dumps(clusters)) == clusters


def test_what_a_page_is_made_of(collection: Collection) -> None:
    tags = Tags(html(collection.show(3, together=3)))
    assert tags.tags <= USED
    assert not {name for name in tags.attributes if name.startswith("on")}
    assert not tags.attributes & {"href", "src"}


def test_hostile_text_is_shown_and_does_nothing(collection: Collection) -> None:
    view = collection.show(3, 1)
    (context,) = view.contexts
    text = f"{HOSTILE} {context.document.text}"
    table = context.document.to_arrow()
    at = table.schema.get_field_index
    table = table.set_column(at("text"), "text", [[text]])
    document = type(context.document)(table)
    hit = replace(context.hit, id=HOSTILE, metadata={HOSTILE: HOSTILE})
    called = replace(view.labels[0], label=HOSTILE, explainer=HOSTILE, corpus=HOSTILE)
    page = html(
        replace(
            view,
            name=HOSTILE.splitlines()[0],
            collection=HOSTILE,
            where=HOSTILE,
            context=10_000,
            labels=[called],
            contexts=[replace(context, hit=hit, document=document)],
        )
    )
    tags = Tags(page)
    assert tags.tags <= USED
    assert "<script>alert(1)</script>" in tags.text
    assert not {"\u202e", "\x1b"} & {*page}
    assert ">202E</span>" in page
    assert ">001B</span>" in page


def test_white_space_on_which_it_fires_is_seen(collection: Collection) -> None:
    view = collection.show(3, 1)
    (context,) = view.contexts
    at = context.hit.position
    token = context.document.tokens[at]
    text = context.document.text
    white = "\n\t".ljust(token.length)
    text = text[: token.start] + white + text[token.start + token.length :]
    table = context.document.to_arrow()
    table = table.set_column(table.schema.get_field_index("text"), "text", [[text]])
    document = type(context.document)(table)
    page = html(replace(view, contexts=[replace(context, document=document)]))
    assert "↵\n⇥\t" in page
