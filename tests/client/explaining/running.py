"""A process that explains: `python running.py URL LAKE CACHE [TOKENS]`.

It tells of each feature that is done, so that whoever kills it knows how far it was.
"""

import sys

import saelake
from saelake.explaining.run.faces import explain
from saelake.explaining.run.running import ExplainProgress
from saelake.language.amounts import Budget
from saelake.language.settings import LanguageSettings
from tests.client.explaining.planted import OPTIONS
from tests.client.language.models import PRICES
from tests.lakes import MADE


def tell(progress: ExplainProgress) -> None:
    print(progress.n_done, progress.n_written, flush=True)


if __name__ == "__main__":
    url, lake, cache, *rest = sys.argv[1:]
    settings = LanguageSettings(
        base_url=url,
        model="scripted",
        prices=PRICES,
        concurrency=8,
        budget=Budget(tokens=int(rest[0]) if rest else None),
    )
    collection = saelake.connect(lake)[str(MADE)]
    explain(collection, settings, options=OPTIONS, cache=cache, watch=tell)
