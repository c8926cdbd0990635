"""Where things are: the repository, the data beside it, profiles and results."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"  # models, dictionaries and corpora
PROFILES = ROOT / "benchmarks" / "profiles"
RESULTS = ROOT / "benchmarks" / "results"
