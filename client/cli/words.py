"""`--explain`: analyses said in words by a language model."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from saelake.answers.clusters import Clusters
from saelake.answers.families import Families
from saelake.cli.options.language import AskedModel
from saelake.cli.options.words import InWords, check_usual, model_of
from saelake.cli.show.claims import shown, stage_document, stage_table, stages_shown
from saelake.cli.show.screen import Format, answer, err, out, say
from saelake.cli.show.waiting import AnswerBar, waiting
from saelake.collection import Collection
from saelake.explaining.claims.estimating import StageEstimate
from saelake.explaining.claims.sections import WrittenReport
from saelake.explaining.claims.stages import Told
from saelake.explaining.claims.written import write_report
from saelake.explaining.hypotheses.associating import estimate_value, explain_value
from saelake.explaining.hypotheses.comparing import compare
from saelake.explaining.hypotheses.estimating import estimate
from saelake.explaining.hypotheses.options import HypothesisOptions
from saelake.explaining.naming.estimating import estimate_names
from saelake.explaining.naming.options import NamingOptions
from saelake.explaining.naming.running import name_groups
from saelake.explaining.retrieving.running import (
    PhraseAsked,
    estimate_retrieval,
    retrieve_by_model,
)
from saelake.store.errors import InvalidInput
from saelake.store.requests.associate import AssociateQuery
from saelake.store.requests.checks import Selection
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.waited.progress import Progress


class ReportInWords(WrittenReport, Protocol):
    """A report that is also a table."""

    def to_arrow(self) -> pa.Table:
        """A row for each of its claims."""


def answer_in_words(
    report: Path | None,
    language: AskedModel,
    chosen: Format,
    make: Callable[[Told | None], ReportInWords],
    estimates: Callable[[], Sequence[StageEstimate]],
) -> None:
    """Ask and show the report, or show what asking would take."""
    if language.dry_run:
        with waiting(chosen):
            stages = estimates()
        answer(
            chosen,
            stage_table(stages),
            document=lambda: stage_document(stages),
            show=lambda: out.print(stages_shown(stages)),
        )
        return
    with _told(chosen) as told:
        made = make(told)
    if report is not None:
        write_report(made, report)
        say(f"The report is in {report}.")
    answer(chosen, made.to_arrow(), document=made.to_plain, show=lambda: out.print(shown(made)))


def explain_diff(
    sides: Sequence[Collection],
    words: InWords[HypothesisOptions],
    language: AskedModel | None,
    asked: Mapping[str, Any],
    chosen: Format,
) -> None:
    """Say what differs, or what saying so would take. `asked` is what else was said of the diff.

    Raises `InvalidInput` for what hypotheses are not judged by.
    """
    usual = DiffQuery(a=Selection(collection="a/b"), others=(Selection(collection="a/b"),))
    check_usual(asked, usual, ("align", "cluster_by", "confirm", "confirm_share"))
    options = replace(
        words.options,
        align=asked["align"],
        cluster_by=asked["cluster_by"],
        held_back=asked["confirm_share"],
    )
    model = model_of(language)
    if len(sides) != 2:
        raise InvalidInput("--explain compares two selections: leave out the others.")
    a, b = sides
    answer_in_words(
        words.said.report,
        model,
        chosen,
        lambda told: compare(
            a, b, model.settings, options=options, run=model.run, cache=model.cache, told=told
        ),
        lambda: estimate(a, b, model.settings, options=options, cache=model.cache),
    )


def explain_association(
    collection: Collection,
    columns: Sequence[str],
    value: str | None,
    words: InWords[HypothesisOptions],
    language: AskedModel | None,
    asked: Mapping[str, Any],
    chosen: Format,
) -> None:
    """Say what goes with a value, or what saying so would take. Raises `InvalidInput`."""
    usual = AssociateQuery(collection="a/b", columns=("a",))
    check_usual(asked, usual, ("cluster_by", "confirm", "confirm_share"))
    options = replace(
        words.options, cluster_by=asked["cluster_by"], held_back=asked["confirm_share"]
    )
    model = model_of(language)
    if len(columns) != 1:
        raise InvalidInput("--explain is about one column: leave out the others.")
    said: dict[str, Any] = {"value": value, "options": options, "cache": model.cache}
    of = (collection, columns[0], model.settings)
    answer_in_words(
        words.said.report,
        model,
        chosen,
        lambda told: explain_value(*of, run=model.run, told=told, **said),
        lambda: estimate_value(*of, **said),
    )


def explain_groups(
    collection: Collection,
    groups: Callable[[Collection], Clusters | Families],
    words: InWords[NamingOptions],
    language: AskedModel | None,
    chosen: Format,
) -> None:
    """Name clusters or families, or say what naming them would take."""
    model = model_of(language)
    with waiting(chosen):
        found = groups(collection)
    answer_in_words(
        words.said.report,
        model,
        chosen,
        lambda told: name_groups(
            collection,
            found,
            model.settings,
            options=words.options,
            run=model.run,
            cache=model.cache,
            told=told,
        ),
        lambda: estimate_names(
            collection, found, model.settings, options=words.options, cache=model.cache
        ),
    )


def retrieve_in_words(
    asked: PhraseAsked, report: Path | None, language: AskedModel, chosen: Format
) -> None:
    """Documents for a phrase by features that a model chooses, or what choosing would take."""
    said: dict[str, Any] = {
        "method": asked.method,
        "options": asked.options,
        "cache": language.cache,
    }
    of, phrase, settings = asked.collection, asked.phrase, language.settings
    answer_in_words(
        report,
        language,
        chosen,
        lambda told: retrieve_by_model(
            of, phrase, settings, asked.k, run=language.run, told=told, **said
        ),
        lambda: estimate_retrieval(of, phrase, settings, **said),
    )


@contextmanager
def _told(chosen: Format) -> Iterator[Told | None]:
    """Whom it is told how far it is: a bar on a terminal, for people."""
    if chosen != "table" or not err.is_terminal:
        yield None
        return
    steps: dict[str, int] = {}
    with AnswerBar() as bar:

        def told(stage: str, done: int, total: int) -> None:
            step = steps.setdefault(stage, len(steps) + 1)
            bar(Progress(step=step, stage=stage, done=done, total=total))

        yield told
