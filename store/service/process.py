"""One of several processes that serve on one port; `processes.py` starts it.

`python -m saelake.store.service.process` reads its settings from its input, and stops gracefully
when that ends.
"""

import os
import pickle
import signal
from threading import Thread
from typing import BinaryIO

from saelake.store.errors import SaelakeError
from saelake.store.service.begun import own_pipes
from saelake.store.service.lanes import parcels
from saelake.store.service.lanes.parcels import Kind, packed
from saelake.store.service.serve import ServerSettings, serve
from saelake.store.service.signals import leave


def main() -> None:
    """Serve until a signal, or the end of the input."""
    orders, news = own_pipes()
    settings: ServerSettings = pickle.loads(parcels.read(orders)[1])
    Thread(target=_end_with, args=(orders,), daemon=True).start()

    def tell(parcel: bytes) -> None:
        news.write(parcel)
        news.flush()

    try:
        whole = serve(
            settings,
            on_ready=lambda _: tell(packed(Kind.READY)),
            on_warm=lambda: tell(packed(Kind.WARM)),
        )
        if not whole:
            leave()
    except SaelakeError as error:
        tell(parcels.error_parcel(error))


def _end_with(orders: BinaryIO) -> None:
    orders.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
