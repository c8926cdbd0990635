"""Asks a server from a process of its own, with stubs of its own: raw gRPC, nothing of saelake.

`python -m benchmarks.query.load_client` reads an errand in JSON from its input, and prints what
came of it in JSON. The messages are bytes that were made before, and answers are not looked into.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import grpc

OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)  # else channels of a process share one


async def ask(
    target: str, method: str, messages: Sequence[bytes], clients: int, seconds: float
) -> dict[str, Any]:
    """Ask as fast as the answers come, from as many connections as there are clients."""
    channels = [grpc.aio.insecure_channel(target, OWN_CONNECTION) for _ in range(clients)]
    turns = itertools.cycle(messages)
    taken: list[float] = []
    failed: list[str] = []
    until = time.perf_counter() + seconds

    async def client(channel: Any) -> None:
        stub = channel.unary_stream(method)
        while time.perf_counter() < until:
            begun = time.perf_counter()
            try:
                async for _ in stub(next(turns)):
                    pass
            except grpc.aio.AioRpcError as error:
                failed.append(f"{error.code().name}: {error.details()}")
                await asyncio.sleep(0.01)
            else:
                taken.append(time.perf_counter() - begun)

    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(client, channels))
    lasted = time.perf_counter() - begun
    cpu = time.process_time() - cpu
    for channel in channels:
        await channel.close()
    return {
        "seconds": lasted,
        "taken": sorted(taken),
        "failed": len(failed),
        "failures": sorted(set(failed))[:5],
        "cpu_s": cpu,
    }


async def rest(target: str, connections: int) -> None:
    """Hold connections that ask nothing, until the input ends; says `held` when all are there."""
    channels = [grpc.aio.insecure_channel(target, OWN_CONNECTION) for _ in range(connections)]
    for some in (channels[i : i + 100] for i in range(0, connections, 100)):
        await asyncio.gather(*(channel.channel_ready() for channel in some))
    print("held", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for channel in channels:
        await channel.close()


async def press(target: str, method: str, messages: Sequence[bytes]) -> None:
    """Ask heavy questions, one of each message at a time and again, until the input ends."""
    async with grpc.aio.insecure_channel(target) as channel:
        stub = channel.unary_stream(method)

        async def again(message: bytes) -> None:
            while True:
                try:
                    async for _ in stub(message):
                        pass
                except grpc.aio.AioRpcError as error:
                    print(error.code().name, error.details(), file=sys.stderr)
                    await asyncio.sleep(0.2)

        asking = [asyncio.create_task(again(message)) for message in messages]
        print("held", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


def main() -> None:
    """Do the errand."""
    errand = json.loads(sys.stdin.readline())
    kind = errand.pop("kind")
    if "messages" in errand:
        errand["messages"] = [bytes.fromhex(message) for message in errand["messages"]]
    if kind == "ask":
        print(json.dumps(asyncio.run(ask(**errand))))
    else:
        asyncio.run(rest(**errand) if kind == "rest" else press(**errand))


if __name__ == "__main__":
    main()
