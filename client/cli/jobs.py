"""The command about jobs."""

from contextlib import AbstractContextManager
from typing import Annotated

import typer

from saelake.answers.jobs import Job
from saelake.answers.text import one_line
from saelake.cli.options.lake import FormatOption, asked_lake
from saelake.cli.options.shared import shares
from saelake.cli.show.kinds import unit_of
from saelake.cli.show.lookups import jobs as shown
from saelake.cli.show.progress import Counter
from saelake.cli.show.screen import answer, out, say
from saelake.lake import Lake
from saelake.store.errors import InvalidInput

AskedLake = AbstractContextManager[Lake]


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="Build")(jobs)


@shares("place", asked_lake)
def jobs(
    *,
    watch: Annotated[
        str | None, typer.Option(metavar="ID", help="Follow this one to its end.")
    ] = None,
    cancel: Annotated[
        str | None,
        typer.Option(metavar="ID", help="End this one; what it has committed is kept."),
    ] = None,
    format: FormatOption = "table",  # noqa: A002
    place: AskedLake,
) -> None:
    """Which jobs there are (encode, index, embed, label, project), and how far they are.

    Those that a server runs can be watched and cancelled from anywhere.

    Examples: `saelake jobs --server localhost:50051`, `saelake jobs --watch 1764374400-1f2e3d4c`
    """
    if watch is not None and cancel is not None:
        raise InvalidInput("Give --watch or --cancel, not both.")
    with place as found:
        if cancel is not None:
            job = found.cancel_job(cancel)
            has_ended = f"The job {job.id} has ended already: it is {job.state}"
            say(has_ended if job.has_ended else f"Told the job {job.id} to end")
            return
        if watch is not None:
            ended(followed(found, watch))
            return
        rows = found.jobs()
    answer(
        format,
        rows.to_arrow(),
        document=rows.to_plain,
        show=lambda: out.print(shown(rows)),
    )


def followed(lake: Lake, job_id: str) -> Job:
    """The job when it has ended; until then its bar."""
    watched = lake.watch_job(job_id)
    job = next(watched)
    with Counter(f"Job {job_id}", unit_of(job.kind)) as counter:
        counter(job.n_documents, job.n_total)
        for job in watched:
            counter(job.n_documents, job.n_total)
    return job


def ended(job: Job) -> None:
    """Say how a job ended; one that is not done is a failure."""
    problem = f": {one_line(job.problem)}" if job.problem else ""
    amount = f"{job.n_documents:,} {unit_of(job.kind)}"
    say(f"The job {job.id} is {job.state}, with {amount}{problem}")
    if job.state != "done":
        raise typer.Exit(1)
