"""Label files, of saelake and of other tools: which is which, and what is read of each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from saelake.store.errors import InvalidInput, NotFound
from saelake.store.labels.delphi import explanations_in, read_delphi
from saelake.store.labels.documents import read_document
from saelake.store.labels.neuronpedia import read_explanations

LINES = (".jsonl", ".jsonl.gz")


def read_labels(
    path: Path, explainer: str | None = None, source: str | None = None
) -> Iterator[dict[str, Any]]:
    """The labels of a file: feature (as a question's number), label, explainer, scores, made.

    A `.json` file holds one object: feature number to label (as Goodfire's are shipped), or
    `labels`, as `saelake labels -f json` writes it. A `.jsonl` or `.jsonl.gz` file has
    Neuronpedia's explanations, and a folder several of these, or what delphi wrote: `explanations`,
    and beside it `scores`. The negative pole of a signed dictionary's feature is -243, as a number
    or in quotes. `explainer` says who made the labels, in place of what the file says; `source`
    which of several modules (delphi) or layers (Neuronpedia) they are of. Raises `NotFound`, and
    `InvalidInput` naming the place in the file.
    """
    if path.is_dir():
        yield from _folder(path, explainer, source)
    elif not path.is_file():
        raise NotFound(f"There is no file {path}.", path=path)
    elif path.suffix == ".json":
        yield from read_document(path, explainer)
    elif path.name.endswith(LINES):
        yield from read_explanations([path], explainer, source)
    else:
        raise InvalidInput(
            f"{path} is no label file: give .json (feature to label), .jsonl[.gz] (Neuronpedia's "
            "explanations), or delphi's folder.",
            path=path,
        )


def _folder(path: Path, explainer: str | None, source: str | None) -> Iterator[dict[str, Any]]:
    lines = sorted(p for p in path.iterdir() if p.name.endswith(LINES) and p.is_file())
    if lines:
        return read_explanations(lines, explainer, source)
    found = explanations_in(path)
    if found is None:
        raise InvalidInput(
            f"{path} has no labels: neither delphi's explanations/*_latent*.txt nor Neuronpedia's "
            "*.jsonl[.gz].",
            path=path,
        )
    return read_delphi(found, explainer, source)
