"""Where dictionaries are run: at the place that they state, or at another, which then is said."""

from torch import nn

from saelake.store.errors import AlreadyExists, NotFound
from saelake.store.format.schema import CollectionSettings
from saelake.store.lake.dictionaries import RegisteredDictionary
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.snapshot.collection import open_codes
from saelake.workers.encoder.hooks import same_place


def elsewhere(name: str, stated: str | None, hook: str, module: nn.Module | None) -> str | None:
    """What to say of a dictionary that is run at another place than it states; None where not.

    Without a model's `module` places are compared by their names alone.
    """
    if stated is None or stated == hook:
        return None
    if module is not None and same_place(module, stated, hook):
        return None
    return (
        f"{name} states that it belongs at {stated}, and is run at {hook}: its features may mean "
        "something else there, and its labels may not hold."
    )


def check_place(lake: Lake, settings: CollectionSettings, module: nn.Module) -> None:
    """Raise `AlreadyExists` where the lake knows the dictionary's name at another place.

    A collection that was begun so goes on.
    """
    known = RegisteredDictionary.find(lake, settings.dictionary)
    if known is None or known.hook is None or known.fingerprint != settings.fingerprint:
        return
    if same_place(module, known.hook, settings.hook) or _is_begun(lake, settings.name):
        return
    raise AlreadyExists(
        f"{settings.dictionary} is the name of this dictionary at {known.hook} in {lake.uri}: at "
        f"{settings.hook} its answers would be taken for that place's. Give it another --name.",
        dictionary=settings.dictionary,
        hook=settings.hook,
        known=known.hook,
    )


def _is_begun(lake: Lake, name: str) -> bool:
    try:
        open_codes(lake, CollectionName.parse(name))
    except NotFound:
        return False
    return True
