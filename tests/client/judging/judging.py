"""A process that judges: `python judging.py LAKE URL CACHE`, so that it can be killed."""

import sys

import saelake
from saelake.judging import judge
from tests.client.judging.rules import PLAN, scripted_settings

if __name__ == "__main__":
    uri, url, cache = sys.argv[1:]
    with saelake.connect(uri) as lake:
        print(judge(lake, PLAN, scripted_settings(url), cache=cache).n_judged, flush=True)
