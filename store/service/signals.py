"""Signals that end a server: the first in good order, the second at once."""

import asyncio
import logging
import os
import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM)
OF_SIGNAL = 128  # what shells add to a signal's number


def stopping_signal() -> "asyncio.Future[int]":
    """Done at the first signal, with its number; a second ends the process there and then."""
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[int] = loop.create_future()

    def come(number: int) -> None:
        if stopped.done():
            os._exit(OF_SIGNAL + number)
        stopped.set_result(number)

    for number in SIGNALS:
        loop.add_signal_handler(number, come, number)
    return stopped


def leave() -> None:
    """End this process well, though threads still compute: Python would wait for them."""
    logging.shutdown()
    os._exit(0)
