"""What an encode is asked, and what is known of it before a model is loaded: no torch here."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from saelake.store.errors import extra
from saelake.workers.fleet.ray_cluster import RayCluster

if TYPE_CHECKING:
    from saelake.workers.fleet.finished import EncodeRequest
    from saelake.workers.fleet.options import DictionaryChoice, EncodeOptions
    from saelake.workers.fleet.progress import EncodeProgress, EncodeReport


def encode_asked(
    uri: str,
    corpus: str,
    choices: "Sequence[DictionaryChoice]",
    options: "EncodeOptions | None",
    *,
    model: str | None,
    source: str | None = None,
) -> "EncodeRequest":
    """What is to be encoded in the lake at `uri`. Raises `MissingExtra`."""
    with extra("workers", "Encoding"):
        from saelake.store.lake.lake import Lake
        from saelake.workers.fleet.finished import EncodeRequest
        from saelake.workers.fleet.options import EncodeOptions
    return EncodeRequest(
        lake=Lake(uri),
        corpus=corpus,
        dictionaries=choices,
        options=options or EncodeOptions(),
        model=None if model is None else str(model),
        source=source,
    )


def encode_finished(
    asked: "EncodeRequest", on_progress: "Callable[[EncodeProgress], object]"
) -> "EncodeReport | None":
    """The report of an encode that has nothing to do; None if it has, or that is not sure."""
    from saelake.workers.fleet.finished import finished
    from saelake.workers.fleet.progress import EncodeProgress

    report = finished(asked)
    if report is not None:
        on_progress(EncodeProgress(n_total=0, warnings=report.notes))
    return report


def check_asked(asked: "EncodeRequest", cluster: RayCluster | None) -> None:
    """Raise what can be told of an encode of an imported corpus before torch is loaded."""
    with extra("workers", "Encoding"):  # the hub's client, of which dictionaries are asked
        from saelake.workers.fleet.foreseen import check_foreseen
    check_foreseen(asked, is_here=cluster is None)


def check_encode(asked: "EncodeRequest", cluster: RayCluster | None) -> None:
    """Raise what an encode of a corpus that is yet to be imported would.

    As far as that is cheap to know, and not known already.
    """
    from saelake.workers.fleet.finished import is_known

    if not is_known(asked):
        with extra("workers", "Encoding"):
            from saelake.workers.fleet.foreseen import check_foreseen
        check_foreseen(asked, is_here=cluster is None, is_imported=False)
        with extra("workers", "Encoding"):
            from saelake.workers.run import check
        check(asked, cluster=cluster)


def choices_of(
    dictionary: "str | DictionaryChoice | Sequence[str | DictionaryChoice]",
) -> "list[DictionaryChoice]":
    """The dictionaries, of which one may stand alone, also by its location."""
    from saelake.workers.fleet.options import DictionaryChoice

    several = [dictionary] if isinstance(dictionary, str | DictionaryChoice) else dictionary
    return [DictionaryChoice(location=d) if isinstance(d, str) else d for d in several]
