"""A gRPC server that answers each message with itself: what gRPC alone can do.

`python -m benchmarks.query.echo` says where it is.
"""

import asyncio
from typing import Any

import grpc


async def main() -> None:
    """Serve on a free port of this machine until a signal."""

    async def echo(message: bytes, context: Any) -> None:
        await context.write(message)

    server = grpc.aio.server()
    handlers = {"Echo": grpc.unary_stream_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bare", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"grpc://127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
