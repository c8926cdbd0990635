"""Answers as people read them: tables and marked text."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from saelake.answers.column_info import ColumnInfo
from saelake.answers.features import Feature, Features
from saelake.answers.jobs import Job, Jobs
from saelake.answers.lookups import (
    CollectionInfo,
    Document,
    Hit,
    Info,
    Tokens,
    Verification,
)
from saelake.answers.text import described, lasting, named, one_line, size
from saelake.answers.view import Histogram
from saelake.cli.show.kinds import doing, unit_of
from saelake.store.format.schema import IMPORTED

if TYPE_CHECKING:
    from saelake.store.reports import Tag

JOB_STYLES = {
    "queued": "green",
    "running": "green",
    "interrupted": "yellow",
    "cancelled": "yellow",
    "failed": "red",
    "done": "dim",
}
SHADES = ("#ffe0b3", "#ffc266", "#ffa31a", "#ff8c00")  # weak to strong, black text reads on all
HUES = ("#ffa31a", "#66c2ff", "#8fd694", "#e6a3d9", "#e6d466")  # one a feature
FEATURES_SHOWN = 10

ABOUT_CHARACTERS = 200  # of what is said of a column


def tokens(hits: Tokens, console: Console) -> RenderableType:
    """Hits: the text with the firing token marked, and below it which document it is of."""
    if not len(hits):
        return Text(f"No token fires {hits.expression} here.")
    largest = max(abs(hit.value) for hit in hits)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", style="bold", no_wrap=True)
    table.add_column(ratio=1, overflow="fold")  # else a long word hides the token in it
    for hit in hits:
        table.add_row(f"{hit.value:.4g}", _hit_text(hit, largest, console))
        about = _about(hit.id, hit.metadata)
        table.add_row("", Text(about, style="dim", no_wrap=True, overflow="ellipsis"))
    return table


def _about(name: str, metadata: Mapping[str, object]) -> str:
    said = one_line(described(metadata))
    return f"{one_line(name)}  {said}" if said else one_line(name)


def _hit_text(hit: Hit, largest: float, console: Console) -> Text:
    before, token, after = map(one_line, hit.parts)
    shade = SHADES[min(int(abs(hit.value) / largest * len(SHADES)), len(SHADES) - 1)]
    return Text.assemble(before, marked(token, shade, console), after)


def marked(token: str, color: str, console: Console) -> Text:
    """The token on a coloured ground, or in << >> where there are no colours."""
    if console.color_system is None or console.no_color:
        return Text(f"<<{token}>>")
    return Text(token, style=f"black on {color}")


def features(found: Features) -> RenderableType:
    """Statistics: how often, how strong, on which words."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("feature", "documents", "density", "max", "mean"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("values", no_wrap=True)
    table.add_column("peaks on", ratio=1)
    for feature in found:
        table.add_row(
            str(named(feature.feature, feature.pole)),
            f"{feature.document_frequency:,}",
            f"{feature.density:.2%}",
            _number(feature.max),
            _number(feature.mean),
            str(Histogram(feature.histogram)),
            _peaks_and_label(feature),
        )
    return table if len(found) else Text("No feature peaks on this token.")


def _peaks_and_label(feature: Feature) -> Text:
    """The tokens it peaks on, and below them its label (of an automatic one how it begins)."""
    if feature.label is None:
        return Text(peaks(feature))
    label = feature.label.partition(";")[0] if feature.label_corpus else feature.label
    score = "" if feature.label_score is None else f"{feature.label_score:.2f} "
    return Text.assemble(peaks(feature), (f"\n{score}{one_line(label)}", "dim"))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def peaks(feature: Feature) -> str:
    """The tokens that a feature's strongest documents peak on."""
    return ", ".join(one_line(top.token) for top in feature.top_tokens[:8])


def document(
    found: Document,
    usual: Mapping[int | str, Feature],
    only: Sequence[int | str] | None,
    console: Console,
) -> RenderableType:
    """The text with the strongest features' tokens marked, and what those features are."""
    strongest = found.strongest(FEATURES_SHOWN)
    marked = strongest[: len(HUES)]
    asked = " asked for" if only else ""
    counts = f"{len(found.tokens):,} tokens, {len(found.features):,} features{asked}"
    title = Text.assemble((one_line(found.id), "bold"), (f"  doc {found.doc}, {counts}", "dim"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("feature", "max", "tokens"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("peaks here on", no_wrap=True)
    table.add_column("and elsewhere on", ratio=1)
    for index, here in enumerate(strongest):
        at = int(here.positions[int(np.argmax(np.abs(here.values)))])
        style = f"black on {HUES[index]}" if index < len(marked) else ""
        called = named(here.feature, here.pole)
        elsewhere = peaks(usual[called]) if called in usual else ""
        table.add_row(
            Text(str(called), style=style),
            f"{here.max:.3g}",
            f"{len(here):,}",
            Text(one_line(found.tokens[at].text)),
            Text(elsewhere, style="dim"),
        )
    about = Text(one_line(described(found.metadata)), style="dim")
    parts: list[RenderableType] = [title, about] if found.metadata else [title]
    if found.error:
        parts.append(Text(f"Not encoded: {found.error}", style="bold red"))
    text = Text.assemble(*_document_text(found, console))
    return Group(*parts, Padding(text, (1, 0)), *([table] if strongest else []))


def _document_text(found: Document, console: Console) -> Iterator[Text]:
    """The text in pieces; a token has the hue of the marked feature that is strongest on it."""
    best: dict[int, tuple[float, int]] = {}
    for index, here in enumerate(found.strongest(len(HUES))):
        for position, value in zip(here.positions.tolist(), np.abs(here.values), strict=True):
            best[position] = max(best.get(position, (0.0, 0)), (float(value), index))
    at = 0
    for position in sorted(best):
        token = found.tokens[position]
        if token.start < at:  # tokens of one character's bytes share its place
            continue
        yield Text(_lines(found.text[at : token.start]))
        yield marked(_lines(token.text), HUES[best[position][1]], console)
        at = token.start + token.length
    yield Text(_lines(found.text[at:]))


def _lines(text: str) -> str:
    """The text with its line breaks, and without other control characters."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def info(found: Info) -> RenderableType:
    """What is in the lake: how much, made how, and what is still to be done."""
    lines: list[Text] = []
    for row in found:
        lines.append(Text.assemble((row.name, "bold"), f"  {size(row.size_bytes)}"))
        lines.append(Text(f"  {_amounts(row)}"))
        if row.d_sae:
            lines.append(Text(f"  {_made(row)}", style="dim"))
        if row.tokens_from:
            lines.append(Text(f"  encoded from the activations of {row.tokens_from}", style="dim"))
        if (row.sample_fraction or 1) < 1:
            lines.append(Text(f"  {_sample(row)}", style="dim"))
        if row.is_outdated:
            said = "its index is from before both poles of a feature were counted, and not used"
            lines.append(Text(f"  {said}", style="yellow"))
        if row.n_kept:
            lines.append(Text(f"  activations of {row.n_kept:,} tokens are kept", style="dim"))
        lines.extend(Text(f"  there is a map of its {of}", style="dim") for of in row.maps)
        lines.extend(Text(f"  {_came(each)}", style="dim") for each in row.columns if each.changed)
        for job in row.jobs:
            said = _job(job, f"the last {job.kind}")
            lines.append(Text(f"  {said}", style=JOB_STYLES[job.state]))
        if all(job.state != "running" for job in row.jobs):
            problems = _unfinished(row)
            lines.extend(Text(f"  {problem}", style="yellow") for problem in problems)
        if row.n_deleted:
            lines.append(Text(f"  {row.n_deleted:,} more were deleted", style="dim"))
    return Group(*lines)


def _amounts(row: CollectionInfo) -> str:
    """How much there is of it."""
    codes = f"{row.n_codes:,} codes" if row.n_codes else ""
    documents = f"{row.n_documents:,} documents" if row.n_documents else ""
    return ", ".join(filter(None, (documents, row.counted, codes)))


def _made(row: CollectionInfo) -> str:
    """What its features are of."""
    if row.architecture == IMPORTED:
        return f"{row.d_sae or 0:,} features of {row.unit}s, made by {row.model}"
    return f"{row.d_sae or 0:,} {row.architecture} features at {row.hook} of {row.model}"


def _came(column: ColumnInfo) -> str:
    """A column that came later, or that values were put over."""
    about = "" if column.about is None else f": {one_line(column.about)[:ABOUT_CHARACTERS]}"
    return f"column {column.name} ({column.type}), set {column.changed:%Y-%m-%d %H:%M} UTC{about}"


def _sample(row: CollectionInfo) -> str:
    """Which tokens have codes, and what to make of it."""
    held = (
        f"{row.n_held or 0:,} tokens have codes: a {100 * (row.sample_fraction or 1):.6g} % sample"
    )
    which = "not known which" if row.sample_seed is None else "always the same"
    return f"{held} ({which}), over which rates are"


def _job(job: Job, called: str) -> str:
    """A job in a line, and what to call it where it has ended."""
    now = datetime.now(UTC)
    amounts = f"{job.n_documents:,} of {job.n_total:,} {unit_of(job.kind)}"
    if job.n_failed:
        amounts += f", {job.n_failed:,} failed"
    match job.state:
        case "queued":
            waited = lasting((now - job.started).total_seconds())
            return f"{job.kind} has waited for its turn for {waited} at {job.host}"
        case "running":
            began = lasting((now - job.started).total_seconds())
            if job.kind != "encode":
                return f"{doing(job.kind).lower()} for {began}: {amounts}, at {job.host}"
            workers = f"{job.n_workers:,} worker{'' if job.n_workers == 1 else 's'}"
            return f"encoding for {began}: {amounts}, {workers}, driven from {job.host}"
        case "interrupted" if job.problem is None:
            silent = lasting((now - job.heartbeat).total_seconds())
            return f"no sign of life for {silent} of the {job.kind} from {job.host}: {amounts}"
        case "interrupted" | "cancelled":
            return f"{called} was {job.state}: {amounts}"
        case "failed":
            return f"{called} failed: {amounts}; {one_line(job.problem or '')}"
    taken = lasting((job.heartbeat - job.started).total_seconds())
    return f"{called}: {amounts} in {taken}"


def jobs(found: Jobs) -> RenderableType:
    """Jobs: what they are over, and how far they are."""
    lines: list[Text] = []
    for job in found:
        over = ", ".join(job.collections) or job.corpus or ""
        lines.append(Text.assemble((job.id, "bold"), f"  {over}"))
        lines.append(Text(f"  {_job(job, job.kind)}", style=JOB_STYLES.get(job.state, "")))
    return Group(*lines) if lines else Text("No job is known.")


def _unfinished(row: CollectionInfo) -> Iterator[str]:
    if row.n_encoded is None:
        yield "not encoded yet"
        return
    done = row.n_encoded + (row.n_failed or 0)
    reached = row.n_documents if row.n_encodable is None else row.n_encodable
    if done < reached:
        yield f"{reached - done:,} documents are not encoded: run encode again"
    if reached < row.n_documents:
        without = f"{row.n_documents - reached:,} documents have no activations"
        yield f"{without}: encode {_kept_beside(row)} with --keep-activations first"
    if row.n_failed:
        yield f"{row.n_failed:,} documents could not be encoded"
    if (row.n_indexed or 0) < done:
        yield f"{done - (row.n_indexed or 0):,} documents are not indexed: run index"


def _kept_beside(row: CollectionInfo) -> str:
    """The collection whose activations it is encoded from."""
    return (row.tokens_from or "").partition(" at ")[0]


def tags(found: "Sequence[Tag]") -> RenderableType:
    """The tags and when they were made, one a line."""
    lines = [Text.assemble((t.name, "bold"), f"  {t.created:%Y-%m-%d %H:%M} UTC") for t in found]
    return Group(*lines)


def verification(found: Verification) -> RenderableType:
    """The checks of each table; those that do not hold stand out."""
    lines: list[Text] = []
    for table, checks in groupby(found, lambda check: check.table):
        lines.append(Text(one_line(table), style="bold"))
        for check in checks:
            state = ("ok", "green") if check.ok else ("DAMAGED", "bold red")
            line = Text.assemble("  ", state, f"  {check.check}  ", (one_line(check.detail), "dim"))
            line.rstrip()
            lines.append(line)
    return Group(*lines)
