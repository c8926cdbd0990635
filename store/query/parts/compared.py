"""Two sides compared: how often each feature fires on both, and how sure it is that they differ."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from saelake.store.arrays.statistics import discordant, least_p, newcombe, skewed, two_proportions
from saelake.store.codes.embeddings import Block
from saelake.store.errors import InvalidInput
from saelake.store.format.lists import Array
from saelake.store.query.parts.firing import firing
from saelake.store.query.parts.frequencies import COUNTING, Count, counted, frequencies
from saelake.store.query.parts.layout import A, B, Layout, layout, on_both
from saelake.store.query.parts.left_out import is_encoded, n_encoded, without
from saelake.store.query.parts.lengths import NOT_ENCODED, lengths
from saelake.store.query.parts.rare import FEW_UNITS
from saelake.store.query.parts.said import plural
from saelake.store.query.parts.scored import Scored, scored
from saelake.store.query.parts.strata import LENGTH_ONLY, Groups, crossed, groups, strata
from saelake.store.requests.diff import DiffQuery
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

ALPHA = 0.05
ENOUGH = 20  # independent units that a score test needs on each side


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """A feature's frequencies on both sides, and the test of their difference: float64 (d_sae,).

    `n_a` and `n_b` count units that were compared, `n_fires` those at which a feature fires;
    `weight_a` and `weight_b` are of how many independent units the frequencies are as sure; `raw`
    are the frequencies in all documents. NaN stands where nothing could be compared.
    """

    n_a: int
    n_b: int
    frequency_a: Array
    frequency_b: Array
    p: Array
    low: Array
    high: Array
    raw: tuple[Array, Array]
    n_fires: Array
    weight_a: float
    weight_b: float
    test: str
    said: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def difference(self) -> Array:
        """The difference of the frequencies."""
        return self.frequency_a - self.frequency_b

    @property
    def z(self) -> Array:
        """The p-value as a normal number, of the sign of the difference."""
        return np.where(self.p < 1, -special.ndtri(self.p / 2), 0) * np.sign(self.difference)


def compared(
    session: Session, a: Selected, b: Selected, query: DiffQuery, names: tuple[str, str]
) -> Contrast:
    """Side a against side b, as the question says. `names` are what the sides are called.

    Raises `InvalidInput` for sides of which no document is aligned.
    """
    if query.align is not None:
        return _aligned(session, a, b, query, names)
    if query.control:
        return _controlled(session, a, b, query)
    if query.cluster_by is not None:
        return _clustered(session, a, b, query, query.cluster_by)
    if query.unit == "token":
        made = layout(session, a, b, query.unit, None, 1, in_strata=True)
        test = f"score test of rates, documents as units ({_variance(made, query)})"
        return _of_scores(session, query, made, test=test, raw=None)
    return _plain(session, a, b, query)


def counts(session: Session, selected: Selected, query: DiffQuery) -> tuple[int, Array]:
    """How many units there are, and at how many each feature fires (d_sae,)."""
    if query.unit == "token":
        n_tokens = lengths(session, selected)
        keep = n_tokens != NOT_ENCODED
        keep = keep if selected.mask is None else keep & selected.mask
        add = _Add(selected.width)
        fires = np.zeros(selected.width)
        for part in firing(session, selected, query.unit, query.threshold, add):
            fires += part
        return int(n_tokens[keep].sum(dtype=np.int64)), fires
    if query.threshold == 0:
        return frequencies(session, selected)
    count = Count(selected.width, query.threshold)
    return counted(session.embeddings.map(selected, count, stage=COUNTING), selected.width)


@dataclass(frozen=True, slots=True)
class _Add:
    d_sae: int

    def __call__(self, block: Block) -> Array:
        return np.bincount(block.features, block.values, self.d_sae)


# -- Separate documents.


def _plain(session: Session, a: Selected, b: Selected, query: DiffQuery) -> Contrast:
    (n_a, fires_a), (n_b, fires_b) = counts(session, a, query), counts(session, b, query)
    share_a, share_b = fires_a / max(n_a, 1), fires_b / max(n_b, 1)
    low, high = newcombe(fires_a, max(n_a, 1), fires_b, max(n_b, 1), query.level)
    fires = fires_a + fires_b
    some = fires > 0
    numbers, n_features = np.unique(fires[some], return_counts=True)
    hopeless = int(n_features[least_p(numbers, n_a, n_b) >= ALPHA].sum())
    return Contrast(
        n_a=n_a,
        n_b=n_b,
        frequency_a=share_a,
        frequency_b=share_b,
        p=two_proportions(fires_a, n_a, fires_b, n_b),
        low=low,
        high=high,
        raw=(share_a, share_b),
        n_fires=fires,
        weight_a=n_a,
        weight_b=n_b,
        test=(
            "two-proportion z (Fisher's exact, mid-p, twice the smaller tail, where an expected "
            "count is under 5)"
        ),
        said=(("n_hopeless", str(hopeless)),),
        notes=_overlap(a, b),
    )


def _overlap(a: Selected, b: Selected) -> tuple[str, ...]:
    n = on_both(a, b)
    if n == 0:
        return ()
    said = plural(n, "document is", "documents are")
    return (f"{said} on both sides, which makes p-values too large.",)


# -- Scores: of tokens, of clusters, within strata and within values.


def _of_scores(
    session: Session,
    query: DiffQuery,
    made: Layout,
    *,
    test: str,
    raw: tuple[Array, Array] | None,
    by_stratum: bool = False,
) -> Contrast:
    found = scored(session, made, query.unit, query.threshold, by_stratum=by_stratum)
    totals, weight = found.totals, found.totals.weight
    if weight == 0:
        return _nothing(totals.d_sae, test, raw)
    rates = totals.rate_a / weight, totals.rate_b / weight
    difference = rates[0] - rates[1]
    error = np.sqrt(totals.around(difference)) / weight
    half = float(special.ndtri((1 + query.level) / 2)) * error
    n_a, n_b = made.counts()
    return Contrast(
        n_a=n_a,
        n_b=n_b,
        frequency_a=rates[0],
        frequency_b=rates[1],
        p=_p(found, made, query),
        low=np.maximum(difference - half, -1),
        high=np.minimum(difference + half, 1),
        raw=raw or rates,
        n_fires=totals.n_fires,
        weight_a=found.n_a,
        weight_b=found.n_b,
        test=test,
    )


def _variance(made: Layout, query: DiffQuery) -> str:
    """Which variance a score test has, and which distribution: see `_p`."""
    units = "documents" if made.in_strata else "units"
    exact = f"exact, mid-p, where a feature fires in at most {FEW_UNITS} {units}"
    if not made.is_mixed:
        return f"the larger of the permutation and the robust variance, gamma distribution; {exact}"
    said = "robust variance, normal distribution"
    return said if query.unit == "document" and made.in_strata else f"{said}; {exact}"


def _p(found: Scored, made: Layout, query: DiffQuery) -> Array:
    totals = found.totals
    if made.is_mixed:
        variance, third = totals.v0, np.zeros(totals.d_sae)
    else:
        variance, third = np.maximum(totals.exchangeable, totals.v0), totals.third
    p = skewed(totals.score, variance, third)
    if totals.by_stratum and _in_pairs(found):
        n = np.rint(totals.v0)  # pairs that differ
        return discordant((n + np.rint(totals.score)) / 2, (n - np.rint(totals.score)) / 2)
    if query.unit == "document" and made.in_strata:
        if not made.is_mixed:
            found.rare.test_documents(p, totals, found.units)
    else:
        found.rare.test_units(p, totals, found.units)
    return p


def _in_pairs(found: Scored) -> bool:
    """Whether each value has one document on each side."""
    c = found.units.constants
    return bool((c.t_a[c.compared] == 1).all() and (c.t_b[c.compared] == 1).all())


def _nothing(d_sae: int, test: str, raw: tuple[Array, Array] | None) -> Contrast:
    nothing = np.full(d_sae, np.nan)
    return Contrast(
        n_a=0,
        n_b=0,
        frequency_a=nothing,
        frequency_b=nothing,
        p=nothing,
        low=nothing,
        high=nothing,
        raw=raw or (nothing, nothing),
        n_fires=np.zeros(d_sae),
        weight_a=1.0,
        weight_b=1.0,
        test=test,
    )


def _raw(
    session: Session, a: Selected, b: Selected, query: DiffQuery
) -> tuple[tuple[Array, Array], tuple[int, int]]:
    """The frequencies in all documents of both sides, and how many documents these are."""
    (n_a, fires_a), (n_b, fires_b) = counts(session, a, query), counts(session, b, query)
    n = n_encoded(session, a), n_encoded(session, b)
    return (fires_a / max(n_a, 1), fires_b / max(n_b, 1)), n


def _clustered(
    session: Session, a: Selected, b: Selected, query: DiffQuery, column: str
) -> Contrast:
    known = groups([a, b], column)
    n = known.n
    of: list[Array] = []
    n_alone = 0
    for side, selected in zip(known.of, (a, b), strict=True):
        own = side.copy()
        alone = (side < 0) & is_encoded(session, selected)
        if of and on_both(a, b) and a.codes_key == b.codes_key:
            shared = alone & (of[0] >= n) & (known.of[0] < 0)
            own[shared] = of[0][shared]
            alone &= ~shared
        own[alone] = n + n_alone + np.arange(alone.sum())
        n_alone += int(alone.sum())
        of.append(own)
    made = layout(session, a, b, query.unit, (of[0], of[1]), n + n_alone, in_strata=False)
    in_a, in_b = (made.sums(bit, "documents") > 0 for bit in (A, B))
    test = f"score test with documents of one {column} as a unit ({_variance(made, query)})"
    found = _of_scores(session, query, made, test=test, raw=None)
    notes = []
    if n_alone:
        have = plural(n_alone, "document has", "documents have")
        notes.append(
            f"{have} no {column}: {'it' if n_alone == 1 else 'each'} is a unit of its own."
        )
    if (both := int((in_a & in_b).sum())) > 0:
        values = plural(both, f"value of {column} is", f"values of {column} are")
        compared_within = "is compared within" if both == 1 else "are compared within"
        notes.append(f"{values} on both sides, and {compared_within}.")
    notes += _few((int(in_a.sum()), int(in_b.sum())), column)
    said = (
        ("n_clusters_a", str(int(in_a.sum()))),
        ("n_clusters_b", str(int(in_b.sum()))),
    )
    return replace(found, said=said, notes=tuple(notes))


def _few(n: tuple[int, int], column: str) -> tuple[str, ...]:
    """What is said where a side has too few independent units for a test."""
    if not 0 < min(n) < ENOUGH:
        return ()
    return (
        f"A side has documents of only {plural(min(n), 'value', 'values')} of {column}: with "
        f"fewer than {ENOUGH} p-values are too rough to rely on.",
    )


def _controlled(session: Session, a: Selected, b: Selected, query: DiffQuery) -> Contrast:
    parts = strata(session, [a, b], query.control)
    made = layout(session, a, b, query.unit, (parts.of[0], parts.of[1]), parts.n, in_strata=True)
    raw, n = _raw(session, a, b, query)
    within = " x ".join(parts.controls)
    kind = "Cochran-Mantel-Haenszel" if query.unit == "document" else "stratified score test"
    test = f"{kind} within {within} ({_variance(made, query)})"
    found = _of_scores(session, query, made, test=test, raw=raw)
    named = " or ".join(_plainly(query.control))
    missing = _Missing(n, made.documents(), _unknown(session, (a, b), parts.of), f"no {named}")
    notes = missing.notes(_alike(query.control))
    return replace(found, said=(("strata", within),), notes=notes)


def _alike(control: Sequence[str]) -> str:
    return f"counterpart of their {' and '.join(_plainly(control))}"


def _plainly(control: Sequence[str]) -> list[str]:
    return ["length" if name == LENGTH_ONLY else name.strip('"') for name in control]


@dataclass(frozen=True, slots=True)
class _Missing:
    """Of the encoded documents of both sides: how many, how many are compared, have no value."""

    n: tuple[int, int]
    compared: tuple[int, int]
    unknown: tuple[int, int]
    valueless: str

    def notes(self, partner: str) -> tuple[str, ...]:
        """What is said of documents without a counterpart on the other side."""
        if self.compared == (0, 0):
            said = f"Nothing can be compared: no document of one side has a {partner} on the other."
            return (said,)
        sides = zip("ab", self.n, self.compared, self.unknown, strict=True)
        return tuple(
            note
            for name, total, used, unknown in sides
            for note in without(total - used, total, name, partner, why=self._why(unknown))
        )

    def _why(self, unknown: int) -> str:
        if not unknown:
            return ""
        return f" ({unknown:,} of them {'has' if unknown == 1 else 'have'} {self.valueless})"


def _unknown(
    session: Session, sides: tuple[Selected, Selected], of: tuple[Array, ...]
) -> tuple[int, int]:
    """How many encoded documents of each side have no value that tells their group."""
    a, b = (
        int((is_encoded(session, side) & (group < 0)).sum())
        for side, group in zip(sides, of, strict=True)
    )
    return a, b


def _aligned(
    session: Session, a: Selected, b: Selected, query: DiffQuery, names: tuple[str, str]
) -> Contrast:
    column = str(query.align)
    known: Groups = groups([a, b], column)
    of, n_groups, within = known.of, known.n, ""
    if query.control:
        parts = crossed(known, strata(session, [a, b], query.control))
        of, n_groups, within = parts.of, parts.n, f" and {' x '.join(parts.controls)}"
    made = layout(session, a, b, query.unit, (of[0], of[1]), n_groups, in_strata=True)
    if made.documents() == (0, 0) and not query.control:
        raise InvalidInput(
            f"No document of {names[0]} has the same {column} as one of {names[1]}.",
            align=column,
        )
    raw, n = _raw(session, a, b, query)
    t_a, t_b = made.sums(A), made.sums(B)
    n_values = int(((t_a > 0) & (t_b > 0)).sum())
    if n_values and t_a.max() == t_b.max() == 1:
        test = (
            f"McNemar's exact (mid-p, twice the smaller tail), over pairs with one {column}{within}"
        )
    else:
        test = (
            f"mean difference within each {column}{within} (score test, {_variance(made, query)})"
        )
    found = _of_scores(session, query, made, test=test, raw=raw, by_stratum=True)
    partner = f"partner with one {column}{within}"
    named = " or ".join([column, *_plainly(query.control)])
    missing = _Missing(n, made.documents(), _unknown(session, (a, b), of), f"no {named}")
    notes = missing.notes(partner)
    notes += _few((n_values, n_values), column)
    return replace(found, said=(("n_values", str(n_values)),), notes=notes)
