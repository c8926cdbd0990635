"""What is said to an OpenAI-compatible server, by OpenAI's library; nothing else knows that.

The library sends, waits and tries again (408, 409, 429, 5xx, lost connections and timeouts, with
jitter, or when `Retry-After` says). What comes back is read here, as such servers differ in it.
"""

import asyncio
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import httpx2
import openai

from saelake.language.courses import Course
from saelake.language.dialects import Dialect
from saelake.language.faults import FaultKind, RequestFault
from saelake.language.prompts import Prompt
from saelake.language.received import ReceivedAnswer, received
from saelake.language.settings import LanguageSettings
from saelake.store.errors import BudgetSpent

PATH = "/chat/completions"
# A gateway that waited in vain: the model may have answered it.
MAY_HAVE_ANSWERED = (408, 504, 524)
_COURSE: ContextVar[Course] = ContextVar("course")
_SECONDS: ContextVar[list[float]] = ContextVar("seconds")


class _NoAnswer(httpx2.RemoteProtocolError):
    """An answer that is none: the library tries again, as after a lost connection."""


class _Unaffordable(openai.OpenAIError):
    """A further attempt that could pass the budget: the library lets it through."""


class _CountingClient(httpx2.AsyncClient):
    """A client whose requests are each in the ledger, and end in time."""

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        course = _COURSE.get()
        try:
            await course.begin()
        except BudgetSpent as error:
            raise _Unaffordable from error
        try:
            return await self._sent(course, request, options)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout):
            course.refused()  # it was not sent
            raise
        except BaseException:
            course.lost()
            raise

    async def _sent(
        self, course: Course, request: httpx2.Request, options: Mapping[str, Any]
    ) -> httpx2.Response:
        began = time.monotonic()
        try:
            async with asyncio.timeout(course.timeout_s):
                response = await super().send(request, **options)
        except TimeoutError:
            raise httpx2.ReadTimeout("no answer in time", request=request) from None
        _SECONDS.get().append(time.monotonic() - began)
        if response.status_code in MAY_HAVE_ANSWERED:
            course.lost()
        elif not response.is_success:
            course.refused()
        elif received(response.content) is None:
            raise _NoAnswer("no answer of a language model", request=request)
        return response


class Speaker:
    """A connection to a model's server. Make and close it in one event loop."""

    def __init__(self, settings: LanguageSettings) -> None:
        self._settings = settings
        self._options: Any = {"headers": _headers(settings)}
        # Connecting takes a part of the time, so that a server which is gone is told soon.
        timeout = httpx2.Timeout(settings.timeout_s, connect=min(10.0, settings.timeout_s))
        limits = httpx2.Limits(max_connections=settings.concurrency)
        self._client = openai.AsyncOpenAI(
            base_url=settings.base_url,
            api_key=settings.key.reveal() if settings.key else "",
            organization="",
            project="",
            max_retries=settings.max_attempts - 1,
            timeout=timeout,
            http_client=_CountingClient(timeout=timeout, limits=limits),
            _enforce_credentials=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def say(
        self, prompt: Prompt, dialect: Dialect, course: Course
    ) -> tuple[ReceivedAnswer, float] | RequestFault:
        """The answer and its seconds, or what befell the last attempt. Raises `BudgetSpent`."""
        _COURSE.set(course)
        seconds: list[float] = []
        _SECONDS.set(seconds)
        body = dialect.body(self._settings.model, prompt)
        try:
            response = await self._client.post(
                PATH, cast_to=httpx2.Response, body=body, options=self._options
            )
        except _Unaffordable as error:
            if isinstance(error.__cause__, BudgetSpent):
                raise error.__cause__ from None
            raise
        except openai.APIError as error:
            return self._fault(error)
        answer = received(response.content)
        if answer is None:
            return RequestFault(kind=FaultKind.GARBAGE)
        return answer, seconds[-1]

    def _fault(self, error: openai.APIError) -> RequestFault:
        if isinstance(error, openai.APIStatusError):
            said = self._hidden(_message(error))
            return RequestFault(
                kind=FaultKind.STATUS, status=error.status_code, code=error.code, said=said
            )
        if isinstance(error, openai.APITimeoutError):
            return RequestFault(kind=FaultKind.TIMEOUT)
        if isinstance(error.__cause__, _NoAnswer):
            return RequestFault(kind=FaultKind.GARBAGE)
        said = "" if error.__cause__ is None else self._hidden(str(error.__cause__))
        return RequestFault(kind=FaultKind.CONNECTION, said=said)

    def _hidden(self, said: str) -> str:
        key = self._settings.key
        return said if key is None else key.hidden_in(said)


def _message(error: openai.APIStatusError) -> str:
    """What the server said; some say it elsewhere than OpenAI's."""
    said = error.body.get("message") if isinstance(error.body, Mapping) else None
    return said if isinstance(said, str) else error.message


def _headers(settings: LanguageSettings) -> dict[str, Any]:
    """The key, and nothing that the variables of OpenAI's library would add for its own servers."""
    without = openai.Omit()
    bearer = f"Bearer {settings.key.reveal()}" if settings.key else without
    return {
        "Authorization": bearer,
        "OpenAI-Organization": without,
        "OpenAI-Project": without,
    }
