"""Charts, as Altair writes them and checks them against its schema."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What a chart says above, and the rows of each layer by what draws them."""

    title: str
    said: str
    layers: Sequence[tuple[str, Rows]]
    spec: Mapping[str, Any]

    def rows(self, mark: str) -> Rows:
        """All rows that such marks draw."""
        return [row for kind, rows in self.layers if kind == mark for row in rows]


def read(chart: Any) -> Chart:
    """A chart that Altair found right."""
    spec = chart.to_dict()
    above = spec["title"]
    return Chart(
        title=" ".join(above["text"]),
        said=" ".join(above["subtitle"]),
        layers=[(layer["mark"]["type"], _rows(layer, spec)) for layer in spec.get("layer", [spec])],
        spec=spec,
    )


def _rows(layer: Mapping[str, Any], spec: Mapping[str, Any]) -> Rows:
    data = layer.get("data", spec.get("data"))
    found: Rows = data["values"] if "values" in data else spec["datasets"][data["name"]]
    return found


def texts(value: Any) -> Iterator[str]:
    """Every text of a specification, names too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from value
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from texts(inner)


def tooltips(value: Any) -> Iterator[str]:
    """What the fields of tooltips are called: `image` would be fetched, as an address."""
    if isinstance(value, Mapping):
        for tip in value.get("tooltip", ()):
            yield tip.get("title", tip["field"])
        for inner in value.values():
            yield from tooltips(inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from tooltips(inner)
