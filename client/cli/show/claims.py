"""What a language model says, as people read it on a terminal; and what asking would take."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from saelake.answers.text import one_line
from saelake.explaining.claims.estimating import StageEstimate
from saelake.explaining.claims.sections import ReportSection, WrittenReport


def shown(report: WrittenReport) -> RenderableType:
    """The report, as its file has it."""
    parts: list[RenderableType] = [Text(one_line(report.title), style="bold")]
    for section in report.sections():
        parts += _section(section)
    return Group(*parts)


def _section(section: ReportSection) -> Iterator[RenderableType]:
    yield Text(f"\n{one_line(section.title)}", style="bold")
    yield from (Text(one_line(line)) for line in section.lines)
    if section.table:
        yield _table(section.table)
    for quote in section.quotes:
        line = f"  {quote.side}, {one_line(quote.id)}: “{one_line(quote.quote)}”"
        yield Text(line, style="dim")


def _table(rows: Sequence[Sequence[str]]) -> Table:
    head, *rest = rows
    table = Table(box=None, pad_edge=False)
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rest:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    return table


def stage_document(stages: Sequence[StageEstimate]) -> dict[str, Any]:
    """The estimates as one JSON document."""
    return {"stages": [_row(stage) for stage in stages]}


def stage_table(stages: Sequence[StageEstimate]) -> pa.Table:
    """A row for each stage."""
    return pa.Table.from_pylist([_row(stage) for stage in stages])


def stages_shown(stages: Sequence[StageEstimate]) -> RenderableType:
    """What each stage would take."""
    lines = []
    for stage in stages:
        of, about = stage.estimate, "" if stage.is_known else ", at most"
        cost = "" if of.cost is None else f", cost {of.cost:.4g} (at most {of.most_cost:.4g})"
        lines.append(
            f"{stage.stage}: {of.n_requests:,} requests{about} ({of.n_cached:,} answers are kept), "
            f"some {of.n_prompt_tokens + of.n_completion_tokens:,} tokens{cost}"
        )
    return Text("\n".join(lines))


def _row(stage: StageEstimate) -> dict[str, Any]:
    of = stage.estimate
    return {
        "stage": stage.stage,
        "is_known": stage.is_known,
        "n_prompts": of.n_prompts,
        "n_cached": of.n_cached,
        "n_requests": of.n_requests,
        "n_prompt_tokens": of.n_prompt_tokens,
        "n_completion_tokens": of.n_completion_tokens,
        "most_tokens": of.most.n_tokens,
        "cost": of.cost,
        "most_cost": of.most_cost,
    }
