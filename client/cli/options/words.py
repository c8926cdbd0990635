"""Options of analyses that a language model says in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Generic, TypeVar

import typer

from saelake.cli.options.language import AskedModel
from saelake.cli.options.shared import shares
from saelake.explaining.claims.proportions import Correction
from saelake.explaining.claims.written import check_form
from saelake.explaining.hypotheses.options import HypothesisOptions
from saelake.explaining.naming.options import NamingOptions
from saelake.explaining.retrieving.options import ChoosingOptions
from saelake.store.errors import InvalidInput

T = TypeVar("T")
PANEL = "In words"
COMPARED = HypothesisOptions()
NAMED = NamingOptions()
CANDIDATES = ChoosingOptions().n_candidates

ReportOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Write it all to FILE.md, .html or .json.", rich_help_panel=PANEL
    ),
]
JudgedOption = Annotated[
    int, typer.Option(help="Texts of each side that are judged.", rich_help_panel=PANEL)
]
TokensOption = Annotated[
    int, typer.Option(help="Tokens of a text that are read.", rich_help_panel=PANEL)
]
CorrectionOption = Annotated[
    Correction,
    typer.Option(help="How p-values are corrected for all that is said.", rich_help_panel=PANEL),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidInWords:
    """Whether it is said in words, and where the report goes. Raises `InvalidInput`."""

    explain: bool
    report: Path | None

    def __post_init__(self) -> None:
        if self.report is not None:
            if not self.explain:
                raise InvalidInput("--report is for --explain: give both.")
            check_form(self.report)

    def check(self, language: AskedModel | None) -> None:
        """Raise `InvalidInput` where a model is named, and nothing to ask it."""
        if language is not None and not self.explain:
            raise InvalidInput("--model is for --explain: give both.")


@dataclass(frozen=True, slots=True, kw_only=True)
class InWords(Generic[T]):
    """What a model is asked, and how."""

    said: SaidInWords
    options: T


def said_in_words(
    *,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Say it in words, and test that, by a language model.",
            rich_help_panel=PANEL,
        ),
    ] = False,
    report: ReportOption = None,
) -> SaidInWords:
    """Whether it is said in words."""
    return SaidInWords(explain=explain, report=report)


@shares("said", said_in_words)
def compared_in_words(
    *,
    n_hypotheses: Annotated[
        int, typer.Option(help="Hypotheses at most, up to 10.", rich_help_panel=PANEL)
    ] = COMPARED.n_hypotheses,
    n_features: Annotated[
        int, typer.Option(help="Features that are looked at.", rich_help_panel=PANEL)
    ] = COMPARED.n_features,
    n_judged: JudgedOption = COMPARED.n_judged,
    n_tokens: TokensOption = COMPARED.n_tokens,
    correction: CorrectionOption = COMPARED.correction,
    seed: Annotated[
        int, typer.Option(help="By which texts are drawn.", rich_help_panel=PANEL)
    ] = COMPARED.seed,
    said: SaidInWords,
) -> InWords[HypothesisOptions]:
    """How hypotheses are made. Raises `InvalidInput`."""
    options = HypothesisOptions(
        n_hypotheses=n_hypotheses,
        n_features=n_features,
        n_judged=n_judged,
        n_tokens=n_tokens,
        correction=correction,
        seed=seed,
    )
    return InWords(said=said, options=options)


@shares("said", said_in_words)
def named_in_words(
    *,
    n_words: Annotated[
        int, typer.Option(help="Words of a name at most.", rich_help_panel=PANEL)
    ] = NAMED.n_words,
    n_judged: JudgedOption = NAMED.n_judged,
    n_tokens: TokensOption = NAMED.n_tokens,
    correction: CorrectionOption = NAMED.correction,
    said: SaidInWords,
) -> InWords[NamingOptions]:
    """How groups are named. Raises `InvalidInput`."""
    options = NamingOptions(
        n_words=n_words, n_judged=n_judged, n_tokens=n_tokens, correction=correction
    )
    return InWords(said=said, options=options)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenByModel:
    """Among how many labels a model chooses, and where the report goes. Raises `InvalidInput`."""

    n_candidates: int
    report: Path | None

    def __post_init__(self) -> None:
        if self.report is not None:
            check_form(self.report)

    def check(self, language: AskedModel | None) -> None:
        """Raise `InvalidInput` where no model is named that these are for."""
        if language is None and self != ChosenByModel(n_candidates=CANDIDATES, report=None):
            raise InvalidInput("--candidates and --report are for --model: name one.")

    def options(self, n_features: int, min_score: float | None) -> ChoosingOptions:
        """How the model chooses. Raises `InvalidInput`."""
        return ChoosingOptions(
            n_candidates=self.n_candidates, n_features=n_features, min_score=min_score
        )


def chosen_by_model(
    *,
    candidates: Annotated[
        int, typer.Option(help="Labels that --model is shown.", rich_help_panel=PANEL)
    ] = CANDIDATES,
    report: ReportOption = None,
) -> ChosenByModel:
    """How a model chooses features."""
    return ChosenByModel(n_candidates=candidates, report=report)


def model_of(language: AskedModel | None) -> AskedModel:
    """The model that is asked. Raises `InvalidInput` where none is named."""
    if language is None:
        raise InvalidInput("Name the model to ask, as its server calls it: --model NAME.")
    return language


def check_usual(asked: Mapping[str, object], usual: object, kept: Sequence[str]) -> None:
    """Raise `InvalidInput` of options that `--explain` does not keep to: those not `kept`."""
    others = sorted(n for n in asked if n not in kept and asked[n] != getattr(usual, n))
    if others:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in others)
        raise InvalidInput(f"--explain does not keep to {names}: leave these out.")
