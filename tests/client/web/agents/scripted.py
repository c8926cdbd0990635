"""Five questions that an agent asks one after the other, and what the command line says to each."""

from typing import Any

from mcp import Client

from tests.client.web.agents.talking import NAME, answer, printed

A, B = f"{NAME} where label = 'pos'", f"{NAME} where label = 'neg'"


async def five_questions(client: Client) -> list[dict[str, Any]]:
    """Which collections there are; features about a phrase; one of them; where it fires; a diff."""
    collections = answer(await client.call_tool("list_collections", {}))
    row = collections["collections"][0]
    name = f"{row['corpus']}/{row['dictionary']}"
    found = answer(
        await client.call_tool("search_features", {"collection": name, "text": "w1", "k": 3})
    )
    feature = found["labels"][0]["feature"]
    one = answer(
        await client.call_tool(
            "describe_feature", {"collection": name, "feature": feature, "examples": 2}
        )
    )
    given = {"collection": name, "expression": feature, "k": 4, "where": "label = 'pos'"}
    hits = answer(await client.call_tool("find_tokens", given))
    differences = answer(await client.call_tool("diff", {"a": A, "others": [B], "k": 3}))
    return [collections, found, one, hits, differences]


def check_as_printed(answers: list[dict[str, Any]], uri: str) -> None:
    """Each value of the command line's documents is in the answers, which have no other rows."""
    collections, found, one, hits, differences = answers
    feature = str(found["labels"][0]["feature"])
    assert_holds(collections, printed(uri, "info"))
    assert_holds(found, printed(uri, "labels", NAME, "w1", "-k", "3"))
    assert_holds(one, printed(uri, "features", NAME, feature))
    assert_holds({"hits": one["hits"]}, rows(printed(uri, "tokens", NAME, feature, "-k", "2")))
    where = ("--where", "label = 'pos'")
    assert_holds(hits, printed(uri, "tokens", NAME, feature, "-k", "4", *where))
    assert_holds(differences, printed(uri, "diff", A, B, "-k", "3"))
    assert hits["hits"]
    assert differences["rows"]


def rows(document: dict[str, Any]) -> dict[str, Any]:
    """The hits alone, of a document that also says what was asked."""
    return {"hits": document["hits"]}


def assert_holds(told: Any, expected: Any) -> None:
    """Whether a value is the expected one, but for more names in a mapping."""
    if isinstance(expected, dict):
        assert isinstance(told, dict)
        assert told.keys() >= expected.keys()
        for name, value in expected.items():
            assert_holds(told[name], value)
    elif isinstance(expected, list):
        assert len(told) == len(expected)
        for one, other in zip(told, expected, strict=True):
            assert_holds(one, other)
    else:
        assert told == expected
        assert type(told) is type(expected)
