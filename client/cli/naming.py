"""Commands about what features are called, and what documents mean: embed, label, labels."""

from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from saelake.answers.text import one_line, several
from saelake.cli.options.lake import (
    FormatOption,
    asked_lake,
    changes,
    split_numbers,
)
from saelake.cli.options.poles import PoleCommand
from saelake.cli.options.shared import shares
from saelake.cli.show import analyses
from saelake.cli.show.screen import answer, out, say
from saelake.cli.show.stages import Bars
from saelake.dictionary import Dictionary
from saelake.exports import LabelsForm
from saelake.lake import Lake
from saelake.making.stages import Stage, watched
from saelake.store.errors import InvalidInput
from saelake.store.format.provenance import ScoreKind
from saelake.store.requests.commands.labels import BY_HAND
from saelake.store.requests.labels import LabelsQuery
from saelake.store.requests.neighbors import NeighborsQuery

PANEL = "Name"
AskedLake = AbstractContextManager[Lake]

DictionaryArgument = Annotated[
    str, typer.Argument(metavar="DICTIONARY", help="A dictionary's name, as minilm-l4.")
]
LabelledArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="A dictionary, as minilm-l4, or a collection, as imdb/minilm-l4."
    ),
]
SentenceModelOption = Annotated[
    str | None,
    typer.Option(help="A sentence model: a folder or hub id, as all-MiniLM-L6-v2's."),
]
EmbedderOption = Annotated[
    str | None,
    typer.Option(
        help="A sentence model: a folder or hub id. [with --server: what the corpus was embedded "
        "with, else the server's own]"
    ),
]
SourceOption = Annotated[
    str | None, typer.Option(help="What delphi's module or Neuronpedia's layer is called.")
]
ExplainersOption = Annotated[
    list[str] | None, typer.Option("--explainer", help="Only labels of this one; may be repeated.")
]
DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda. [default: cuda if there is]")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (labels, agreement, embed):
        app.command(rich_help_panel=PANEL)(command)
    for command in (label, neighbors):
        app.command(rich_help_panel=PANEL, cls=PoleCommand)(command)


@changes()
def embed(
    corpus: Annotated[str, typer.Argument(help="The corpus, as imdb.")],
    *,
    model: EmbedderOption = None,
    device: DeviceOption = None,
    place: AskedLake,
) -> None:
    """Make a dense embedding of each document, for hybrid ranking and for labels.

    Example: `saelake embed imdb --model sentence-transformers/all-MiniLM-L6-v2`
    """
    with place as found, Bars(found) as bars:
        embedding = partial(found.embed, corpus, model=model, device=device)
        n = watched(bars, Stage(name="embed", of=corpus), embedding)
    have = "has a dense embedding" if n == 1 else "have dense embeddings"
    say(f"Done: {several(n, 'document')} of {corpus} {have}")


@changes()
def label(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A collection to label by itself, or one or a dictionary whose labels are given.",
        ),
    ],
    one: Annotated[
        str | None,
        typer.Argument(metavar="[FEATURE]", help="Only this feature, as --feature: 12 or -12."),
    ] = None,
    called: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="What it is to be called, as --text.")
    ] = None,
    *,
    file: Annotated[
        Path | None,
        typer.Option(
            help="Take labels from here: JSON (feature to label, or as `labels` writes it), "
            "Neuronpedia's .jsonl, a folder of these, or delphi's."
        ),
    ] = None,
    source: SourceOption = None,
    keep_others: Annotated[
        bool,
        typer.Option(
            "--keep-others", help="With --file: keep what --explainer said of other features."
        ),
    ] = False,
    feature: Annotated[
        str | None, typer.Option(help="Only this feature, which is called what --text says.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="What the feature is to be called.")] = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Take back what was said of --feature.")
    ] = False,
    explainer: Annotated[
        str | None, typer.Option(help="Who made the labels. [default of --feature: hand]")
    ] = None,
    model: SentenceModelOption = None,
    device: DeviceOption = None,
    place: AskedLake,
) -> None:
    """Call features something: by their top tokens and contrast words, or as you say.

    Labels that are made here are marked as automatic: no model has read them. With a sentence
    model, phrases find features by them.

    Examples: `saelake label imdb/minilm-l4 --model sentence-transformers/all-MiniLM-L6-v2`,
    `saelake label gemma-16k --file labels.json --explainer "gpt-4o"`,
    `saelake label imdb/minilm-l4 1234 "rain and storms"`
    """
    dictionary = name.rpartition("/")[2]
    feature, text = one_way("--feature", one, feature), one_way("--text", called, text)
    _check_one_way(file, feature, text, delete=delete)
    with place as found:
        if feature is not None:
            by_hand(found.dictionary(dictionary), feature, text, explainer)
            return
        if file is not None:
            n = found.import_labels(
                dictionary,
                file,
                explainer=explainer,
                source=source,
                model=model,
                keep_others=keep_others,
            )
            say(f"Done: {n:,} labels of {dictionary} from {file}")
            return
        if explainer is not None:
            raise InvalidInput("--explainer says who made the labels of --file: give both.")
        if source is not None or keep_others:
            raise InvalidInput("--source and --keep-others are about the labels of --file.")
        with Bars(found) as bars:
            n = found.label(name, model=model, device=device, watcher=bars)
        measured = analyses.measured(found[name].labels(k=None))
        say(f"Done: {n:,} features of {name} have automatic labels{measured}")


def one_way(option: str, typed: str | None, given: str | None) -> str | None:
    """What is said as an argument or by an option. Raises `InvalidInput` for both."""
    if typed is not None and given is not None:
        raise InvalidInput(f"{option} is said twice: as an argument, {typed!r}, and as {given!r}.")
    return given if typed is None else typed


def by_hand(dictionary: Dictionary, feature: str, text: str | None, explainer: str | None) -> None:
    """Call a feature something, or take that back where there is no text."""
    by = explainer or BY_HAND
    if text is not None:
        dictionary.label(feature, text, explainer=by)
        say(f"Feature {feature} of {dictionary.name} is called {one_line(text)!r} by {by}")
        return
    n = dictionary.delete_labels(feature, explainer=by).n_labels
    say(f"Took back {several(n, 'label')} of feature {feature} by {by}")


def _check_one_way(
    file: Path | None, feature: str | None, text: str | None, *, delete: bool
) -> None:
    """Raise `InvalidInput` unless it is said in one way where labels come from."""
    if file is not None and feature is not None:
        raise InvalidInput("Give a --file of labels, or one --feature with its --text: not both.")
    if feature is None and (text is not None or delete):
        raise InvalidInput("--text and --delete are about one --feature: say which.")
    if feature is not None and (text is None) != delete:
        raise InvalidInput("Say what the --feature is called with --text, or --delete.")


@shares("place", asked_lake)
def labels(
    dictionary: LabelledArgument,
    text: Annotated[str | None, typer.Argument(help="Labels nearest in meaning to this.")] = None,
    *,
    features: Annotated[
        str | None,
        typer.Option("--features", "--feature", help="Labels of these features: 12,34."),
    ] = None,
    k: Annotated[int | None, typer.Option("-k", help="How many.")] = LabelsQuery.k,
    every: Annotated[bool, typer.Option("--all", help="All, in place of -k.")] = False,
    min_score: Annotated[
        float | None, typer.Option(help="Only labels with at least this score, as 0.8.")
    ] = None,
    score: Annotated[
        ScoreKind | None,
        typer.Option(
            help="Which kind of score ranks and filters. [default: the first that there is of "
            "detection, fuzzing, embedding, surprisal, other, words]"
        ),
    ] = None,
    explainers: ExplainersOption = None,
    every_explainer: Annotated[
        bool, typer.Option("--every-explainer", help="Each explainer's label of every feature.")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="Also what was said before it was replaced.")
    ] = False,
    to: Annotated[
        Path | None, typer.Option(help="Write them here, as --as says, in place of showing them.")
    ] = None,
    form: Annotated[
        LabelsForm, typer.Option("--as", help="Of --to: a file, or of delphi a folder.")
    ] = "json",
    source: SourceOption = None,
    format: FormatOption = "table",  # noqa: A002
    place: AskedLake,
) -> None:
    """What features are called; with a text, the features that are about it.

    Of a collection, labels made from its corpus go before those made from others. Of each feature
    the best label is shown: one by hand, else one that was imported, else an automatic one.

    Examples: `saelake labels minilm-l4 "rain and storms"`,
    `saelake labels imdb/minilm-l4 --features 12,34`,
    `saelake labels minilm-l4 --feature 12 --every-explainer --history`,
    `saelake labels minilm-l4 --explainer gpt-4o --to explained --as delphi`
    """
    if text is not None and features is not None:
        raise InvalidInput("Give either a text or --features, not both.")
    wanted, only = None if every else k, split_numbers(features) or ()
    with place as found:
        named = found.dictionary(dictionary)
        if to is not None:
            _check_written(text, score, history=history)
            n = named.export_labels(
                to,
                form=form,
                source=source,
                features=only,
                explainers=explainers or (),
                every_explainer=every_explainer,
                min_score=min_score,
            )
            say(f"Wrote {several(n, 'label')} of {named.own_name} to {to}, as {form} has them")
            return
        rows = named.labels(
            text,
            wanted,
            features=only,
            min_score=min_score,
            explainers=explainers or (),
            every_explainer=every_explainer,
            score=score,
            history=history,
        )
    answer(
        format,
        rows.to_arrow(),
        document=rows.to_plain,
        show=lambda: out.print(analyses.labels(rows)),
    )


def _check_written(text: str | None, score: str | None, *, history: bool) -> None:
    """Raise `InvalidInput` for what a file of labels does not have."""
    if text is not None or score is not None or history:
        raise InvalidInput("--to writes labels by feature: give no text, --score or --history.")


@shares("place", asked_lake)
def agreement(
    dictionary: LabelledArgument,
    *,
    explainers: ExplainersOption = None,
    format: FormatOption = "table",  # noqa: A002
    place: AskedLake,
) -> None:
    """How far explainers agree: the words and vectors of their labels, for each pair of them.

    Example: `saelake agreement minilm-l4`
    """
    with place as found:
        rows = found.dictionary(dictionary).agreement(explainers=explainers or ())
    answer(
        format,
        rows.to_arrow(),
        document=rows.to_plain,
        show=lambda: out.print(analyses.agreement(rows)),
    )


@shares("place", asked_lake)
def neighbors(
    dictionary: DictionaryArgument,
    feature: Annotated[
        str, typer.Argument(help="A feature number; of a signed dictionary also -12.")
    ],
    *,
    k: Annotated[int, typer.Option("-k", help="How many features.")] = NeighborsQuery.k,
    format: FormatOption = "table",  # noqa: A002
    place: AskedLake,
) -> None:
    """Features whose decoder directions are nearest to that of a feature.

    Example: `saelake neighbors minilm-l4 1234`
    """
    with place as found:
        rows = found.dictionary(dictionary).neighbors(feature, k)
    answer(
        format,
        rows.to_arrow(),
        document=rows.to_plain,
        show=lambda: out.print(analyses.neighbors(rows)),
    )
