"""Feedback and the rights of users over HTTP, over doubles."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from fakes.api import Api
from fakes.records import answer_record
from tandem.admission.identity import Caller, Identity
from tandem.admission.keys import Key
from tandem.domain.errors import UpstreamUnavailable


def key(name: str, tenant: str = "acme", **more: Any) -> Key:
    return Key(name, sha256(name.encode()).hexdigest(), tenant, **more)


KEYS = [key("ann"), key("ben"), key("boss", admin=True), key("north", "north"), key("north-boss", "north", admin=True)]


class Client:
    def __init__(self, api: Api, http: TestClient) -> None:
        self.api = api
        self.http = http

    def give(self, who: str = "ann", **body: Any) -> Any:
        body = {"receipt_id": "rcpt-1", "rating": "up", **body}
        return self.http.post("/v1/feedback", json=body, headers={"authorization": f"Bearer {who}"})

    def get(self, path: str, who: str = "boss") -> Any:
        return self.http.get(path, headers={"authorization": f"Bearer {who}"})

    def delete(self, user: str, who: str = "boss") -> Any:
        return self.http.post("/v1/privacy/delete", json={"user": user}, headers={"authorization": f"Bearer {who}"})


def opened(**more: Any) -> Iterator[Client]:
    api = Api(keys=KEYS, **more)
    for record in (answer_record(user="u1"), answer_record("rcpt-2", tenant="north", user="u1")):
        api.receipts.records[record.asker.tenant, record.id] = record  # type: ignore[attr-defined]
    with TestClient(api.app, base_url="http://127.0.0.1") as http:
        yield Client(api, http)


@pytest.fixture
def client() -> Iterator[Client]:
    yield from opened()


@pytest.fixture
def textless() -> Iterator[Client]:
    yield from opened(captures=False)


def test_what_was_said_is_kept_and_cleaned(client: Client) -> None:
    told = client.give(labels=["right", "right"], comment="Ask me: a@example.org", corrected_answer="Fifteen.")
    assert told.status_code == 200
    assert told.json() == {
        "receipt_id": "rcpt-1",
        "rating": 1.0,
        "labels": ["right"],
        "corrected_answer": "Fifteen.",
        "comment": "Ask me: [email]",
        "caller": "ann",
        "user": "u1",
        "given_at": told.json()["given_at"],
        "replaced": False,
        "left_out": False,
    }


def test_twice_is_once_and_the_last_word_counts(client: Client) -> None:
    assert client.give().json()["replaced"] is False
    again = client.give(rating=-0.25)
    assert again.status_code == 200
    assert again.json()["replaced"] is True
    listed = client.get("/v1/feedback").json()["data"]
    assert [each["rating"] for each in listed] == [-0.25]
    metrics = client.http.get("/metrics").text
    assert 'tandem_feedback_total{rating="up"} 1.0' in metrics
    assert 'tandem_feedback_total{rating="down"}' not in metrics


@pytest.mark.parametrize("receipt_id", ["rcpt-2", "rcpt-none", "../../etc", "rcpt-ü", "x" * 2000])
def test_an_unknown_receipt_and_another_tenants_are_told_alike(client: Client, receipt_id: str) -> None:
    told = client.give(receipt_id=receipt_id)
    assert told.status_code == 404
    assert told.json() == client.give(receipt_id="rcpt-nothing").json()
    assert told.json()["error"]["code"] == "receipt_not_found"
    assert client.api.feedback.kept == {}


def test_a_foreign_receipt_takes_the_work_of_an_unknown_one(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[tuple[str, str]] = []
    find = client.api.receipts.receipt

    async def counted(tenant: str, receipt_id: str) -> Any:
        looked.append((tenant, receipt_id))
        return await find(tenant, receipt_id)

    monkeypatch.setattr(client.api.receipts, "receipt", counted)
    for receipt_id in ("rcpt-2", "rcpt-9"):
        assert client.give(receipt_id=receipt_id).status_code == 404
    assert looked == [("acme", "rcpt-2"), ("acme", "rcpt-9")]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"comment": "x" * 1_000_000}, "comment"),
        ({"corrected_answer": "x" * 20_001}, "corrected_answer"),
        ({"comment": ""}, "comment"),
        ({"comment": "a\0b"}, "comment"),
        ({"rating": 2}, "rating"),
        ({"rating": "good"}, "rating"),
        ({"rating": True}, "rating"),
        ({"rating": None}, "rating"),
        ({"labels": ["Not a label!"]}, "labels.0"),
        ({"labels": [f"l{n}" for n in range(17)]}, "labels"),
        ({"receipt_id": ""}, "receipt_id"),
        ({"user": ""}, "user"),
        ({"thumb": "up"}, "thumb"),
    ],
)
def test_what_cannot_be_taken_is_told_with_its_place(client: Client, body: dict[str, Any], param: str) -> None:
    told = client.give(**body)
    assert told.status_code == 400
    assert (told.json()["error"]["code"], told.json()["error"]["param"].split(".")[0]) == (
        "invalid_request",
        param.split(".", maxsplit=1)[0],
    )
    assert client.api.feedback.kept == {}


def test_a_body_beyond_the_limit_is_not_read(client: Client) -> None:
    told = client.give(comment="x" * 3_000_000)
    assert told.status_code == 413
    assert told.json()["error"]["code"] == "payload_too_large"


def test_words_are_left_out_where_texts_are_not_kept(textless: Client) -> None:
    told = textless.give(comment="Secret canary.", corrected_answer="Canary.", user="u9").json()
    assert (told["comment"], told["corrected_answer"], told["left_out"]) == (None, None, True)
    assert told["user"].startswith("user-")
    assert "anary" not in repr(textless.api.feedback.kept)
    assert textless.give().json()["left_out"] is False


def test_each_caller_has_a_word_of_its_own_and_only_admins_read_them(client: Client) -> None:
    client.give("ann", user="x")
    client.give("ben", rating="down")
    assert client.get("/v1/feedback", "ann").status_code == 403
    listed = client.get("/v1/feedback").json()["data"]
    assert [(each["caller"], each["user"]) for each in listed] == [("ann", "x"), ("ben", None)]
    assert client.get("/v1/feedback", "north-boss").json()["data"] == []


def test_lists_are_filtered_and_paged(client: Client) -> None:
    for number in range(5):
        client.give(user=f"u{number}", rating="up" if number % 2 else "down", labels=[f"l{number}"])
    seen: list[str] = []
    after = ""
    while True:
        page = client.get(f"/v1/feedback?limit=2{after}").json()
        seen += [each["user"] for each in page["data"]]
        if page["next_after"] is None:
            break
        after = f"&after={page['next_after']}"
    assert seen == [f"u{number}" for number in range(5)]
    assert len(client.get("/v1/feedback?rating=up").json()["data"]) == 2
    assert [each["user"] for each in client.get("/v1/feedback?label=l3").json()["data"]] == ["u3"]
    assert [each["user"] for each in client.get("/v1/feedback?user=u4").json()["data"]] == ["u4"]
    for bad in ("after=nonsense", "after=WzEsMl0=", "limit=0", "rating=best", "since=NaN", "nothing=1"):
        assert client.get(f"/v1/feedback?{bad}").status_code == 400, bad


def test_a_store_that_is_away_is_told(client: Client) -> None:
    client.api.feedback.fault = UpstreamUnavailable("The store is away.")
    told = client.give()
    assert told.status_code == 503
    assert "retry-after" in told.headers


def test_all_of_a_user_is_handed_out_and_deleted(client: Client) -> None:
    client.give()
    told = client.get("/v1/privacy/export?user=u1")
    assert told.headers["content-type"].startswith("application/x-ndjson")
    lines = [orjson.loads(line) for line in told.content.splitlines()]
    assert [line["kind"] for line in lines] == ["receipt", "feedback", "end"]
    assert lines[0]["value"]["question"]["text"] == answer_record().question.text
    done = client.delete("u1").json()
    assert (done["deleted"], done["tenant"]) == ({"receipts": 1, "feedback": 1}, "acme")
    assert client.delete("u1").json()["deleted"] == {"receipts": 0, "feedback": 0}
    assert client.get("/v1/receipts/rcpt-1").status_code == 404
    assert list(client.api.receipts.records) == [("north", "rcpt-2")]  # type: ignore[attr-defined]


def test_these_rights_are_an_admins_to_grant(client: Client) -> None:
    assert client.get("/v1/privacy/export?user=u1", "ann").status_code == 403
    assert client.delete("u1", "ann").status_code == 403
    assert client.delete("").status_code == 400
    assert client.get("/v1/privacy/export").status_code == 400
    assert len(client.api.receipts.records) == 2  # type: ignore[attr-defined]


def test_a_store_that_is_away_hands_out_an_error_rather_than_half(client: Client) -> None:
    client.api.receipts.fault = UpstreamUnavailable("The store is away.")  # type: ignore[attr-defined]
    assert client.get("/v1/privacy/export?user=u1").status_code == 503
    assert client.delete("u1").status_code == 503


def test_a_receipt_shows_what_was_thought_of_it(client: Client) -> None:
    client.give("ann", rating=-1, comment="Too short.", user="u7")
    client.give("ben", comment="Mine.")
    # The record is ann's: others of the tenant see no words but their own.
    own = client.get("/v1/receipts/rcpt-1", "ann").json()["feedback"]
    assert [(each["rating"], each["comment"], each["user"]) for each in own] == [
        (-1.0, "Too short.", "u7"),
        (1.0, "Mine.", None),
    ]
    others = client.get("/v1/receipts/rcpt-1", "ben").json()["feedback"]
    assert [(each["caller"], each["comment"], each["user"]) for each in others] == [
        ("ann", None, None),
        ("ben", "Mine.", None),
    ]


def test_rated_answers_are_handed_out_with_their_records(client: Client) -> None:
    client.give("ann")
    assert client.get("/v1/feedback/export", "ann").status_code == 403
    lines = [orjson.loads(line) for line in client.get("/v1/feedback/export").content.splitlines()]
    assert [line["kind"] for line in lines] == ["feedback", "receipt", "end"]
    assert lines[1]["value"]["id"] == "rcpt-1"
    assert lines[2]["value"] == {"tenant": "acme"}
    assert [
        orjson.loads(line)["kind"] for line in client.get("/v1/feedback/export?since=99999999999").content.splitlines()
    ] == ["end"]
    assert client.get("/v1/feedback/export?rating=up").status_code == 400


def test_whoever_shows_a_token_of_its_own_asks_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async def bearer(*_: object) -> Caller:
        return Caller("ann@idp.example", "acme", person=True)

    monkeypatch.setattr(Identity, "caller", bearer)
    api = Api()
    with TestClient(api.app, base_url="http://127.0.0.1") as http:
        for more in ({}, {"user": "bob"}):
            asked = {"messages": [{"role": "user", "content": "Why?"}], **more}
            assert http.post("/v1/chat/completions", json=asked).status_code == 200
    assert [question.user for question, _ in api.answers.asked] == ["ann@idp.example", "bob"]
