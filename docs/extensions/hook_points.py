"""The names of hook points by family of models, made of the table that resolves them."""

from collections.abc import Iterator
from typing import Any

from placeholders import replaces
from sphinx.application import Sphinx

from saelake.workers.encoder.families import FAMILIES


def setup(app: Sphinx) -> dict[str, Any]:
    """Give `<!-- hook points -->` its meaning."""
    return replaces(app, "hook points", lambda: "\n".join(table()))


def table() -> Iterator[str]:
    """A row for each set of names, with the models that have it."""
    families: dict[tuple[str, ...], list[str]] = {}
    for model, family in FAMILIES.items():
        names = *(f"blocks.N.{name}" for name in family.within), *family.whole
        families.setdefault(names, []).append(model)
    yield "| `model_type` in the model's config.json | names |\n|---|---|"
    for names, models in families.items():
        yield f"| {_listed(models)} | {_listed(names)} |"


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
