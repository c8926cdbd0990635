"""Commands about what features are called, and what documents mean: embed, label, labels."""

from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from saelake.answers.text import one_line, several
from saelake.cli.options.lake import (
    DEFAULT_LAKE,
    FormatOption,
    LakeOption,
    asked_lake,
    changes,
    split_numbers,
)
from saelake.cli.options.poles import PoleCommand
from saelake.cli.options.shared import shares
from saelake.cli.show import analyses
from saelake.cli.show.screen import answer, out, say
from saelake.cli.show.stages import Bars
from saelake.connection import connect
from saelake.dictionary import Dictionary
from saelake.lake import Lake
from saelake.making.stages import Stage, watched
from saelake.store.errors import InvalidInput
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
DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda. [default: cuda if there is]")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (label, labels, embed):
        app.command(rich_help_panel=PANEL)(command)
    app.command(rich_help_panel=PANEL, cls=PoleCommand)(neighbors)


def embed(
    corpus: Annotated[str, typer.Argument(help="The corpus, as imdb.")],
    *,
    model: Annotated[str, typer.Option(help="A sentence model: a folder or hub id.")],
    device: DeviceOption = None,
    lake: LakeOption = None,
) -> None:
    """Make a dense embedding of each document, for hybrid ranking and for labels.

    Example: `saelake embed imdb --model sentence-transformers/all-MiniLM-L6-v2`
    """
    with connect(lake or DEFAULT_LAKE) as found, Bars(found) as bars:
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
            help="A collection to label by itself; with --file or --feature, a dictionary.",
        ),
    ],
    *,
    file: Annotated[
        Path | None,
        typer.Option(help="Take labels from here: JSON (feature to label), Neuronpedia's .jsonl."),
    ] = None,
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
    `saelake label minilm-l4 --feature 1234 --text "rain and storms"`
    """
    dictionary = name.rpartition("/")[2]
    _check_one_way(file, feature, text, delete=delete)
    with place as found:
        if feature is not None:
            by_hand(found.dictionary(dictionary), feature, text, explainer)
            return
        if file is not None:
            n = found.import_labels(dictionary, file, explainer=explainer, model=model)
            say(f"Done: {n:,} labels of {dictionary} from {file}")
            return
        if explainer is not None:
            raise InvalidInput("--explainer says who made the labels of --file: give both.")
        with Bars(found) as bars:
            n = found.label(name, model=model, device=device, watcher=bars)
        measured = analyses.measured(found[name].labels(k=None))
        say(f"Done: {n:,} features of {name} have automatic labels{measured}")


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
    features: Annotated[str | None, typer.Option(help="Labels of these features: 12,34.")] = None,
    k: Annotated[int | None, typer.Option("-k", help="How many.")] = LabelsQuery.k,
    every: Annotated[bool, typer.Option("--all", help="All, in place of -k.")] = False,
    min_score: Annotated[
        float | None, typer.Option(help="Only labels with at least this score, as 0.8.")
    ] = None,
    format: FormatOption = "table",  # noqa: A002
    place: AskedLake,
) -> None:
    """What features are called; with a text, the features that are about it.

    Of a collection, labels made from its corpus go before those made from others.

    Examples: `saelake labels minilm-l4 "rain and storms"`,
    `saelake labels imdb/minilm-l4 --features 12,34`
    """
    if text is not None and features is not None:
        raise InvalidInput("Give either a text or --features, not both.")
    wanted = None if every else k
    with place as found:
        named = found.dictionary(dictionary)
        if text is not None:
            rows = named.labels(text, wanted, min_score=min_score)
        else:
            only = split_numbers(features) or ()
            rows = named.labels(None, wanted, features=only, min_score=min_score)
    answer(
        format,
        rows.to_arrow(),
        document=rows.to_plain,
        show=lambda: out.print(analyses.labels(rows)),
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
