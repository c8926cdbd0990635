"""Features that differ between two sides, and the texts of both that say what each is about."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from saelake.answers.differences import Diff, Difference
from saelake.answers.text import named
from saelake.collection import Collection
from saelake.explaining.claims.texts import SideText, SideTexts
from saelake.explaining.claims.verdicts import DrawnDocument, SideName
from saelake.explaining.hypotheses.options import HypothesisOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferingFeature:
    """A feature that fires more often on a side, in the documents that are not held back.

    `stored` is the label that the lake has of it: it is told to nobody but the reader.
    """

    feature: int | str
    more_in: SideName
    frequency_a: float
    frequency_b: float
    q_value: float
    stored: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureContrast:
    """Excerpts of the side where a feature is frequent, and of the other where it is silent."""

    of: DifferingFeature
    firing: tuple[str, ...]
    silent: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RelabelledFeature:
    """A differing feature and its label by texts of both sides; None, and `why` there is none."""

    of: DifferingFeature
    label: str | None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFeatures:
    """Features that were found in the documents that are not held back, and how.

    They were found by `test`, among `n_tested`; `notes` must be read with them, and `state` is that
    of the lake.
    """

    features: tuple[DifferingFeature, ...]
    test: str
    n_tested: int
    notes: tuple[str, ...] = ()
    state: str | None = None


# By what the features of two sides are found.
FeatureSource = Callable[[Collection, Collection, HypothesisOptions], FoundFeatures]


def found_differences(a: Collection, b: Collection, options: HypothesisOptions) -> FoundFeatures:
    """The features that fire more often on one of the sides.

    Raises `InvalidInput`, `DictionaryMismatch` and `NotFound` as `diff` does.
    """
    rows = differences(a, b, options)
    differing = [row for row in rows if _differs(row, options)]
    return FoundFeatures(
        features=tuple(_feature(row) for row in differing[: options.n_features]),
        test=rows.test,
        n_tested=rows.n_tested,
        notes=rows.notes,
        state=rows.state,
    )


def differences(a: Collection, b: Collection, options: HypothesisOptions) -> Diff:
    """How often every feature fires on both sides, in the documents that are not held back."""
    return a.diff(
        b,
        k=None,
        align=options.align,
        cluster_by=options.cluster_by,
        examples=False,
        confirm=True,
        confirm_share=options.held_back,
    )


def _differs(row: Difference, options: HypothesisOptions) -> bool:
    return (
        row.q_value is not None
        and bool(row.difference)
        and (row.q_value < options.feature_level or options.feature_level == 1)
    )


def _feature(row: Difference) -> DifferingFeature:
    return DifferingFeature(
        feature=named(row.feature, row.pole),
        more_in="A" if (row.difference or 0) > 0 else "B",
        frequency_a=row.frequency_a or 0.0,
        frequency_b=row.frequency_b or 0.0,
        q_value=1.0 if row.q_value is None else row.q_value,
        stored=row.label,
    )


def contrasts(
    features: Sequence[DifferingFeature],
    shown: Sequence[DrawnDocument],
    texts: SideTexts,
    options: HypothesisOptions,
) -> Iterator[FeatureContrast]:
    """Excerpts for each feature, out of the documents that are shown.

    Of the firing texts half are the strongest, the others drawn by chance. A feature that fires in
    none of them has no firing excerpts.
    """
    for of in features:
        read = texts.read(shown, of.feature)
        chance = random.Random(f"{options.seed}:{of.feature}")
        firing = _firing([t for t in read if t.side == of.more_in and t.fires], options, chance)
        silent = [t for t in read if t.side != of.more_in and not t.fires][: options.n_shown]
        n, begins = options.n_excerpt, [text.begin(options.n_excerpt) for text in firing] or [0]
        yield FeatureContrast(
            of=of,
            firing=tuple(text.excerpt(text.begin(n), n) for text in firing),
            silent=tuple(t.excerpt(begins[i % len(begins)], n) for i, t in enumerate(silent)),
        )


def _firing(
    texts: Sequence[SideText], options: HypothesisOptions, chance: random.Random
) -> list[SideText]:
    ranked = sorted(texts, key=lambda text: (-max(text.strengths), text.doc))
    strongest = ranked[: (options.n_shown + 1) // 2]
    rest = ranked[len(strongest) :]
    return [*strongest, *chance.sample(rest, min(len(rest), options.n_shown - len(strongest)))]
