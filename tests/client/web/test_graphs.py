"""Pairs as a graph: all are linked, and a name stands where its links do not."""

import saelake
from saelake.store.service.serve import BackgroundServer
from saelake.web.look.graphs import graph


def test_a_name_stands_on_the_side_without_links(server: BackgroundServer) -> None:
    with saelake.connect(server.target) as lake:
        pairs = lake["words/sae"].correlate(min_npmi=-1, min_documents=1, max_coverage=1, k=12)
    drawn = graph(pairs)
    assert [link.pair for link in drawn.links] == list(pairs)
    places = {(node.x, node.y): node for node in drawn.nodes}
    assert len(places) == len(drawn.nodes)
    for node in drawn.nodes:
        at = (node.x, node.y)
        ends = [(link.a, link.b) for link in drawn.links if at in (link.a, link.b)]
        others = [next(place for place in pair if place != at) for pair in ends]
        assert others
        assert node.is_named_left == (sum(x - node.x for x, _ in others) > 0)
