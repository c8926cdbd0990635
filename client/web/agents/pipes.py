"""The tools over standard input and output, as a program that hosts agents starts them."""

import asyncio
from contextlib import AbstractAsyncContextManager

from mcp.server.stdio import stdio_server

from saelake.store.service.signals import leave, stopping_signal
from saelake.web.agents.protocol import speaking
from saelake.web.lakes import Lakes


def serve_pipes(lakes: AbstractAsyncContextManager[Lakes], *, changes: bool = False) -> None:
    """Answer until the host closes the input, or until SIGINT or SIGTERM.

    Standard output has nothing but the protocol: what else is printed goes to standard error.
    """

    async def run() -> None:
        async with lakes as found:
            stopped = stopping_signal()
            speaks = asyncio.ensure_future(_speak(found, changes=changes))
            await asyncio.wait((stopped, speaks), return_when=asyncio.FIRST_COMPLETED)
            if speaks.done():
                speaks.result()
        leave()  # threads may wait for the host's next line, or compute what nobody waits for

    asyncio.run(run())


async def _speak(lakes: Lakes, *, changes: bool) -> None:
    protocol = speaking(lakes, changes=changes)
    async with stdio_server() as (read, write):
        await protocol.run(read, write, protocol.create_initialization_options())
