"""Python as if some libraries were not installed: code for the beginning of a new process."""

from collections.abc import Iterable

HIDE = """
import sys

class Without:
    '''A finder that does not find some modules, as where they are not installed.'''

    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            return None
        return self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
assert not ABSENT & {name.partition(".")[0] for name in sys.modules}
"""


def hidden(libraries: Iterable[str]) -> str:
    """The code after which these top-level modules are not found."""
    return f"ABSENT = {set(libraries)!r}\n{HIDE}"
