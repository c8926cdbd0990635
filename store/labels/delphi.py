"""What delphi writes: `explanations/MODULE_latentN.txt`, and `scores/SCORER` with files so called.

An explanation is a JSON string; a score is a list with what a judge said of each example. Read with
eai-delphi 0.1.3's `__main__`, `classifier/sample.py`, `classifier/intruder.py` and
`simulation/types.py` beside it.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saelake.store.errors import InvalidInput
from saelake.store.format.provenance import LabelMade, LabelScore, ScoreKind
from saelake.store.labels.accuracy import balanced, share
from saelake.store.labels.reading import WRONG, label_of, read_json

EXPLANATIONS, SCORES, SETTINGS = "explanations", "scores", "run_config.json"
DEFAULT_EXPLAINER = "delphi"
NO_EXPLANATION = ("Explanation could not be parsed.", "No explanation found")
_LATENT = re.compile(r"(.+)_latent(\d+)\.txt", re.DOTALL)
Value = tuple[float, float | None, float | None, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DelphiRun:
    """What delphi was told: the model that explained and judged, and the texts."""

    model: str | None = None
    texts: str | None = None


def explanations_in(folder: Path) -> Path | None:
    """The folder of explanations that a folder is, or has; None where there are none."""
    for found in (folder / EXPLANATIONS, folder):
        if found.is_dir() and any(_LATENT.fullmatch(path.name) for path in found.iterdir()):
            return found
    return None


def read_delphi(
    explanations: Path, explainer: str | None, source: str | None
) -> Iterator[dict[str, Any]]:
    """The labels in a folder of explanations, with the scores beside it (see `read_labels`).

    Raises `InvalidInput` where they are of several modules and none is named.
    """
    run = _run(explanations.parent / SETTINGS)
    module, latents = _latents(explanations, source)
    by = explainer or run.model or DEFAULT_EXPLAINER
    made = None if run.model is None else LabelMade(model=run.model)
    for latent in sorted(latents):
        path = explanations / f"{module}_latent{latent}.txt"
        text = read_json(path)
        scores = tuple(_scores(explanations.parent / SCORES, module, latent, run))
        try:
            yield label_of(latent, "" if text in NO_EXPLANATION else text, by, scores, made)
        except WRONG as error:
            why = error.message if isinstance(error, InvalidInput) else "it holds no text"
            raise InvalidInput(f"{path} is no explanation of delphi's: {why}", path=path) from error


def _latents(folder: Path, source: str | None) -> tuple[str, set[int]]:
    """The module, and the numbers of its latents."""
    found: dict[str, set[int]] = {}
    for path in folder.iterdir():
        if latent := _LATENT.fullmatch(path.name):
            found.setdefault(latent[1], set()).add(int(latent[2]))
    if source is not None:
        found = {name: latents for name, latents in found.items() if name == source}
    if len(found) != 1:
        named = ", ".join(sorted(found)) if found else f"none of {source!r}"
        raise InvalidInput(
            f"{folder} has explanations of {named}: say of which module with --source.",
            path=folder,
        )
    return next(iter(found.items()))


def _run(path: Path) -> DelphiRun:
    if not path.is_file():
        return DelphiRun()
    told = read_json(path)
    try:
        model, texts = told.get("explainer_model"), told.get("cache_cfg", {}).get("dataset_repo")
    except AttributeError as error:
        raise InvalidInput(f"{path} are no settings of delphi's.", path=path) from error
    model, texts = (text if isinstance(text, str) and text else None for text in (model, texts))
    return DelphiRun(model=model, texts=texts)


# -- Scores.


def _scores(folder: Path, module: str, latent: int, run: DelphiRun) -> Iterator[LabelScore]:
    name = f"{module}_latent{latent}.txt".replace("/", "--")
    for scorer, (kind, measured) in _SCORERS.items():
        path = folder / scorer / name
        if not path.is_file():
            continue
        rows = read_json(path)
        try:
            found = measured(rows)
        except WRONG as error:
            raise InvalidInput(
                f"{path} is no score of delphi's {scorer}: {error!r:.200}.", path=path
            ) from error
        if found is not None:
            value, low, high, n = found
            yield LabelScore(
                kind=kind, value=value, low=low, high=high, n=n, by=run.model, on=run.texts
            )


def _classified(rows: Sequence[Mapping[str, Any]]) -> Value | None:
    """The balanced accuracy over the examples that were judged; None without both kinds."""
    read = [(bool(row["activating"]), row["prediction"]) for row in rows]
    judged = [(truth, said >= 0.5) for truth, said in read if said is not None]
    found = balanced([truth for truth, _ in judged], [said for _, said in judged])
    return None if found is None else (*found, len(judged))


def _intruders(rows: Sequence[Mapping[str, Any]]) -> Value | None:
    """The share of intruders that were found, of those tasks that were answered."""
    read = [bool(row["correct"]) for row in rows if row["correct_index"] >= 0]
    return (*share(sum(read), len(read)), len(read)) if read else None


def _simulated(rows: Sequence[Mapping[str, Any]]) -> Value | None:
    """The correlation over all sequences, which delphi has at distance 0."""
    whole = next((row for row in rows if row["distance"] == 0), None)
    value = None if whole is None else float(whole["ev_correlation_score"])
    if whole is None or value is None or not math.isfinite(value):
        return None
    return value, None, None, len(whole["scored_sequence_simulations"])


_SCORERS: Mapping[str, tuple[ScoreKind, Callable[[Any], Value | None]]] = {
    "detection": ("detection", _classified),
    "fuzz": ("fuzzing", _classified),
    "fuzzing": ("fuzzing", _classified),
    "intruder": ("intruder", _intruders),
    "simulation": ("simulation", _simulated),
}


def write_delphi(folder: Path, rows: Iterable[Mapping[str, Any]], source: str) -> int:
    """Write the labels of an answer as explanations of a module into a folder; how many.

    delphi's scores are what a judge said of each example, which no label has: none are written.
    Raises `InvalidInput` for two labels of a feature, and for those of negative poles.
    """
    place = folder / EXPLANATIONS
    place.mkdir(parents=True)
    n = 0
    for row in rows:
        if row.get("pole") == "-":
            raise InvalidInput("delphi's files have no negative poles: write JSON, with --as json.")
        path = place / f"{source}_latent{row['feature']}.txt"
        if path.exists():
            raise InvalidInput(
                f"Feature {row['feature']} has several labels, and a folder of delphi's one: name "
                "one --explainer."
            )
        path.write_text(json.dumps(row["label"], ensure_ascii=False), encoding="utf-8")
        n += 1
    return n
