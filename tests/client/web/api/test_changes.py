"""Changes over HTTP: what a server takes, with the rights that it asks for."""

from saelake.web.serving import WebServer
from tests.client.web.calling import call, posted, question

SET, DELETE = "/api/v1/changes/set-labels", "/api/v1/changes/delete-labels"
RAIN = {"dictionary": "sae", "labels": [{"feature": 5, "label": "rain"}], "explainer": "ada"}


def label_of(web: WebServer, feature: int) -> list[str]:
    found = question(web.url, "labels", dictionary="sae", features=feature).json["labels"]
    return [row["label"] for row in found]


def test_a_label_is_set_and_taken_back(web: WebServer) -> None:
    assert posted(web.url, SET, RAIN).json == {"dictionary": "sae", "n_labels": 1}
    assert "rain" in label_of(web, 5)
    gone = posted(web.url, DELETE, {"dictionary": "sae", "explainer": "ada", "features": [5]})
    assert gone.json["n_labels"] == 1
    assert "rain" not in label_of(web, 5)


def test_a_label_that_somebody_else_changed_is_a_conflict(web: WebServer) -> None:
    answered = posted(web.url, SET, {**RAIN, "expect": "snow"})
    assert (answered.status, answered.json["error"]) == (409, "Conflict")


def test_what_a_server_does_not_allow_is_refused(web: WebServer) -> None:
    answered = posted(web.url, "/api/v1/changes/tag", {"name": "v1"})
    assert (answered.status, answered.json["error"]) == (403, "PermissionDenied")
    assert question(web.url, "tags").json["tags"] == []


def test_what_has_rows_is_not_sent_here(web: WebServer) -> None:
    assert posted(web.url, "/api/v1/changes/import", {}).status == 404
    assert posted(web.url, "/api/v1/changes/watch-job", {}).status == 404


def test_no_link_changes_anything(web: WebServer) -> None:
    assert call(web.url, SET).status == 405


def test_a_form_of_another_page_changes_nothing(web: WebServer) -> None:
    """What a form can send without asking first: text that happens to be JSON."""
    body = '{"dictionary": "sae", "labels": [{"feature": 6, "label": "x"}]}'
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        sent = call(web.url, SET, method="POST", body=body, Content_Type=kind)
        assert sent.status == 400
    assert label_of(web, 6) == []
