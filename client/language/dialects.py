"""How servers that are compatible with OpenAI's differ: what each takes is learnt as it refuses."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from saelake.language.prompts import Prompt

Form = Literal["json_schema", "json_object", "none"]
SIMPLER: dict[Form, Form] = {"json_schema": "json_object", "json_object": "none"}
OF_FORM = ("response_format", "json_schema", "json_object", "structured output")
REFUSED = ("unsupported", "not support", "unrecognized", "unknown", "extra_forbidden", "instead")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Which of the ways to ask a server takes: the first of each until it refuses that."""

    form: Form = "json_schema"
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    has_temperature: bool = True

    def body(self, model: str, prompt: Prompt) -> dict[str, Any]:
        """What is sent to `/chat/completions`."""
        return {
            "model": model,
            "messages": [{"role": said.role, "content": said.content} for said in prompt.messages],
            self.limit: prompt.max_tokens,
            **dict(self._rest(prompt)),
        }

    def _rest(self, prompt: Prompt) -> Iterator[tuple[str, Any]]:
        if self.has_temperature:
            yield "temperature", prompt.temperature
        if prompt.seed is not None:
            yield "seed", prompt.seed
        if prompt.stop:
            yield "stop", list(prompt.stop)
        if prompt.logprobs is not None:
            yield "logprobs", True
            yield "top_logprobs", prompt.logprobs
        if prompt.schema is not None and self.form == "json_schema":
            form = {"name": "answer", "strict": True, "schema": prompt.schema}
            yield "response_format", {"type": "json_schema", "json_schema": form}
        elif prompt.schema is not None and self.form == "json_object":
            yield "response_format", {"type": "json_object"}

    def after(self, status: int, said: str, prompt: Prompt) -> "Dialect | None":
        """How to ask after a refusal; None where it is about something else."""
        if status not in (400, 422, 501):
            return None
        text = said.lower()
        if prompt.schema is not None and self.form in SIMPLER and any(w in text for w in OF_FORM):
            return replace(self, form=SIMPLER[self.form])
        if not any(word in text for word in REFUSED):
            return None
        # vLLM names both limits where a prompt is too long, which no other name would help.
        if self.limit == "max_tokens" and "max_completion_tokens" in text and "context" not in text:
            return replace(self, limit="max_completion_tokens")
        if self.has_temperature and "temperature" in text:
            return replace(self, has_temperature=False)
        return None
