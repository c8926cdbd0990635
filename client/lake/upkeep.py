"""What keeps a lake small, right and nameable."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from saelake.lake.placed import PlacedLake
from saelake.making.stages import silent
from saelake.store.errors import InvalidInput, extra
from saelake.store.lake.lake import CollectionName
from saelake.store.requests.commands.documents import DeleteCommand
from saelake.store.requests.commands.upkeep import (
    CleanupCommand,
    CompactCommand,
    DropCommand,
    RepairCommand,
    ReplaceCommand,
    TagCommand,
    UntagCommand,
)
from saelake.store.requests.tags import TagsQuery

if TYPE_CHECKING:  # a name in a signature costs nothing until it is used
    from saelake.store.reports import (
        CleanupReport,
        Compacted,
        CompactReport,
        DeleteReport,
        DropReport,
        Prefetched,
        Repaired,
        RepairReport,
        ReplaceReport,
        Tag,
    )


class LakeUpkeep(PlacedLake):
    """How a lake is kept: what goes, what is repaired, and what its states are called."""

    __slots__ = ()

    def delete(
        self,
        corpus: str,
        *,
        where: str | None = None,
        ids: Sequence[str] = (),
        dry_run: bool = False,
        expect: int | None = None,
    ) -> "DeleteReport":
        """Delete documents of a corpus, by a predicate over its columns or by id, by one commit.

        The report says how many of how many; with `dry_run` how many it would be, and nothing is
        deleted, nor where there are not as many as you `expect`. No question finds them any more,
        in any collection; `compact` and `cleanup` then take them out of the files. See
        `store.growth.delete.delete_documents`.
        """
        self._changeable("delete documents")
        command = DeleteCommand(
            corpus=corpus, where=where, ids=tuple(ids), dry_run=dry_run, expect=expect
        )
        report: DeleteReport = self.transport.tell(command)
        return report

    def compact(
        self, target: str, *, on_progress: Callable[[int, int], object] | None = None
    ) -> "tuple[Compacted, ...]":
        """Compact a collection, or a corpus with all its collections, and index what changed.

        Small fragments become large ones, and deleted documents lose their texts and codes. See
        `store.growth.compact.compact`.
        """
        self._changeable("compact")
        if self.is_remote:
            done: CompactReport = self.transport.tell(CompactCommand(target=target))
            return done.tables
        with extra("store"):
            from saelake.store.growth.compact import compact
            from saelake.store.lake.lake import Lake as StoredLake
        return compact(StoredLake(self.uri), target, on_progress=on_progress or silent)

    def cleanup(
        self,
        *,
        older_than: timedelta = timedelta(days=7),
        unverified: bool = False,
        former_labels: bool = False,
    ) -> "CleanupReport":
        """Delete the files of states that are older than this and have no tag.

        What labels were before they were replaced stays, but for `former_labels`: then it goes,
        where that is as long ago, and the report says how many.

        With `unverified` also young files that no state has: then nobody may be writing into the
        lake. See `store.growth.clean_up.clean_up`.
        """
        self._changeable("clean up")
        if self.is_remote:
            if unverified:
                raise InvalidInput("A server may be writing: it cannot clean up unverified files.")
            command = CleanupCommand(
                older_than_s=older_than.total_seconds(), former_labels=former_labels
            )
            report: CleanupReport = self.transport.tell(command)
            return report
        with extra("store"):
            from saelake.store.growth.clean_up import clean_up
            from saelake.store.lake.lake import Lake as StoredLake
        return clean_up(
            StoredLake(self.uri),
            older_than=older_than,
            unverified=unverified,
            former_labels=former_labels,
        )

    def replace(self, old: str, new: str) -> "ReplaceReport":
        """Let the dictionary name `old` mean what `new` does, in every corpus, by one commit.

        See `store.growth.replace.replace_dictionary`.
        """
        self._changeable("replace a dictionary")
        report: ReplaceReport = self.transport.tell(ReplaceCommand(old=old, new=new))
        return report

    def drop(self, target: str) -> tuple[str, ...]:
        """Delete a collection, or a corpus with all of its, with all earlier states; their names.

        See `store.growth.drop.drop_target`.
        """
        self._changeable("drop")
        report: DropReport = self.transport.tell(DropCommand(target=target))
        return report.dropped

    def tag(self, name: str) -> "Tag":
        """Name the state that the lake is in, so that `connect(…, at=name)` opens it again."""
        self._changeable("tag")
        made: Tag = self.transport.tell(TagCommand(name=name))
        return made

    def tags(self) -> "list[Tag]":
        """The tags of the lake, the oldest first."""
        from saelake.store.reports import Tag

        rows = self.transport.ask(TagsQuery()).read_all().to_pylist()
        return [Tag(**row) for row in rows]

    def untag(self, name: str) -> None:
        """Forget a tag; `cleanup` may then delete what only it kept."""
        self._changeable("delete a tag")
        self.transport.tell(UntagCommand(name=name))

    def repair(self, collection: str | None = None) -> "list[Repaired]":
        """Repair a collection, or all: what was done to which. Reads all data.

        Damaged codes and kept activations are taken out, to be encoded again; postings and
        statistics that do not agree with the codes are made again. See
        `store.health.repair.repair`.
        """
        self._changeable("repair")
        report: RepairReport = self.transport.tell(RepairCommand(collection=collection))
        return list(report.repaired)

    def prefetch(
        self, collection: str, *, on_bytes: Callable[[int, int], object] | None = None
    ) -> "Prefetched":
        """Fetch a collection's files into the disk cache, those first that most questions read.

        What there is no room for is left out, and read where it is. Raises `InvalidInput` where
        `connect` was given no disk cache, or the lake is not in an object store.
        """
        with extra("store"):
            from saelake.store.engine import Engine
        if not isinstance(self.transport, Engine):
            raise InvalidInput(
                "A server has a disk cache of its own: give `saelake serve` a --disk-cache.",
                lake=self.uri,
            )
        name = str(CollectionName.parse(collection))
        return self.transport.prefetch(name, on_bytes=on_bytes or silent)
