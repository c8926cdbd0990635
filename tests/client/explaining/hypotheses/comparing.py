"""A process that compares: `python -m … LAKE URL FOLDER`; it prints the report without its cost."""

import sys

import saelake
from saelake.answers.plain import as_json
from saelake.explaining.claims.sections import WrittenReport
from saelake.explaining.hypotheses import compare
from saelake.language.settings import LanguageSettings
from tests.client.explaining.hypotheses.made import FEWER, sides
from tests.client.language.models import PRICES
from tests.lakes import MADE


def without_cost(report: WrittenReport) -> str:
    """All but what it took, and where; each opening of a lake has another word for its state."""
    document = report.to_plain()
    document.pop("state")
    for name in ("spending", "cost", "cache", "base_url"):
        document["asked"].pop(name)
    return as_json(document)


if __name__ == "__main__":
    uri, url, folder = sys.argv[1:]
    a, b = sides(saelake.connect(uri)[str(MADE)])
    settings = LanguageSettings(base_url=url, model="scripted", prices=PRICES, concurrency=8)
    print(without_cost(compare(a, b, settings, options=FEWER, cache=folder)))
