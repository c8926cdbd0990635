"""Jobs over a lake: those that run or ran, and those that a server runs."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from saelake.answers.jobs import Job, Jobs, job_of
from saelake.lake.placed import PlacedLake
from saelake.lake.there import encode_command
from saelake.making.encoding import choices_of
from saelake.store.requests.commands.jobs import (
    CancelJobCommand,
    StartEmbedCommand,
    StartIndexCommand,
    StartLabelCommand,
    StartProjectCommand,
    WatchJobCommand,
)
from saelake.store.requests.jobs import JobsQuery

if TYPE_CHECKING:  # a name in a signature costs nothing until it is used
    from saelake.store.requests.map import MapOf
    from saelake.workers.fleet.options import DictionaryChoice, EncodeOptions


class LakeJobs(PlacedLake):
    """The jobs over a lake."""

    __slots__ = ()

    def encodes(self, corpus: str) -> list[Job]:
        """The runs of encode over a corpus that seem to be at work, as their drivers tell."""
        running = (job for job in self.jobs() if job.state == "running" and job.kind == "encode")
        return [job for job in running if job.corpus == corpus]

    def jobs(self) -> Jobs:
        """The jobs that are known, the latest first: of encode, index, embed, label and project.

        Those that servers run, and every encode.
        """
        return Jobs(self.transport.ask(JobsQuery()).read_all())

    def start_encode(
        self,
        corpus: str,
        *,
        model: str | None = None,
        dictionary: "str | DictionaryChoice | Sequence[str | DictionaryChoice]",
        options: "EncodeOptions | None" = None,
        job: str | None = None,
    ) -> Job:
        """Have a server encode, as `encode` does, without waiting for it; the job.

        It goes on when this process ends. A `job` is what to call it: one that is there already is
        not begun again, so that this can be sent twice. Raises `InvalidInput` of a lake that is not
        behind a server.
        """
        choices = choices_of(dictionary)
        command = encode_command(corpus, choices, model=model, options=options, job=job)
        return job_of(self.transport.tell(command))

    def start_index(self, collection: str, *, job: str | None = None) -> Job:
        """Have a server index, as `index` does, without waiting for it; see `start_encode`."""
        return job_of(self.transport.tell(StartIndexCommand(collection=collection, job=job)))

    def start_embed(self, corpus: str, *, model: str | None = None, job: str | None = None) -> Job:
        """Have a server embed a corpus, as `embed` does, without waiting; see `start_encode`."""
        return job_of(self.transport.tell(StartEmbedCommand(corpus=corpus, model=model, job=job)))

    def start_label(self, collection: str, *, job: str | None = None) -> Job:
        """Have a server label a collection, without waiting for it; see `start_encode`.

        Labels get vectors where the corpus is embedded. As jobs run one after the other, one of
        `start_embed` that was started before is done before.
        """
        return job_of(self.transport.tell(StartLabelCommand(collection=collection, job=job)))

    def start_project(
        self,
        collection: str,
        of: "MapOf" = "documents",
        *,
        seed: int = 0,
        job: str | None = None,
    ) -> Job:
        """Have a server make a map, as `project` does, without waiting; see `start_encode`."""
        command = StartProjectCommand(collection=collection, of=of, seed=seed, job=job)
        return job_of(self.transport.tell(command))

    def watch_job(self, job: str) -> Iterator[Job]:
        """How far a job is, again whenever that changes, until it has ended. Raises `NotFound`."""
        return map(job_of, self.transport.watch(WatchJobCommand(job=job)))

    def cancel_job(self, job: str) -> Job:
        """End a job that a server runs; what it has committed stays. It ends in some seconds."""
        return job_of(self.transport.tell(CancelJobCommand(job=job)))
