"""How often features fire in one selection, against others.

Of a document b = 1 where the feature's largest value is above the threshold, and a feature's
frequency is the mean of b (arXiv 2512.10092, section 3; interp_embed's `diff_features`): absolute
difference f_a - f_b, relative (f_a - f_b) / max(f_a, f_b). Of tokens likewise. Documents that
could not be encoded are not counted. `query/parts/compared.py` has the tests.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from saelake.store.arrays.statistics import adjusted, log_odds, of_largest
from saelake.store.errors import InvalidInput
from saelake.store.format.lists import Array
from saelake.store.format.schema import Unit
from saelake.store.query.parts.compared import Contrast, compared
from saelake.store.query.parts.confounds import SideLengths, side_lengths
from saelake.store.query.parts.examples import examples
from saelake.store.query.parts.halves import halves
from saelake.store.query.parts.labelled import labels_of
from saelake.store.query.parts.left_out import on_no_side, unencoded
from saelake.store.query.parts.lengths import NOT_ENCODED, lengths
from saelake.store.query.parts.said import metadata, plural
from saelake.store.query.parts.strata import LENGTH, LENGTH_ONLY, length_control
from saelake.store.requests.checks import Selection
from saelake.store.requests.diff import EXAMPLE, DiffQuery
from saelake.store.snapshot.collection import check_same_dictionary
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

MOST_EXAMPLES = 100  # rows that get examples: each is a query of its own
ALIKE = 12  # decimals to which frequencies, which are sums of weights, are the same
SIGNIFICANT = 0.05  # of q-values, for features that are confirmed, or may follow length


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Side a against that one of the others in which a feature is most frequent.

    Arrays (d_sae,): `against` is its index, `p` are corrected for the choice. `pairs` has the
    comparison with each other.
    """

    pairs: Sequence[Contrast]
    against: Array
    p: Array

    def of(self, name: str) -> Array:
        """What the chosen pair of each feature has."""
        values = np.stack([getattr(pair, name) for pair in self.pairs])
        chosen: Array = np.take_along_axis(values, self.against[None], axis=0)[0]
        return chosen

    def raw(self, side: int) -> Array:
        """The frequencies in all documents of a side."""
        values = np.stack([pair.raw[side] for pair in self.pairs])
        chosen: Array = np.take_along_axis(values, self.against[None], axis=0)[0]
        return chosen

    def number(self, name: str) -> Array:
        """What the chosen pair has one of for all features."""
        return np.array([getattr(pair, name) for pair in self.pairs])[self.against]

    @property
    def knows_something(self) -> bool:
        """Whether anything could be compared."""
        return not np.isnan(self.p).all()

    def tested(self, query: DiffQuery) -> Array:
        """The features that fire on a side, and are within the coverage limits."""
        both = np.stack([self.of("frequency_a"), self.of("frequency_b")])
        raw = np.stack([self.raw(0), self.raw(1)])
        shares = np.round(np.where(np.isnan(both), raw, both), ALIKE)
        larger, smaller = shares.max(axis=0), shares.min(axis=0)
        fires = (larger > 0) & (smaller >= query.min_coverage) & (larger <= query.max_coverage)
        return np.flatnonzero(fires)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """What was found again in documents that were held back: float64 (n_tested,), NaN if not."""

    difference: Array
    p: Array
    q: Array
    said: dict[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def diff(session: Session, query: DiffQuery) -> pa.Table:
    """Features by how differently often they fire, ties by frequency in a, by feature.

    The schema's metadata says n_a, n_b (of the first other), n_tested, the test and its unit, the
    lengths of both sides, and `notes`: sentences, as JSON. q-values are over all features that fire
    on a side and are within the coverage limits. Raises `DictionaryMismatch` for selections of
    different dictionaries, `InvalidInput` for one that has no document.
    """
    a, *others = (session.select(selection) for selection in (query.a, *query.others))
    for other in others:
        check_same_dictionary(a.collection, other.collection)
    _check_sides(session, query, (a, *others))
    sides, held = [a, *others], None
    if query.confirm:
        sides, held = halves(sides, query.align or query.cluster_by, query.confirm_share)
        _check_sides(session, query, sides, " to be found in")
        _check_sides(session, query, held, " to be confirmed in")
    made = against(session, query, sides[0], sides[1:])
    features = made.tested(query)
    q = adjusted(made.p[features])
    confirmed = _confirmed(session, query, held, made, features, q)
    columns = _columns(made, features, q, confirmed)
    size = np.nan_to_num(np.abs(columns[query.order]), nan=-1.0).round(ALIKE)
    order = np.lexsort((features, -columns["frequency_a"].round(ALIKE), -size))[: query.k]
    chosen = {name: column[order] for name, column in columns.items()}
    table = _rows(session, query, a, others, chosen)
    length = side_lengths(session, sides[0], sides[1:])
    counted = a.collection.settings.unit
    said = _said(query, counted, made, length, int((~np.isnan(q)).sum()), confirmed)
    notes = _notes(query, sides, made, length, q, confirmed)
    notes += _left_out(session, query, [a, *others])
    return table.replace_schema_metadata(metadata(notes=notes, **said))


def _check_sides(
    session: Session, query: DiffQuery, sides: Sequence[Selected], half: str = ""
) -> None:
    for selection, side in zip((query.a, *query.others), sides, strict=True):
        n_tokens = lengths(session, side)
        keep = n_tokens != NOT_ENCODED
        keep = keep if side.mask is None else keep & side.mask
        if (int(n_tokens[keep].sum()) if query.unit == "token" else keep.sum()) == 0:
            raise InvalidInput(
                f"{selection} has no {query.unit} that is encoded{half}, so nothing can be "
                "compared with it.",
                selection=str(selection),
            )


def against(
    session: Session, query: DiffQuery, a: Selected, others: Sequence[Selected]
) -> Comparison:
    """Side a against that other in which a feature is most frequent (compared with a)."""
    pairs = [
        compared(session, a, other, query, (str(query.a), str(selection)))
        for selection, other in zip(query.others, others, strict=True)
    ]
    if len(pairs) == 1:
        return Comparison(pairs=pairs, against=np.zeros(a.width, np.int64), p=pairs[0].p)
    more = np.stack([np.round(-pair.difference, ALIKE) for pair in pairs])
    more = np.nan_to_num(more, nan=-np.inf)
    against = np.argmax(more, axis=0)
    chosen = Comparison(pairs=pairs, against=against, p=pairs[0].p)
    known = [pair for pair in pairs if not np.isnan(pair.p).all()]
    if not known:
        return chosen
    p = of_largest(
        np.nan_to_num(chosen.of("z")),
        against,
        float(np.mean([pair.weight_a for pair in known])),
        [pair.weight_b for pair in pairs],
    )
    return Comparison(pairs=pairs, against=against, p=p)


def _confirmed(
    session: Session,
    query: DiffQuery,
    held: Sequence[Selected] | None,
    made: Comparison,
    features: Array,
    q: Array,
) -> Confirmed:
    """The features of q < .05 tested again, each against the same other, and only these counted."""
    nothing = np.full(len(features), np.nan)
    if held is None:
        return Confirmed(difference=nothing, p=nothing, q=nothing)
    chosen = q < SIGNIFICANT
    difference, p, q_again = nothing.copy(), nothing.copy(), nothing.copy()
    if chosen.any():
        again = Comparison(
            pairs=[
                compared(session, held[0], other, query, (str(query.a), str(selection)))
                for selection, other in zip(query.others, held[1:], strict=True)
            ],
            against=made.against,
            p=made.p,
        )
        difference[chosen] = again.of("difference")[features][chosen]
        p[chosen] = again.of("p")[features][chosen]
        q_again[chosen] = adjusted(p[chosen])
    same = np.sign(difference) == np.sign(made.of("difference")[features])
    n_found, n_again = int(chosen.sum()), int(((q_again < SIGNIFICANT) & same).sum())
    kept = "documents"
    if (column := query.align or query.cluster_by) is not None:
        kept = f"documents, by values of {column},"
    note = (
        f"{1 - query.confirm_share:.0%} of the {kept} chose "
        f"{plural(n_found, 'feature', 'features')} (q < .05); "
        f"{plural(n_again, 'of these differs', 'of these differ')} likewise in the other "
        f"{query.confirm_share:.0%}."
    )
    said = {"confirm_share": query.confirm_share, "n_found": n_found, "n_confirmed": n_again}
    return Confirmed(difference=difference, p=p, q=q_again, said=dict(said), notes=(note,))


def _columns(made: Comparison, features: Array, q: Array, confirmed: Confirmed) -> dict[str, Array]:
    share_a, share_b = made.of("frequency_a")[features], made.of("frequency_b")[features]
    n_a, n_b = made.number("n_a")[features], made.number("n_b")[features]
    difference, larger = share_a - share_b, np.maximum(share_a, share_b)
    some = larger > 0
    return {
        "feature": features,
        "frequency_a": share_a,
        "frequency_b": share_b,
        "difference": difference,
        "relative": np.divide(difference, larger, out=difference * 0, where=some),
        "log_odds": log_odds(share_a * n_a, n_a, share_b * n_b, n_b),
        "p_value": made.p[features],
        "q_value": q,
        "ci_low": made.of("low")[features],
        "ci_high": made.of("high")[features],
        "raw_frequency_a": made.raw(0)[features],
        "raw_frequency_b": made.raw(1)[features],
        "confirmed_difference": confirmed.difference,
        "confirmed_p_value": confirmed.p,
        "confirmed_q_value": confirmed.q,
        "against": made.against[features],
    }


# -- What is said of the whole answer.


def _said(
    query: DiffQuery,
    counted: Unit,
    made: Comparison,
    length: SideLengths,
    n_tested: int,
    confirmed: Confirmed,
) -> dict[str, object]:
    first = made.pairs[0]
    return {
        "n_a": first.n_a,
        "n_b": first.n_b,
        "others": json.dumps([str(other) for other in query.others]),
        "n_tested": n_tested,
        "test": first.test,
        "unit": counted if query.unit == "token" else query.unit,
        "level": query.level,
        **({} if counted == "document" else _lengths(length, counted)),
        **dict(first.said),
        **confirmed.said,
    }


def _lengths(length: SideLengths, counted: Unit) -> dict[str, object]:
    """What is said of lengths, and in what they are where that is not tokens."""
    of = {} if counted == "token" else {"length_unit": counted}
    medians = {"length_a": length.median_a, "length_b": length.median_b}
    return {**medians, "length_auc": length.auc, **of}


def _notes(
    query: DiffQuery,
    sides: Sequence[Selected],
    made: Comparison,
    length: SideLengths,
    q: Array,
    confirmed: Confirmed,
) -> list[str]:
    """What whoever reads the answer must know."""
    notes = [*_of_pairs(query, made)]
    if len(made.pairs) > 1:
        notes.append(_chosen_for(query))
    if made.knows_something and not {LENGTH, LENGTH_ONLY} & set(query.control):
        n_features = int((q < SIGNIFICANT).sum())
        note = length.note(n_features, query.unit, length_control(sides))
        notes += [] if note is None else [note]
    if hopeless := int(dict(made.pairs[0].said).get("n_hopeless", 0)):
        features = plural(hopeless, "of the features fires", "of the features fire")
        notes.append(f"{features} in too few documents for a p-value under .05.")
    return [*dict.fromkeys(notes), *confirmed.notes]


def _of_pairs(query: DiffQuery, made: Comparison) -> Iterator[str]:
    """What is said of single comparisons, and of which of several."""
    for other, pair in zip(query.others, made.pairs, strict=True):
        for note in pair.notes:
            of_all = all(note in each.notes for each in made.pairs)
            yield note if of_all else f"Against {other}: {note}"


def _chosen_for(query: DiffQuery) -> str:
    """With which of several others a feature is compared, and what follows for its p-value."""
    most = "most frequent"
    if query.align is not None or query.control:
        most += " compared with a (the smallest a - b)"
    return (
        f"Each feature is compared with the other in which it is {most}: `against` says with "
        "which. p-values are corrected for this choice; intervals are not."
    )


def _left_out(session: Session, query: DiffQuery, sides: Sequence[Selected]) -> Iterator[str]:
    """How many documents could not be compared, and how many were not asked about."""
    names = ["a", *(["b"] if len(query.others) == 1 else map(str, query.others))]
    for side, name in zip(sides, names, strict=True):
        yield from unencoded(session, side, name)
    yield from on_no_side(session, sides)


# -- The answer's rows, with an example of each side.


def _rows(
    session: Session,
    query: DiffQuery,
    a: Selected,
    others: Sequence[Selected],
    chosen: dict[str, Array],
) -> pa.Table:
    features, against = chosen["feature"], chosen["against"]
    n_compared = int((~np.isnan(chosen["difference"])).sum())  # which come first
    shown = features[: min(n_compared, MOST_EXAMPLES)].tolist() if query.examples else []
    examples_a = examples(a.collection, shown, [query.a.where] * len(shown))
    examples_b = _examples_b(query.others, others, shown, against[: len(shown)].tolist())
    arrays = chosen | {
        "against": pa.array([str(other) for other in query.others]).take(pa.array(against)),
        "label": labels_of(session, a.collection).column(features).dictionary_decode(),
        "example_a": _padded(examples_a, len(features)),
        "example_b": _padded(examples_b, len(features)),
    }
    return pa.Table.from_arrays(
        [
            array
            if isinstance(array, pa.Array)
            else pa.array(array, field.type, mask=_missing(array))
            for field, array in ((field, arrays[field.name]) for field in DiffQuery.answer)
        ],
        schema=DiffQuery.answer,
    )


def _missing(array: Array) -> Array | None:
    """Where a number is not known: null, and never NaN."""
    return np.isnan(array) if array.dtype.kind == "f" else None


def _padded(found: Sequence[dict[str, object] | None], n: int) -> pa.Array:
    return pa.concat_arrays([pa.array(found, EXAMPLE), pa.nulls(n - len(found), EXAMPLE)])


def _examples_b(
    selections: Sequence[Selection],
    others: Sequence[Selected],
    features: Sequence[int],
    against: Sequence[int],
) -> list[dict[str, object] | None]:
    found: Iterator[dict[str, object] | None] = (
        examples(others[i].collection, [feature], [selections[i].where])[0]
        for feature, i in zip(features, against, strict=False)
    )
    return list(found)
