"""What workers get of a cluster, and that one for which there is no room is refused."""

import pytest

from saelake.store.errors import InvalidInput
from saelake.workers.fleet.ray_cluster import RayCluster, Share

pytest.importorskip("ray")
from saelake.workers.ray import session as ray_session  # it needs Ray


@pytest.mark.parametrize("address", ["local", "auto"])
def test_only_a_cluster_that_may_grow_is_asked_for_more_than_it_has(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(ray_session, "_resources", lambda: (2.0, 0.0))
    assert ray_session.RaySession(RayCluster(address=address)).share == Share(
        workers=1, gpus=0, cpus=2
    )
    for large in ({"cpus_per_worker": 3}, {"gpus_per_worker": 1.0}):
        session = ray_session.RaySession(RayCluster(address=address, workers=1, **large))
        if address == "auto":
            assert session.share.workers == 1
        else:
            with pytest.raises(InvalidInput, match="which has 2 CPUs and 0 GPUs"):
                _ = session.share


@pytest.mark.parametrize(
    "said", ["The current node timed out during startup.", "Timed out waiting for file /x/port"]
)
def test_a_ray_that_is_slow_to_start_is_started_again(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    attempts = []

    def init(address: str, **_: object) -> None:
        attempts.append(address)
        if len(attempts) < 3:
            raise RuntimeError(said)

    monkeypatch.setattr("ray.init", init)
    ray_session.start("local")
    assert attempts == ["local"] * 3
    attempts.clear()
    monkeypatch.setattr(ray_session, "STARTS", 2)
    with pytest.raises(RuntimeError, match="did not start in 2 attempts"):
        ray_session.start("local")
