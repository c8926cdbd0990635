"""Where a dictionary's files are: a local path, or an `hf://` address brought to one."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from saelake.store.errors import (
    AccessDenied,
    DictionaryError,
    InvalidInput,
    NotFound,
    Unavailable,
)

WEIGHTS_SUFFIXES = (".safetensors", ".npz", ".pt", ".pth")

_ADDRESS = re.compile(
    r"hf://(?P<repo>[^/@]+/[^/@]+)(@(?P<early>[^/@]+))?(/(?P<path>[^@]*))?(@(?P<late>[^@]+))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DictionaryFiles:
    """The files of one dictionary on this machine.

    Attributes:
        folder: the folder that holds them.
        file: the one weights file that was asked for; None where the folder was.
        label: the location as a path, from which published names tell model, layer and k:
            "google/gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71".
        hook: the hook point that the caller gives it; what the files say need not be understood.
        norm_factor: what the caller knows that activations are multiplied with.
    """

    folder: Path
    file: str | None
    label: str
    hook: str | None = None
    norm_factor: float | None = None

    def path(self, *parts: str) -> Path:
        """The path of a file in the folder."""
        return self.folder.joinpath(*parts)

    def has(self, *parts: str) -> bool:
        """Whether the folder has this file."""
        return self.path(*parts).is_file()

    def offers(self, *parts: str) -> bool:
        """Whether the folder has this weights file and no other was asked for."""
        return self.has(*parts) and self.file in (None, parts[-1])

    def checkpoint(self) -> Path | None:
        """The weights file that was asked for, or the only `.pt` or `.pth` of the folder."""
        if self.file is not None:
            return self.path(self.file)
        found = [path for path in self._files() if path.suffix in (".pt", ".pth")]
        return found[0] if len(found) == 1 else None

    def only_checkpoint(self) -> Path:
        """As :meth:`checkpoint`; a DictionaryError where there is none to tell."""
        path = self.checkpoint()
        if path is None:
            raise DictionaryError(
                f"{self.label} has no single .pt or .pth file; found {self.listing()}; name one",
                path=self.label,
            )
        return path

    def listing(self, most: int = 12) -> str:
        """What the folder holds, for an error message."""
        names = [path.name + "/" * path.is_dir() for path in sorted(self.folder.iterdir())]
        shown = ", ".join(names[:most]) or "nothing"
        return shown + (f" and {len(names) - most} more" if len(names) > most else "")

    def _files(self) -> list[Path]:
        return [path for path in sorted(self.folder.iterdir()) if path.is_file()]


def locate(location: str | Path, *, revision: str | None, wanted: Iterable[str]) -> DictionaryFiles:
    """The files at a local path or `hf://owner/repo[/path][@revision]`.

    Of a hub folder only the `wanted` file names are fetched, and of a hub file that file and the
    wanted ones beside it; without a connection they are taken from the hub's cache.

    Raises:
        InvalidInput: not an address that can be meant.
        NotFound: no such path, repository or revision.
        AccessDenied: a repository whose terms must be accepted first.
        Unavailable: the hub cannot be reached and the cache has no copy.
    """
    text = str(location)
    if "://" not in text:
        return _local(Path(location).expanduser(), label=str(Path(text).expanduser().absolute()))
    repo, path, revision = _parsed(text, revision)
    root = _fetched(repo, path, revision, wanted)
    return _local(root / path, label=f"{repo}/{path}".rstrip("/"))


def check_address(location: str | Path) -> bool:
    """Whether a location is an address of the hub, which is not asked. Raises `InvalidInput`."""
    if "://" not in str(location):
        return False
    _parsed(str(location), None)
    return True


def address_parts(address: str) -> tuple[str, str, str | None]:
    """The repository, path and revision of an `hf://` address. Raises `InvalidInput`."""
    return _parsed(address, None)


def _local(path: Path, label: str) -> DictionaryFiles:
    if path.is_file():
        return DictionaryFiles(folder=path.parent, file=path.name, label=label)
    if path.is_dir():
        return DictionaryFiles(folder=path, file=None, label=label)
    raise NotFound(
        f"there is no dictionary at {label}; give a folder or a weights file, or "
        "hf://owner/repo/path",
        path=label,
    )


def _parsed(address: str, revision: str | None) -> tuple[str, str, str | None]:
    match = _ADDRESS.fullmatch(address)
    if match is None or ".." in address.split("/"):
        raise InvalidInput(
            f"{address} is not a dictionary's address; expected hf://owner/repo[/path][@revision]",
            location=address,
        )
    revisions = {r for r in (match["early"], match["late"], revision) if r}
    if len(revisions) > 1:
        raise InvalidInput(
            f"{address} is asked for at two revisions, {' and '.join(sorted(revisions))}; keep one",
            location=address,
        )
    return match["repo"], (match["path"] or "").strip("/"), next(iter(revisions), None)


def _fetched(repo: str, path: str, revision: str | None, wanted: Iterable[str]) -> Path:
    """The snapshot folder of the repository, with at least the files that are there to fetch."""
    try:
        patterns = _patterns(repo, path, wanted)
        return Path(snapshot_download(repo, revision=revision, allow_patterns=patterns))
    except GatedRepoError as error:
        raise AccessDenied(
            f"{repo} is gated: accept its terms on huggingface.co and log in with `hf auth login`",
            repo=repo,
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        at = f" at revision {revision}" if revision else ""
        raise NotFound(f"the hub has no repository {repo}{at}", repo=repo) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise Unavailable(
            f"{repo} cannot be fetched, and it is not whole in the local cache; connect to the "
            f"hub, or give a local folder ({type(error).__name__})",
            repo=repo,
        ) from error


def _patterns(repo: str, path: str, wanted: Iterable[str]) -> list[str]:
    """Exact file names within the repository, and those of the folder above for its run."""
    folder, files = path, list(wanted)
    if path.endswith(WEIGHTS_SUFFIXES):
        folder, _, file = path.rpartition("/")
        files = [name for name in files if not name.endswith(WEIGHTS_SUFFIXES)] + [file]
    name = repo.partition("/")[2]  # Goodfire names a checkpoint after its repository
    files += [f"{name}.pt", f"{name}.pth"] if not path else []
    above = folder.rpartition("/")[0]
    places = [f"{folder}/{file}" for file in files]
    places += [f"{above}/{file}" for file in ("config.json", "hyperparams.json")]
    return [place.lstrip("/") for place in places]
