"""saelake: which tokens fire feature X, over a whole corpus, in milliseconds.

>>> import saelake
>>> lake = saelake.connect("lake")                      # or "grpc://host:50051"
>>> lake["imdb/minilm-l4"].tokens(1234, where="label = 'pos'")  # doctest: +SKIP
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saelake.collection import Collection as Collection
    from saelake.connection import connect as connect
    from saelake.lake import Lake as Lake
    from saelake.store.errors import SaelakeError as SaelakeError

__version__ = version("saelake")
__all__ = ["Collection", "Lake", "SaelakeError", "__version__", "connect"]

# Imported when they are first used, so that `import saelake` costs nothing.
_HOMES = {
    "Collection": "saelake.collection",
    "Lake": "saelake.lake",
    "SaelakeError": "saelake.store.errors",
    "connect": "saelake.connection",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'saelake' has no attribute {name!r}")
