"""A process that names: `python -m … LAKE URL FOLDER`; it prints the report without its cost."""

import sys

import saelake
from saelake.explaining.naming import name_groups
from saelake.language.settings import LanguageSettings
from tests.client.explaining.hypotheses.comparing import without_cost
from tests.client.explaining.naming.made import FEWER, by_label
from tests.client.language.models import PRICES
from tests.lakes import MADE

if __name__ == "__main__":
    uri, url, folder = sys.argv[1:]
    settings = LanguageSettings(base_url=url, model="scripted", prices=PRICES, concurrency=8)
    collection = saelake.connect(uri)[str(MADE)]
    print(without_cost(name_groups(collection, by_label(), settings, options=FEWER, cache=folder)))
