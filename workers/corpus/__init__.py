"""Files and data sets as rows that an import takes in: `open_source`."""

from saelake.workers.corpus.opening import check_locations, open_source
from saelake.workers.corpus.source import CorpusSource

__all__ = ["CorpusSource", "check_locations", "open_source"]
