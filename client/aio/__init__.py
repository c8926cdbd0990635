"""saelake for asyncio: `saelake.aio.connect` gives a lake whose questions are awaited."""

from saelake.aio.connection import connect as connect
from saelake.aio.faces import AsyncCollection as AsyncCollection
from saelake.aio.faces import AsyncDictionary as AsyncDictionary
from saelake.aio.lake import AsyncLake as AsyncLake
from saelake.aio.transports import AsyncReader as AsyncReader
