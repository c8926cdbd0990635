"""What differs between two sets of texts, in words: everything that was found and asked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from saelake.answers.plain import plain
from saelake.explaining.claims.decided import JudgedHypothesis
from saelake.explaining.claims.sections import ReportSection, asked_section
from saelake.explaining.claims.stages import ModelAsked
from saelake.explaining.hypotheses.contrasts import RelabelledFeature
from saelake.explaining.hypotheses.options import HypothesisOptions
from saelake.explaining.hypotheses.sections import judged, relabelled, summary


@dataclass(frozen=True, slots=True, kw_only=True)
class HypothesisReport:
    """What differs between the selections `a` and `b`.

    `n_judged_a` and `n_judged_b` texts judged, of which `n_cut` go on after what was read;
    `diff_test` is by what features were chosen among `n_features_tested`, and `state` is the
    state of the lake.
    """

    a: str
    b: str
    state: str | None
    options: HypothesisOptions
    hypotheses: tuple[JudgedHypothesis, ...]
    features: tuple[RelabelledFeature, ...]
    test: str
    diff_test: str
    n_features_tested: int
    n_judged_a: int
    n_judged_b: int
    n_cut: int
    notes: tuple[str, ...]
    asked: ModelAsked

    @property
    def accepted(self) -> tuple[JudgedHypothesis, ...]:
        """The hypotheses that were accepted."""
        return tuple(row for row in self.hypotheses if row.is_accepted)

    @property
    def title(self) -> str:
        """What the report is about."""
        return f"How {self.a} (A) differs from {self.b} (B)"

    def sections(self) -> Iterator[ReportSection]:
        """The report from its summary to what was asked."""
        yield summary(self.hypotheses, self.options, self.n_judged_a, self.n_judged_b)
        for number, row in enumerate(self.hypotheses, 1):
            yield judged(number, row)
        if self.features:
            yield relabelled(self.features)
        if self.notes:
            yield ReportSection(title="Notes", lines=self.notes)
        yield asked_section(
            self.asked,
            f"Features: {self.n_features_tested:,} tested in the texts that were not held back, by "
            f"{self.diff_test}.",
            f"Read were the first {self.options.n_tokens:,} tokens of a text; {self.n_cut:,} of "
            "those judged are longer.",
            state=self.state,
        )

    def to_plain(self) -> dict[str, Any]:
        """The report as one JSON document."""
        said = asdict(self) | {"hypotheses": [_row(row) for row in self.hypotheses]}
        document: dict[str, Any] = plain(said)
        return document

    def to_arrow(self) -> pa.Table:
        """A row for each hypothesis."""
        return pa.Table.from_pylist([_flat(row) for row in self.hypotheses], schema=HYPOTHESES)


HYPOTHESES = pa.schema(
    [
        pa.field("hypothesis", pa.string()),
        pa.field("more_in", pa.string()),
        pa.field("accepted", pa.bool_()),
        pa.field("share_a", pa.float64()),
        pa.field("share_b", pa.float64()),
        pa.field("difference", pa.float64()),
        pa.field("ci_low", pa.float64()),
        pa.field("ci_high", pa.float64()),
        pa.field("p_value", pa.float64()),
        pa.field("corrected", pa.float64()),
        pa.field("n_a", pa.uint32()),
        pa.field("n_b", pa.uint32()),
        pa.field("n_unread", pa.uint32()),
        pa.field("n_pairs", pa.uint32()),
        pa.field("sure", pa.bool_()),
        pa.field("features", pa.list_(pa.string())),
    ]
)


def _flat(row: JudgedHypothesis) -> Mapping[str, Any]:
    of, found = row.hypothesis, row.difference
    known = plain(asdict(found))
    return {
        "hypothesis": of.statement,
        "more_in": of.more_in,
        "accepted": row.is_accepted,
        "share_a": row.a.share,
        "share_b": row.b.share,
        "difference": known["value"],
        "ci_low": known["low"],
        "ci_high": known["high"],
        "p_value": found.p_value,
        "corrected": row.corrected,
        "n_a": row.a.n_read,
        "n_b": row.b.n_read,
        "n_unread": row.a.n_unread + row.b.n_unread,
        "n_pairs": row.n_pairs,
        "sure": row.is_sure,
        "features": [str(feature) for feature in of.features],
    }


def _row(row: JudgedHypothesis) -> Mapping[str, Any]:
    """A hypothesis of the document: the flat row, counts of both sides, and quotes."""
    quotes = [{"side": q.side, "doc": q.doc, "id": q.id, "quote": q.quote} for q in row.quotes]
    return {**_flat(row), "a": asdict(row.a), "b": asdict(row.b), "quotes": quotes}


def judged_notes(rows: Sequence[JudgedHypothesis]) -> list[str]:
    """What whoever reads the verdicts must know."""
    unread = sum(row.a.n_unread + row.b.n_unread for row in rows)
    unsure = sum(not row.is_sure for row in rows)
    notes = []
    if unread:
        notes.append(
            f"{unread:,} verdicts could not be read, and are in no share: each hypothesis has its "
            "own number."
        )
    if unsure:
        notes.append(
            f"{unsure} of the hypotheses would be decided otherwise if all unread verdicts spoke "
            "against them."
        )
    return notes
