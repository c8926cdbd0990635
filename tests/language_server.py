"""A server of a language model that says what a test's script does, over real HTTP.

    def script(asked: Asked) -> Step:
        if asked.n_before == 0:
            return Fail(429, retry_after_s=0.01)
        return Say("It is about cats.")

    with scripted(script) as server:
        LanguageSettings(base_url=server.base_url, model="scripted")
        …
        assert server.counted.n_tokens == …

A token is a word here, and 3 more for each message of a prompt; `max_tokens` cuts an answer off, as
it does with real ones. `python -m tests.language_server --delay 0.05` is one in a process.
"""

import asyncio
import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

TOKENS_OF_MESSAGE = 3
MOST_BYTES = 1 << 20  # of a head


@dataclass(frozen=True, slots=True)
class Say:
    """An answer, after a delay. `logprobs` are of its words: alternatives, the likeliest first."""

    text: str
    delay_s: float = 0.0
    finish: str = "stop"
    counts: bool = True
    logprobs: Callable[[str], Mapping[str, float]] | None = None


@dataclass(frozen=True, slots=True)
class Fail:
    """An HTTP status instead of an answer."""

    status: int
    said: str = "scripted failure"
    retry_after_s: float | None = None
    code: str | None = None
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Garble:
    """A body with status 200 that is no answer."""

    body: bytes = b"<html>Bad gateway</html>"


@dataclass(frozen=True, slots=True)
class Cut:
    """An answer that was made and counted, of which the connection brings only a part."""

    text: str = "lost"


Step = Say | Fail | Garble | Cut


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: its body, the headers, and how often its messages were asked before."""

    body: Mapping[str, Any]
    headers: Mapping[str, str]
    n_before: int

    @property
    def text(self) -> str:
        """The last message."""
        return str(self.body["messages"][-1]["content"])

    @property
    def max_tokens(self) -> int:
        """Of the answer."""
        return int(self.body.get("max_tokens") or self.body["max_completion_tokens"])


Script = Callable[[Asked], Step]


@dataclass(slots=True)
class Counted:
    """What the server counted: requests, and the tokens of answers that it sent."""

    n_requests: int = 0
    n_answers: int = 0
    n_prompt_tokens: int = 0
    n_completion_tokens: int = 0
    n_cut_tokens: int = 0  # of answers that were cut: made, and not received
    at_once: int = 0
    most_at_once: int = 0

    @property
    def n_tokens(self) -> int:
        """Of answers that were sent whole."""
        return self.n_prompt_tokens + self.n_completion_tokens


def n_tokens(messages: list[Mapping[str, str]]) -> int:
    """Those of a prompt."""
    return sum(len(said["content"].split()) + TOKENS_OF_MESSAGE for said in messages)


@dataclass(slots=True)
class ScriptedServer:
    """The server, and what it saw; `asked` counts requests by the text of their messages."""

    script: Script
    base_url: str = ""
    counted: Counted = field(default_factory=Counted)
    asked: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    bodies: list[Mapping[str, Any]] = field(default_factory=list)
    connections: set[asyncio.Task[None]] = field(default_factory=set)

    async def listen(self) -> asyncio.Server:
        """Listen on a free port of this machine."""
        listening = await asyncio.start_server(self._connection, "127.0.0.1", 0, limit=MOST_BYTES)
        self.base_url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
        return listening

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            self.connections.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read a request and answer it; whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        if (method, path) != ("POST", "/v1/chat/completions"):
            writer.write(_response(404, _error("no such path", None)))
            return True
        self.counted.at_once += 1
        self.counted.most_at_once = max(self.counted.most_at_once, self.counted.at_once)
        try:
            answer, goes_on = await self._answer(json.loads(raw), headers)
        finally:
            self.counted.at_once -= 1
        writer.write(answer)
        await writer.drain()
        return goes_on

    async def _answer(
        self, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> tuple[bytes, bool]:
        """What is sent, and whether the connection goes on; all is counted before it is sent."""
        name = "\n".join(said["content"] for said in body["messages"])
        step = self.script(Asked(body, headers, self.asked[name]))
        self.asked[name] += 1
        self.counted.n_requests += 1
        self.headers.append(headers)
        self.bodies.append(body)
        if isinstance(step, Say | Fail) and step.delay_s:
            await asyncio.sleep(step.delay_s)
        if isinstance(step, Fail):
            said = _error(step.said, step.code)
            return _response(step.status, said, step.retry_after_s), True
        if isinstance(step, Garble):
            return _response(200, step.body), True
        if isinstance(step, Cut):
            made, usage = _completion(body, Say(step.text))
            self.counted.n_cut_tokens += sum(usage)
            return _response(200, made)[:-20], False
        made, usage = _completion(body, step)
        self._count(name, usage)
        return _response(200, made), True

    def _count(self, name: str, usage: tuple[int, int]) -> None:
        self.counted.n_answers += 1
        self.counted.n_prompt_tokens += usage[0]
        self.counted.n_completion_tokens += usage[1]
        self.answered[name] += 1


def _completion(body: Mapping[str, Any], say: Say) -> tuple[bytes, tuple[int, int]]:
    words, most = say.text.split(), int(body.get("max_tokens") or body["max_completion_tokens"])
    is_cut = len(words) > most
    text = " ".join(words[:most]) if is_cut else say.text
    usage = n_tokens(body["messages"]), min(len(words), most)
    chances = None
    if body.get("logprobs") and say.logprobs is not None:
        chances = {"content": [_chances(word, say.logprobs(word)) for word in words[:most]]}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "length" if is_cut else say.finish,
        "logprobs": chances,
    }
    counted = {
        "prompt_tokens": usage[0],
        "completion_tokens": usage[1],
        "total_tokens": sum(usage),
    }
    made: dict[str, Any] = {
        "id": "scripted",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [choice],
        **({"usage": counted} if say.counts else {}),
    }
    return json.dumps(made).encode(), usage


def _chances(word: str, alternatives: Mapping[str, float]) -> Mapping[str, Any]:
    top = [{"token": token, "logprob": chance} for token, chance in alternatives.items()]
    return {"token": word, "logprob": alternatives.get(word, -9.0), "top_logprobs": top}


def _error(said: str, code: str | None) -> bytes:
    return json.dumps({"error": {"message": said, "type": "scripted", "code": code}}).encode()


def _response(status: int, body: bytes, retry_after_s: float | None = None) -> bytes:
    wait = "" if retry_after_s is None else f"Retry-After: {retry_after_s}\r\n"
    head = f"HTTP/1.1 {status} Scripted\r\nContent-Type: application/json\r\n{wait}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@contextmanager
def scripted(script: Script) -> Iterator[ScriptedServer]:
    """A server in a thread, to the end of the block."""
    server = ScriptedServer(script)
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        listening = await server.listen()
        ready.set()
        await stop.wait()
        listening.close()
        for task in list(server.connections):
            task.cancel()
        await asyncio.gather(*server.connections, return_exceptions=True)

    def run() -> None:
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run, name="scripted", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def main(delay_s: float) -> None:
    """A server that answers each prompt with its last words, until its input ends."""
    with scripted(lambda asked: Say(asked.text[-40:], delay_s=delay_s)) as server:
        print(server.base_url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(float(sys.argv[sys.argv.index("--delay") + 1]) if "--delay" in sys.argv else 0.0)
