"""What eai-delphi makes of some windows: `python -m tests.client.explaining.delphi --write`.

It is installed as tests/reference-requirements.txt says, without what it needs for models; of that
the absent modules are replaced by empty ones, here alone. None of these run in what is recorded:
how prompts are built, how replies are read, and how answers are counted.
"""

import importlib.abc
import importlib.util
import json
import random
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

RECORDED = Path(__file__).parent / "delphi.json"
ABSENT = [
    *("aiofiles", "asyncer", "beartype", "bitsandbytes", "blobfile", "httpx", "kaleido", "lxml"),
    *("nnsight", "openai", "orjson", "plotly", "pynvml", "sentence_transformers", "sparsify"),
    *("tiktoken", "vllm"),
]
WORDS = [
    *["", "the", "rain", "falls", "on", "a", "slow", "film", ",", "and", "it's", "good"],
    "\n",
    " über",
    "日本",
    " 1<2",
]
LABEL = "Words about {weather}."


class _Empty(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return MagicMock(name=name)


class _Replaced(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Empty modules for what is absent; found after everything that is installed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.partition(".")[0] in ABSENT:
            return importlib.util.spec_from_loader(name, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> types.ModuleType:
        return _Empty(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def examples(seed: int = 0, n: int = 8, n_tokens: int = 16) -> list[dict[str, Any]]:
    """Windows of words, the first half of which fire, as JSON: tokens and strengths."""
    chance = random.Random(seed)
    made = []
    for number in range(n):
        tokens = [chance.choice(WORDS) for _ in range(n_tokens)]
        fires = number < n // 2
        strengths = [
            float(chance.randrange(1, 64)) / 8 if fires and chance.random() < 0.3 else 0.0
            for _ in tokens
        ]
        if fires:
            strengths[n_tokens - n_tokens // 4] = 4.0
        made.append({"tokens": tokens, "strengths": strengths})
    return made


REPLIES = {
    "explanation": [
        "Thinking.\n[EXPLANATION]: Words about rain.\n",
        "[EXPLANATION]:two\nlines ",
        "no mark",
    ],
    "choices": ["[1,0,0,1,1]", "Here: [1, 0, 0, 1, 0]\n", "[true,false,true,true,false]", "[1,0]"],
    "intruder": ["It is this one. [RESPONSE]: 2", "[RESPONSE]:0\n", "[RESPONSE]: 9", "2"],
    "simulated": [
        json.dumps({"activations": [{"token": "a", "activation": v} for v in (0, 3, 10)]}),
        json.dumps({"activations": [{"token": "a", "activation": 2.5}] * 3}),
    ],
}
CHANCES = [{"1": -0.1, "0": -2.5}, {" 1": -1.0, "0": -0.5, "x": -3.0}, {"x": -0.1, "0": -9.0}]
TOPS = [{"0": -0.3, "3": -1.5, "10": -4.0, "a": -1.0}, {"7": -0.01}]
TRUE, SAID = [True, True, True, False, False], [True, False, True, True, False]
STRENGTHS = [[0.0, 3.0, 10.0], [1.0, 0.0, 0.0, 2.0]], [[0.0, 4.0, 9.0], [0.0, 0.0, 1.0, 3.0]]


def record() -> dict[str, Any]:
    """Everything that is compared, as delphi says it."""
    sys.meta_path.append(_Replaced())
    import torch
    from delphi.explainers.contrastive_explainer import ContrastiveExplainer
    from delphi.explainers.default.default import DefaultExplainer
    from delphi.latents.latents import ActivatingExample, NonActivatingExample
    from delphi.latents.samplers import normalize_activations
    from delphi.log.result_analysis import compute_classification_metrics, compute_confusion
    from delphi.scorers.classifier.detection import DetectionScorer
    from delphi.scorers.classifier.fuzz import FuzzingScorer
    from delphi.scorers.classifier.intruder import IntruderScorer, IntruderSentence
    from delphi.scorers.classifier.sample import Sample, _prepare_text, examples_to_samples
    from delphi.scorers.simulator.simulation.llm_interface import (
        compute_predicted_activation_stats_for_token,
    )
    from delphi.scorers.simulator.simulation.scoring import _calculate_correlation
    from delphi.scorers.simulator.simulation.simulator import NeuronSimulator
    from delphi.scorers.surprisal.prompts import BASEPROMPT

    rows = examples()
    firing = [
        ActivatingExample(
            tokens=torch.zeros(len(row["tokens"])),
            activations=torch.tensor(row["strengths"]),
            str_tokens=row["tokens"],
        )
        for row in rows
        if any(row["strengths"])
    ]
    silent = [
        NonActivatingExample(
            tokens=torch.zeros(len(row["tokens"])),
            activations=torch.tensor(row["strengths"]),
            str_tokens=row["tokens"],
        )
        for row in rows
        if not any(row["strengths"])
    ]
    normalize_activations(firing, 8.0)
    shown = {"verbose": False, "n_examples_shown": 5}
    detection = DetectionScorer(None, **shown)
    fuzzing = FuzzingScorer(None, **shown)
    intruder = IntruderScorer(None, **shown)
    simulator = NeuronSimulator(None, LABEL, use_logprobs=False)

    def reads(read: Any, reply: str) -> Any:
        try:
            return read(reply)
        except Exception:
            return None

    texts = [_prepare_text(example, 0, 0.3, highlighted=True)[0] for example in firing]
    texts += [_prepare_text(example, 1, 0.3, highlighted=True)[0] for example in silent]
    plain = examples_to_samples(firing) + examples_to_samples(silent)
    tokens = rows[0]["tokens"]
    import pandas as pd

    counted = pd.DataFrame({"activating": TRUE, "prediction": SAID})
    chances = [
        types.SimpleNamespace(
            token="1",
            top_logprobs=[
                types.SimpleNamespace(token=token, logprob=p) for token, p in top.items()
            ],
        )
        for top in CHANCES
    ]
    detection.n_examples_shown = len(CHANCES)
    probabilities = detection._parse_logprobs(chances)
    detection.n_examples_shown = 5
    return {
        "examples": rows,
        "default": DefaultExplainer(None)._build_prompt(firing),
        "default with thoughts": DefaultExplainer(None, cot=True)._build_prompt(firing),
        "contrastive": ContrastiveExplainer(None)._build_prompt([*firing, *silent]),
        "detection": detection._build_prompt(LABEL, plain[:5]),
        "marked": texts,
        "fuzzing": fuzzing._build_prompt(LABEL, [Sample(text, None) for text in texts[:5]]),
        "n_marked": fuzzing.mean_n_activations_ceil(firing),
        "intruder": intruder._build_prompt(
            IntruderSentence(texts[:5], 0, 0, [], [], 0.0),
        ),
        "simulation": simulator._make_json_prompt(tokens),
        "surprisal": BASEPROMPT + "Description: \n" + LABEL + "\n Sentences:\n",
        "replies": {
            "explanation": [
                DefaultExplainer(None).parse_explanation(r) for r in REPLIES["explanation"]
            ],
            "choices": [reads(lambda r: detection._parse(r)[0], r) for r in REPLIES["choices"]],
            "intruder": [reads(lambda r: intruder._parse(r)[1], r) for r in REPLIES["intruder"]],
            "simulated": [
                simulator._parse_json_response(types.SimpleNamespace(text=r), ["a"] * 3)
                for r in REPLIES["simulated"]
            ],
        },
        "probabilities": probabilities,
        "expected": [compute_predicted_activation_stats_for_token(top)[1] for top in TOPS],
        "metrics": _plain(compute_classification_metrics(compute_confusion(counted))),
        "correlation": float(_calculate_correlation(*map(_joined, STRENGTHS))),
    }


def _joined(rows: Sequence[Sequence[float]]) -> list[float]:
    return [value for row in rows for value in row]


def _plain(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}


if __name__ == "__main__":
    text = json.dumps(record(), indent=1, ensure_ascii=False) + "\n"
    if sys.argv[1:] == ["--write"]:
        RECORDED.write_text(text)
    else:
        print(text, end="")
