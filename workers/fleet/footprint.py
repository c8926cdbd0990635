"""The files that a model or a dictionary is made of, by name, size and time: have they changed?

This reads no file and needs no torch. A file that is written again has another time, also where
its size is the same.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

HUB = "hf://"
SETTINGS = (".json", ".yaml", ".yml")  # of a dictionary that is one file of its folder
ABOVE = ("config.json", "hyperparams.json")  # of a run, in the folder over its dictionaries


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Where files are, and of each its name below the folder, its bytes, and its time in ns.

    `repo` and `revision` say where on the Hugging Face hub a folder of its cache comes from.
    """

    folder: str
    files: tuple[tuple[str, int, int], ...]
    repo: str | None = None
    revision: str | None = None

    @classmethod
    def of_model(cls, location: str) -> Self | None:
        """What is there of a model; None where that is not on this machine."""
        folder = Path(location).expanduser()
        if folder.is_dir():
            return cls._of(folder.absolute(), _files(folder))
        if folder.is_absolute() or location.startswith(".") or location.count("/") > 1:
            return None
        snapshot = _snapshot(location, None)
        return None if snapshot is None else cls._of(snapshot, _files(snapshot), repo=location)

    @classmethod
    def of_dictionary(cls, location: str) -> Self | None:
        """What is there of a dictionary; None where that is not on this machine."""
        if not location.startswith(HUB):
            return cls._beside(Path(location).expanduser().absolute())
        from saelake.workers.dictionaries.source import address_parts

        repo, path, revision = address_parts(location)
        snapshot = _snapshot(repo, revision)
        if snapshot is None:
            return None
        return cls._beside(snapshot / path, repo=repo, revision=revision)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """The footprint that `dataclasses.asdict` made, and JSON kept."""
        files = tuple((str(name), int(size), int(time)) for name, size, time in value["files"])
        return cls(**{**value, "files": files})

    @property
    def is_newest(self) -> bool:
        """Whether the hub, if it can be asked, has nothing newer; true of local folders."""
        if self.repo is None:
            return True
        from huggingface_hub import hf_hub_download

        folder = Path(self.folder)
        root = next(p for p in (folder, *folder.parents) if p.parent.name == "snapshots")
        own = next(name for name, _, _ in self.files if not name.startswith(".."))
        name = (folder / own).relative_to(root).as_posix()
        with suppress(OSError, ValueError):  # also the hub's own errors
            found = hf_hub_download(self.repo, name, revision=self.revision)
            return Path(found) == root / name
        return False

    @classmethod
    def _beside(
        cls, place: Path, repo: str | None = None, revision: str | None = None
    ) -> Self | None:
        if place.is_file():
            folder = place.parent
            files = [place, *(file for file in _files(folder) if file.suffix in SETTINGS)]
        elif place.is_dir():
            folder, files = place, _files(place)
        else:
            return None
        above = [folder.parent / name for name in ABOVE]
        files += [file for file in above if file.is_file()]
        return cls._of(folder, files, repo=repo, revision=revision)

    @classmethod
    def _of(
        cls,
        folder: Path,
        files: Iterable[Path],
        repo: str | None = None,
        revision: str | None = None,
    ) -> Self:
        found = {_name(file, folder): file.stat() for file in files}
        seen = tuple((name, s.st_size, s.st_mtime_ns) for name, s in sorted(found.items()))
        return cls(folder=str(folder), files=seen, repo=repo, revision=revision)


def _name(file: Path, folder: Path) -> str:
    return file.name if file.parent == folder else f"../{file.name}"


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()]


def _snapshot(repo: str, revision: str | None) -> Path | None:
    """The folder of the hub's cache that a repository was last read from."""
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.file_download import repo_folder_name

    root = Path(HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type="model")
    named = root / "refs" / (revision or "main")
    commit = named.read_text().strip() if named.is_file() else revision
    snapshot = root / "snapshots" / (commit or "")
    return snapshot if commit and snapshot.is_dir() else None
