"""Options that several analyses have."""

from typing import Annotated

import typer

from saelake.store.requests.checks import Method, Pooling

PANEL = "Analyse"

SelectionArgument = Annotated[
    str,
    typer.Argument(
        metavar="SELECTION",
        help="corpus/dictionary, or \"corpus/dictionary where label = 'pos'\".",
    ),
]
PoolingOption = Annotated[
    Pooling, typer.Option(help="How the values of a document's tokens become one.")
]
MethodOption = Annotated[
    Method, typer.Option(help="By features, by dense embeddings, or by the ranks in both.")
]
CoverageOption = Annotated[
    float, typer.Option(help="Leave out features that fire in more of the documents than this.")
]
MinScoreOption = Annotated[
    float | None,
    typer.Option(
        help="Only features whose labels have at least this score, as 0.8: how well their words "
        "predict where the feature fires. 0.5 is a guess."
    ),
]
ChosenOption = Annotated[
    bool, typer.Option("--chosen", help="Also show which features stand for the phrase.")
]
ControlOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[,NAME]",
        help="Compare documents alike in this: length (tokens), or a column. May be repeated; a "
        "name with a comma in it stands in double quotes.",
    ),
]
ClusterByOption = Annotated[
    str | None,
    typer.Option(
        help="Documents of one value in this column, as an author, are one unit; each without a "
        "value is its own."
    ),
]
ValuesOption = Annotated[
    int | None, typer.Option("-k", help="How many values; the others are summed.")
]
BinsOption = Annotated[
    int | None,
    typer.Option(
        help="How many bins numbers and times have, if they have more values. [default: 10, if "
        "they have more than 20]",
    ),
]
AllOption = Annotated[bool, typer.Option("--all", help="All, in place of -k.")]
