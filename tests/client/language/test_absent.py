"""Without its libraries, asking a language model says what to install, and the wing still loads."""

import subprocess
import sys
from pathlib import Path

from tests.client.absent import hidden

ASK = """
from saelake.language.model import LanguageModel
from saelake.language.reading import read
from saelake.language.replies import Reply
from saelake.language.settings import LanguageSettings

settings = LanguageSettings(base_url="http://localhost:1/v1", model="m")
reply = Reply(text="{}", finish="stop", n_prompt_tokens=1, n_completion_tokens=1, cost=None,
              seconds=0.0, model="m")
for attempt in (lambda: LanguageModel(settings, run="run", cache=CACHE), lambda: read(reply, {})):
    try:
        attempt()
    except ImportError as error:
        print(error)
"""


def test_without_its_libraries_the_extra_is_named(tmp_path: Path) -> None:
    code = hidden(("openai", "httpx2", "jsonschema")) + f"CACHE = {str(tmp_path)!r}\n" + ASK
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    asking, reading = run.stdout.splitlines()
    assert asking.startswith("Asking a language model needs ")
    assert reading.startswith("Reading answers needs jsonschema")
    assert asking.endswith("pip install 'saelake[explain]'.")
    assert not list(tmp_path.iterdir())


def test_the_wing_alone_loads_no_library() -> None:
    code = (
        "import sys, saelake.language.model, saelake.language.reading, saelake.language.fences\n"
        "print({'openai', 'httpx2', 'jsonschema', 'pydantic', 'numpy', 'grpc'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
