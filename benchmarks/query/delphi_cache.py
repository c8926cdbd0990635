"""A collection as a delphi cache, and delphi answering from it in its own environment."""

import json
import os
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from benchmarks.common.places import ROOT
from saelake.store.format.lists import Array, Lists, concatenate
from saelake.store.snapshot.collection import Collection

MODULE = "synthetic"
CONTEXT, N_SPLITS = 256, 5  # the defaults of its CacheConfig
SCAN_ROWS = 256


def write_cache(collection: Collection, vocabulary: list[str], folder: Path) -> None:
    """Write the codes as `LatentCache.save_splits` does: documents end to end, cut into contexts.

    One file for each range of features: `locations` (sequence, position, feature - start),
    `activations` float16, and in every file all `tokens`.
    """
    module = folder / MODULE
    module.mkdir(parents=True)
    (folder / "vocabulary.json").write_text(json.dumps(vocabulary))
    settings = {"dataset_repo": "", "dataset_split": "", "dataset_name": "", "ctx_len": CONTEXT}
    (module / "config.json").write_text(json.dumps({**settings, "model_name": ""}))
    tokens = _tokens(collection)
    bounds = np.linspace(0, collection.settings.d_sae, N_SPLITS + 1).astype(np.int64)
    for start, stop in pairwise(bounds.tolist()):
        at, feature, value = _codes(collection, start, stop)
        locations = np.stack([at // CONTEXT, at % CONTEXT, feature - start], axis=1)
        small = locations.max(initial=0) < 1 << 16
        split = {
            "locations": locations.astype(np.uint16 if small else np.uint32),
            "activations": value.astype(np.float16),
            "tokens": tokens,
        }
        save_file(split, module / f"{start}_{stop - 1}.safetensors")


def _tokens(collection: Collection) -> Array:
    """All tokens, int64 (n_sequences, CONTEXT), the last sequence filled up with zeros."""
    batches = collection.codes.scan(["token_ids"], batch_rows=SCAN_ROWS)
    ids = concatenate((Lists.of(batch["token_ids"]).values for batch in batches), np.uint32)
    tokens = np.zeros((-(-len(ids) // CONTEXT), CONTEXT), np.int64)
    tokens.reshape(-1)[: len(ids)] = ids
    return tokens


def _codes(collection: Collection, start: int, stop: int) -> tuple[Array, Array, Array]:
    """The codes of features in [start, stop) by token and feature: tokens, features, values."""
    pieces: list[tuple[Array, Array, Array]] = []
    first = 0
    columns = ["token_ids", "features", "counts", "positions", "values"]
    for batch in collection.codes.scan(columns, batch_rows=SCAN_ROWS):
        ids, features, counts, positions, values = (Lists.of(batch[name]) for name in columns)
        feature = np.repeat(features.values, counts.values)
        chosen = np.flatnonzero((feature >= start) & (feature < stop))
        at = first + ids.offsets[positions.rows[chosen]] + positions.values[chosen]
        order = np.lexsort((feature[chosen], at))
        found = chosen[order]
        value = collection.codes.codec.decode(values.values[found])
        pieces.append((at[order], feature[found].astype(np.int64), value))
        first += len(ids.values)
    whole_at, whole_feature, whole_value = map(np.concatenate, zip(*pieces, strict=True))
    return whole_at, whole_feature, whole_value


class DelphiCache:
    """delphi's own reader, in a process of its own that has imported everything."""

    name = "delphi cache"

    def __init__(self, python: Path, folder: Path, k: int, *, threads: int) -> None:
        program = [str(python), "-m", "benchmarks.peers.delphi_latents"]
        self._process = subprocess.Popen(
            [*program, str(folder), MODULE, str(k), str(threads)],
            cwd=ROOT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        while self._line() != "ready":
            continue

    @property
    def process(self) -> int:
        """The number of its process."""
        return self._process.pid

    def strongest(self, feature: int) -> list[float]:
        """The values of the k strongest windows that delphi shows of a feature, with their text."""
        assert self._process.stdin
        print(feature, file=self._process.stdin, flush=True)
        while not (line := self._line()).startswith("["):
            continue
        return [window["value"] for window in json.loads(line)]

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "delphi's process ended: run it by hand to see why"
        return line.strip()
