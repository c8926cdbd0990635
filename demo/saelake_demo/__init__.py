"""The dictionary of saelake's demo, in the format of SAELens."""

from pathlib import Path

DICTIONARY = "minilm-l4-4096"


def dictionary() -> Path:
    """The folder of a top-k SAE (k = 32, 4,096 features) on the stream after block 4 of MiniLM.

    It was trained for this project on 1.1 million tokens of public text.
    """
    return Path(__file__).parent / DICTIONARY
