"""What a model is shown of a group, and the texts that judge what it says."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saelake.answers.clusters import Clusters
from saelake.answers.families import Families
from saelake.answers.features import Feature
from saelake.answers.text import labelled, named
from saelake.collection import Collection
from saelake.explaining.claims.texts import SideText, SideTexts
from saelake.explaining.claims.verdicts import DrawnDocument, SideName
from saelake.explaining.naming.groups import Kind, NamedGroups, groups_of
from saelake.explaining.naming.members import GroupDocuments, drawn_documents
from saelake.explaining.naming.options import NamingOptions
from saelake.store.errors import NotFound

WORDS = 3  # on which a feature peaks, of one that has no label


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFeature:
    """A feature of a group: `called` is its label, or the words on which it peaks.

    The frequencies are its shares of the documents that may be shown, in the group and in others.
    """

    feature: int | str
    called: str
    frequency_in: float
    frequency_out: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupEvidence:
    """A group of `size` documents or features: what is shown of it, and what judges its name."""

    number: int
    size: int
    features: tuple[GroupFeature, ...]
    shown: tuple[str, ...]
    others: tuple[str, ...]
    judged: tuple[SideText, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsRead:
    """Everything of the lake that is asked about, before anything is asked."""

    kind: Kind
    selection: str
    state: str | None
    options: NamingOptions
    groups: tuple[GroupEvidence, ...]


def read_groups(
    collection: Collection, found: Clusters | Families, options: NamingOptions
) -> GroupsRead:
    """What there is to show of clusters or families of a collection, and to judge by."""
    d_sae = collection.info().d_sae or 0
    groups = groups_of(found, d_sae)
    documents = drawn_documents(collection, groups, d_sae, options) if groups.numbers else ()
    reader = GroupReader(collection, groups, d_sae, options)
    return GroupsRead(
        kind=groups.kind,
        selection=str(collection.selection),
        state=groups.state,
        options=options,
        groups=tuple(reader.read(group, of) for group, of in enumerate(documents)),
    )


class GroupReader:
    """Reads texts and features of groups."""

    def __init__(
        self, collection: Collection, groups: NamedGroups, d_sae: int, options: NamingOptions
    ) -> None:
        self._collection, self._groups = collection, groups
        self._d_sae, self._options = d_sae, options
        self._texts = SideTexts(collection, collection, options.n_tokens)

    def read(self, group: int, of: GroupDocuments) -> GroupEvidence:
        """The evidence for a group."""
        o = self._options
        n_strong = (o.n_shown + 1) // 2
        shown = list(dict.fromkeys([*of.strongest[:n_strong], *of.shown]))[: o.n_shown]
        features = self._features(group, of)
        others = self._texts.read(_drawn(of.others, "B"))
        judged = self._texts.read([*_drawn(of.judged, "A"), *_drawn(of.judged_others, "B")])
        return GroupEvidence(
            number=self._groups.numbers[group],
            size=self._groups.sizes[group],
            features=features,
            shown=self._marked(shown, features),
            others=tuple(text.beginning(o.n_excerpt) for text in others),
            judged=judged,
        )

    def _features(self, group: int, of: GroupDocuments) -> tuple[GroupFeature, ...]:
        """The group's own features, or those most frequent in it and seldom in others."""
        if self._groups.own is None:
            excess = of.fires_in - of.fires_out
            order = np.argsort(-excess, kind="stable")
            own: list[int] = order[excess[order] > 0].tolist()
        else:
            own = self._groups.own[group]
        names = [self._name(column, len(of.fires_in)) for column in own[: self._options.n_features]]
        called = self._called(names)
        return tuple(
            GroupFeature(
                feature=name,
                called=called.get(str(name), ""),
                frequency_in=float(of.fires_in[column]),
                frequency_out=float(of.fires_out[column]),
            )
            for name, column in zip(names, own, strict=False)
        )

    def _name(self, column: int, width: int) -> int | str:
        if width == self._d_sae:
            return column
        return named(column % self._d_sae, "-" if column >= self._d_sae else "+")

    def _called(self, names: Sequence[int | str]) -> dict[str, str]:
        """Of each feature its label, or the words on which it peaks."""
        if not names:
            return {}
        labels = self._collection.labels(features=names, k=None)
        found = {str(named(row.feature, row.pole)): labelled(row.label) for row in labels}
        rest = [name for name in names if not found.get(str(name))]
        return found | (self._peaks(rest) if rest else {})

    def _peaks(self, names: Sequence[int | str]) -> dict[str, str]:
        try:
            rows = self._collection.features(names)
        except NotFound:  # of a collection that is not indexed
            return {}
        return {str(named(row.feature, row.pole)): _words(row) for row in rows}

    def _marked(self, docs: Sequence[int], features: Sequence[GroupFeature]) -> tuple[str, ...]:
        """Excerpts of documents, each around where a feature fires: in turns, of those that do."""
        plain = {text.doc: text for text in self._texts.read(_drawn(docs, "A"))}
        read = [
            {text.doc: text for text in self._texts.read(_drawn(docs, "A"), each.feature)}
            for each in features
        ]
        used, n = [0] * len(read), self._options.n_excerpt
        shown = []
        for doc, text in plain.items():
            firing = [i for i, texts in enumerate(read) if texts[doc].fires]
            if not firing:
                shown.append(text.beginning(n))
                continue
            at = min(firing, key=used.__getitem__)
            used[at] += 1
            shown.append(read[at][doc].excerpt(read[at][doc].begin(n), n))
        return tuple(shown)


def _words(row: Feature) -> str:
    said = ", ".join(f"“{top.token.strip()}”" for top in row.top_tokens[:WORDS])
    return f"is active at {said}" if said else ""


def _drawn(docs: Sequence[int], side: SideName) -> list[DrawnDocument]:
    return [DrawnDocument(doc=doc, side=side) for doc in docs]
