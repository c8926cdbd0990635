"""A worker in a thread: shards in, news out, also after errors and while it waits."""

import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest

from saelake.store.documents.documents import import_documents
from saelake.store.errors import NotFound
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.tables.tables import Table
from saelake.workers.corpus import open_source
from saelake.workers.encoder.shard import Shard
from saelake.workers.fleet.events import Failed, Written
from saelake.workers.fleet.job import EncodeJob
from saelake.workers.fleet.options import DictionaryChoice, EncodeOptions
from saelake.workers.fleet.pool import News, Paged
from saelake.workers.fleet.worker import Worker
from saelake.workers.fleet.worker_thread import WorkerThread
from tests.tiny import save_corpus, save_dictionary, save_model

PATIENCE_S = 60
NAME = CollectionName("made", "sae")


class Running:
    """A worker of a real model over 60 documents, in its thread."""

    def __init__(self, folder: Path) -> None:
        save_model(folder / "model")
        save_dictionary(folder / "sae")
        save_corpus(folder / "corpus.parquet", 60, longest=20)
        self.lake = Lake(str(folder / "lake"))
        import_documents(self.lake, NAME.corpus, open_source(str(folder / "corpus.parquet")))
        job = EncodeJob(
            lake=self.lake,
            corpus=NAME.corpus,
            model=str(folder / "model"),
            dictionaries=(DictionaryChoice(location=str(folder / "sae")),),
            options=EncodeOptions(),
        )
        self._news: SimpleQueue[News] = SimpleQueue()
        worker = Worker.load(job)
        worker.register()
        self.thread = WorkerThread("one", worker, self._news.put)

    def news(self) -> News:
        """What comes next, of shards."""
        while isinstance(news := self._news.get(timeout=PATIENCE_S), Paged):
            pass
        return news


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    before = set(threading.enumerate())
    made = Running(tmp_path)
    yield made
    made.thread.close()
    begun = set(threading.enumerate()) - before
    assert not [t for t in begun if "saelake" in t.name or "_fill" in t.name]


def shard(start: int, stop: int) -> Shard:
    return Shard(start=start, stop=stop, collections=(str(NAME),))


def test_shards_come_out_in_the_order_in_which_they_went_in(running: Running) -> None:
    sent = [shard(0, 20), shard(40, 60), shard(20, 40)]
    for each in sent:
        running.thread.send(each)
    for each in sent:
        news = running.news()
        assert isinstance(news, Written)
        assert news.encoded.shard == each
        assert news.encoded.counts.n_documents == 20
    with pytest.raises(NotFound):
        Table.open(running.lake.codes(NAME))  # a worker commits nothing


@pytest.mark.parametrize("n_sent", [1, 2])
def test_an_error_of_the_last_stage_is_of_its_shard_and_work_goes_on(
    running: Running, n_sent: int
) -> None:
    """Nothing more may come in: the stages before must not wait for it."""
    running.thread.send(shard(0, 10))
    assert isinstance(running.news(), Written)
    data = Path(running.lake.codes(NAME), "data")
    data.rename(data.with_name("away"))
    data.write_text("in the way")
    for start in (10, 20)[:n_sent]:
        running.thread.send(shard(start, start + 10))
    for start in (10, 20)[:n_sent]:
        news = running.news()
        assert isinstance(news, Failed)
        assert news.shard == shard(start, start + 10)
        assert news.failure.blame == "place"
    data.unlink()
    data.with_name("away").rename(data)
    running.thread.send(shard(10, 20))
    news = running.news()
    assert isinstance(news, Written)
    assert news.encoded.shard == shard(10, 20)


def test_an_error_of_the_first_stage_is_of_its_shard(running: Running) -> None:
    running.thread.send(shard(0, 10))
    running.thread.send(shard(1000, 1010))  # there are no such documents
    running.thread.send(shard(10, 20))
    kinds = [(type(news), _shard_of(news)) for news in (running.news() for _ in range(3))]
    assert kinds == [
        (Written, shard(0, 10)),
        (Failed, shard(1000, 1010)),
        (Written, shard(10, 20)),
    ]


def _shard_of(news: News) -> Shard:
    assert isinstance(news, Written | Failed)
    return news.shard if isinstance(news, Failed) else news.encoded.shard


def test_a_worker_that_waits_can_be_closed(running: Running) -> None:
    running.thread.send(shard(0, 10))
    assert isinstance(running.news(), Written)
    running.thread.close()  # and again by the fixture
