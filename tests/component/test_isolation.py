"""Attempts to see, name, count or change what a caller may not: over sockets, against one process and against the fleet."""

import hashlib
import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from component.deployments import TANDEM, start, stop

pytestmark = [pytest.mark.component, pytest.mark.timeout(300)]

SECRET = "zanzibar"  # stands in every hidden text, title and id, and in nothing else
PUBLIC = "The harbour office opens at seven in the morning. Salaries are paid on the last day of the month."
HIDDEN = f"The {SECRET} salary of the director is ninety thousand crowns, paid on the last day of the month."
KEYS: dict[str, dict[str, object]] = {
    "ann": {"tenant": "acme", "groups": ["hr", "board"]},
    "bob": {"tenant": "acme", "groups": ["eng"]},
    "nobody": {"tenant": "acme"},
    "ingest": {"tenant": "acme", "groups": ["*"], "admin": True},
    "rival": {"tenant": "north", "groups": ["hr", "board", "*"], "admin": True},
    "gateway": {"tenant": "default", "peer": True},
}
OUTSIDERS = ("bob", "nobody", "rival")
DOCUMENTS = {
    "open.md": (PUBLIC, []),
    f"hr/{SECRET}-pay.md": (f"# {SECRET} pay\n\n{HIDDEN}", ["hr"]),
    f"board/{SECRET}.md": (f"The board of {SECRET} met on Monday, and bought the director a ship.", ["board", "hr"]),
}
SECRET_ID = f"hr/{SECRET}-pay.md"


@dataclass(frozen=True)
class Answer:
    status: int
    text: str

    @property
    def data(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Platform:
    url: str

    def ask(self, key: str | None, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Raw bodies as they are, anything else as JSON; `x_tandem_groups` is a header."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["authorization"] = f"Bearer {key}-secret"
        raw = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        if raw is not None and not isinstance(body, str):
            sent["content-type"] = "application/json"
        request = urllib.request.Request(self.url + path, raw, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return Answer(reply.status, reply.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode())

    def find(self, key: str, query: str = f"{SECRET} director salary", **options: Any) -> Answer:
        return self.ask(key, "POST", "/v1/retrieve", {"query": query, **options})

    def chat(self, key: str, *messages: str, **tandem: Any) -> Answer:
        roles = ("user", "assistant")
        turns = [{"role": roles[place % 2], "content": said} for place, said in enumerate(messages)]
        return self.ask(key, "POST", "/v1/chat/completions", {"model": "tandem", "messages": turns, "tandem": tandem})

    def put(self, key: str, document_id: str, text: str, acl: list[str]) -> Answer:
        query = urllib.parse.urlencode([("acl", group) for group in acl])
        return self.ask(key, "PUT", f"/v1/documents/{urllib.parse.quote(document_id)}?{query}", text)


@pytest.fixture(scope="module", params=["all", "fleet"])
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    keys = [
        {"name": name, "sha256": hashlib.sha256(f"{name}-secret".encode()).hexdigest(), **what}
        for name, what in KEYS.items()
    ]
    (folder / "keys.json").write_text(json.dumps({"keys": keys}))
    guarded = {
        "TANDEM_AUTH__MODE": "keys",
        "TANDEM_AUTH__KEYS_FILE": str(folder / "keys.json"),
        # Receipts hold the texts of what was answered.
        "TANDEM_DEFAULT_TENANT__CAPTURE_CONTENT": "true",
    }
    running = []
    try:
        if request.param == "all":
            running.append(start("all", folder, guarded))
        else:
            running.append(start("retriever", folder / "r", guarded))
            running.append(start("predictor", folder / "p", {}))
            peers = {
                "TANDEM_RETRIEVER__URL": running[0].url,
                "TANDEM_RETRIEVER__API_KEY": "gateway-secret",
                "TANDEM_PREDICTOR__URL": running[1].url,
            }
            running.append(start("gateway", folder / "g", {**guarded, **peers}))
        found = Platform(running[-1].url)
        for document_id, (text, acl) in DOCUMENTS.items():
            assert found.put("ingest", document_id, text, acl).status == 200
        assert found.put("rival", "north.md", f"The north pays {SECRET}north.", []).status == 200
        yield found
    finally:
        for process in reversed(running):
            stop(process)


def test_who_may_see_it_does(platform: Platform) -> None:
    for key in ("ann", "ingest"):
        found = platform.find(key).data
        assert SECRET_ID in {each["document_id"] for each in found["passages"]}
        assert platform.ask(key, "GET", f"/v1/documents/{SECRET_ID}").status == 200
        assert len(platform.ask(key, "GET", "/v1/documents").data["data"]) == 3
    assert SECRET in platform.chat("ann", "What is the salary of the director?").text


FILTERS: list[dict[str, Any]] = [
    {},
    {"document_id": [SECRET_ID, "open.md", f"board/{SECRET}.md", "north.md"]},
    {"document_id": SECRET_ID},
    {"title": [f"{SECRET} pay", SECRET]},
    {"path": ["hr/", "board/", ""]},
    {"source": SECRET_ID},
    {"tags": ["", "hr"]},
    {"language": ["en", "und", ""]},
    {"modified_at": {"gte": -1e18, "lte": 1e18}},
    {"created_at": {"gte": -1e308}},
    {"page": {"gte": 0}},
]


OPTIONS: list[dict[str, Any]] = [
    {},
    {"explain": True, "top_k": 50, "rerank": False, "expand": True, "self_query": True},
    {"explain": True, "neighbours": "section", "diversity": 1.0},
    {
        "explain": True,
        "wording": {"queries": [{"text": "salary of the director"}], "filters": [{"field": "path", "any_of": ["hr/"]}]},
    },
]


@pytest.mark.parametrize("key", OUTSIDERS)
def test_no_filter_and_no_option_shows_it(platform: Platform, key: str) -> None:
    for filters in FILTERS:
        for options in OPTIONS:
            found = platform.find(key, "director salary last day of the month", filters=filters, **options)
            # The question is told again; what was found must not name it. A path that is no path is refused.
            assert found.status in {200, 400}, found.text
            told = found.text.replace(f"{SECRET}north", "")
            assert SECRET not in told or found.status == 400, (filters, options)


@pytest.mark.parametrize(
    "filters",
    [
        {"acl": "hr"}, {"acl": ["hr"]}, {"tenant": "acme"}, {"tenant": ["acme", "north"]}, {"groups": ["hr"]},
        {"tandem.acl": "hr"}, {"document_id.acl": "x"}, {"acl[]": "hr"}, {"paths": "hr/"}, {"ordinal": "0"},
        {"fingerprint": "x"}, {"text": SECRET}, {"should": [{"acl": "hr"}]}, {"any_of": ["hr"]}, {"must_not": {"acl": "x"}},
        {"is_empty": "acl"}, {"$or": ["x"]}, {"__class__": "x"}, {"note_of": "acme"}, {"content": "x"},
        {"tags": {"gte": 0}}, {"tags": {"any": ["hr"]}}, {"tags": [["hr"]]}, {"tags": None}, {"tags": True}, {"tags": 1},
        {"tags": [None]}, {"document_id": {"$ne": ""}}, {"document_id": []}, {"modified_at": "x"}, {"modified_at": {}},
        {"modified_at": {"gt": 0}}, [{"acl": "hr"}], "acl=hr", 1, {"": "x"}, {"ACL": "hr"}, {"acl ": "hr"}, {"ａｃｌ": "hr"},
    ],
)  # fmt: skip
def test_conditions_name_documents_fields_and_nothing_else(platform: Platform, filters: Any) -> None:
    refused = platform.find("nobody", "director salary", filters=filters)
    assert refused.status == 400, refused.text
    assert SECRET not in refused.text


@pytest.mark.parametrize("field", ["acl", "tenant", "groups", "note_of", "paths", "ordinal", "", None, ["acl"]])
def test_what_a_model_made_of_a_question_names_no_other_fields(platform: Platform, field: Any) -> None:
    wording = {"filters": [{"field": field, "any_of": ["hr"]}]}
    assert platform.find("nobody", "director salary", wording=wording).status == 400


@pytest.mark.parametrize("key", OUTSIDERS)
def test_what_is_hidden_is_as_what_does_not_exist(platform: Platform, key: str) -> None:
    spellings = [
        SECRET_ID, SECRET_ID.upper(), SECRET_ID.replace("a", "\u0430"), f"./{SECRET_ID}", f"x/../{SECRET_ID}", f"{SECRET_ID}#0",
        f"{SECRET_ID}\u200b", f"{SECRET_ID} ", SECRET_ID.replace("/", "%2F"), "hr/", "*", f"acme/{SECRET_ID}", f"acme:{SECRET_ID}",
    ]  # fmt: skip
    for document_id in spellings:
        quoted = urllib.parse.quote(document_id, safe="%/")
        for method in ("GET", "DELETE"):
            answer = platform.ask(key, method, f"/v1/documents/{quoted}")
            assert answer.status in {400, 404}, (method, document_id, answer.text)
    shapes = []
    for document_id in (SECRET_ID, "hr/no-such-thing.md"):
        error = platform.ask(key, "GET", f"/v1/documents/{document_id}").data["error"]
        shapes.append({name: str(value).replace(document_id, "ID") for name, value in error.items()})
    assert shapes[0] == shapes[1]
    assert platform.ask("ann", "GET", f"/v1/documents/{SECRET_ID}").status == 200


@pytest.mark.parametrize("key", OUTSIDERS)
def test_nothing_that_is_listed_or_counted_tells_of_it(platform: Platform, key: str) -> None:
    for after in ("", "?after=hr/", "?after=board/a", "?limit=1", "?after=h&limit=1000"):
        assert f"{SECRET}-" not in platform.ask(key, "GET", f"/v1/documents{after}").text
    (info,) = platform.ask(key, "GET", "/v1/collections").data["data"]
    assert info["documents"] == 1
    assert platform.ask(key, "GET", "/v1/collections/docs").data["chunks"] == 1
    assert SECRET_ID not in platform.ask(key, "GET", "/v1/collections/docs/failures").text


@pytest.mark.parametrize("key", ["bob", "nobody"])
def test_nobody_writes_over_what_he_may_not_see(platform: Platform, key: str) -> None:
    for acl in ([], ["eng"], ["hr"]):
        refused = platform.put(key, SECRET_ID, "mine now", acl)
        assert (refused.status, refused.data["error"]["code"]) == (403, "permission_denied")
    batch = {"documents": [{"id": "bob.md", "text": "ok"}, {"id": SECRET_ID, "text": "mine"}]}
    outcomes = platform.ask(key, "PUT", "/v1/documents", batch).data["results"]
    assert [each["status"] for each in outcomes][1] == "failed"
    whole = platform.ask("ann", "GET", f"/v1/documents/{SECRET_ID}").text
    assert "ninety thousand" in whole
    assert "mine" not in whole
    assert platform.ask(key, "DELETE", "/v1/documents/bob.md").status == 200


def test_the_same_bytes_under_another_id_tell_nothing(platform: Platform) -> None:
    text, _ = DOCUMENTS[SECRET_ID]
    fresh = platform.put("bob", "copy-1.md", text + " It rains.", [])
    known = platform.put("bob", "copy-2.md", text, [])
    told = [{**answer.data, "id": ""} for answer in (fresh, known)]
    assert told[0] == told[1]
    for document_id in ("copy-1.md", "copy-2.md"):
        platform.ask("bob", "DELETE", f"/v1/documents/{document_id}")


@pytest.mark.parametrize(
    "headers",
    [
        {"x_tandem_groups": "hr"},
        {"x_tandem_groups": "*"},
        {"x_tandem_groups": "%2A"},
        {"X_Tandem_Groups": "eng,hr"},
        {"x_tandem_tenant": "acme", "x_tandem_groups": "hr"},
        {"x_tandem_tenant": "north"},
        {"x_tandem_groups": "%FF"},
    ],
)
def test_headers_that_only_peers_may_send_are_refused(platform: Platform, headers: dict[str, str]) -> None:
    for key in ("bob", "nobody"):
        answer = platform.ask(key, "GET", "/v1/documents", **headers)
        assert answer.status in {400, 401}
        assert SECRET not in answer.text
    assert platform.ask(None, "GET", "/v1/documents", **headers).status in {400, 401}


def test_headers_that_mean_nothing_change_nothing(platform: Platform) -> None:
    for name in ("x_tandem_user", "x_tandem_admin", "x_forwarded_user", "x_groups", "x_tandem_acl"):
        assert SECRET not in platform.ask("bob", "GET", "/v1/documents", **{name: "ann"}).text
    for path in ("/v1/documents?groups=hr", "/v1/documents?tenant=north", "/v1/documents?acl=hr"):
        assert f"{SECRET}-" not in platform.ask("bob", "GET", path).text


@pytest.mark.parametrize(
    "name", ["docs", "docs@1", "docs@2", "docs@01", "docs@", "DOCS", "docs@1@1", "../docs", "acme/docs", "docs%401"]
)
def test_a_version_s_name_opens_no_other_way(platform: Platform, name: str) -> None:
    for key in ("bob", "rival"):
        found = platform.find(key, "director salary last day", collection=name, explain=True)
        assert found.status in {200, 400, 403, 404}
        assert SECRET not in found.text.replace(f"{SECRET}north", "")
        assert f"{SECRET}-" not in platform.ask(key, "GET", f"/v1/documents?collection={urllib.parse.quote(name)}").text


def test_versions_by_their_number_are_an_admin_s(platform: Platform) -> None:
    """A version that was replaced has the access lists of its time."""
    for key, status in (("bob", 403), ("ann", 403), ("ingest", 200)):
        assert platform.find(key, collection="docs@1").status == status
        assert platform.chat(key, "When does the office open?", collection="docs@1").status == status
        for path in ("/v1/documents", "/v1/documents/open.md"):
            assert platform.ask(key, "GET", f"{path}?collection=docs%401").status == status
        assert platform.ask(key, "GET", "/v1/collections/docs@1/failures").status == status
    batch = {"collection": "docs@1", "documents": [{"id": "a.md", "text": "a"}]}
    assert platform.ask("bob", "PUT", "/v1/documents", batch).status == 403


def test_whole_collections_are_an_admin_s(platform: Platform) -> None:
    for key in ("ann", "bob"):
        for method, path, body in (
            ("DELETE", "/v1/collections/docs", None),
            ("GET", "/v1/collections/docs/versions", None),
            ("POST", "/v1/collections/docs/promote", {"version": "docs@1"}),
            ("POST", "/v1/collections/docs/rollback", {}),
            ("POST", "/v1/collections/docs/builds", {}),
        ):
            answer = platform.ask(key, method, path, body)
            assert answer.status in {403, 404, 400}, (path, answer.text)
            assert method != "DELETE" or answer.data["error"]["code"] == "permission_denied"
    assert platform.ask("ann", "GET", f"/v1/documents/{SECRET_ID}").status == 200


@pytest.mark.parametrize("key", OUTSIDERS)
def test_answers_citations_and_traces_hold_nothing_of_it(platform: Platform, key: str) -> None:
    question = "What is the salary of the director, and which day is it paid?"
    for explain in (False, True):
        answer = platform.chat(key, question, explain=explain, top_k=50)
        assert answer.status == 200
        assert "ninety thousand" not in answer.text
        assert SECRET not in answer.text.replace(f"{SECRET}north", "")


def test_a_conversation_begun_by_another_gives_nothing(platform: Platform) -> None:
    first = "What is the salary of the director?"
    told = platform.chat("ann", first).data["choices"][0]["message"]["content"]
    assert SECRET in told
    follow = platform.chat("bob", first, "I will tell you.", "And which day is it paid?", explain=True)
    assert SECRET not in follow.text


def test_many_at_once_are_not_mixed_up(platform: Platform) -> None:
    def ask(number: int) -> tuple[str, Answer]:
        key = ("ann", "bob", "nobody", "rival")[number % 4]
        return key, platform.find(key, f"director salary {number % 3}", explain=number % 2 == 0)

    with ThreadPoolExecutor(16) as pool:
        for key, found in pool.map(ask, range(120)):
            assert found.status == 200
            assert (SECRET_ID in found.text) is (key == "ann"), key


def receipt_of(answer: Answer) -> str:
    return str(answer.data["tandem"]["receipt_id"])


def test_a_receipt_is_read_by_who_asked_and_by_admins_who_could_have(platform: Platform) -> None:
    asked = receipt_of(platform.chat("ann", "What is the salary of the director?"))
    for key in ("ann", "ingest"):
        seen = platform.ask(key, "GET", f"/v1/receipts/{asked}")
        assert seen.status == 200 and SECRET_ID in seen.text and "ninety thousand" in seen.text
        assert seen.data["texts"] == "shown"


@pytest.mark.parametrize("key", ["bob", "nobody"])
def test_a_receipt_tells_others_of_the_tenant_no_word_and_no_name(platform: Platform, key: str) -> None:
    question = f"Which {SECRET} salary has the director?"
    asked = receipt_of(platform.chat("ann", question, "What?", question))
    eventually_listed(platform, "ann", asked)
    seen = platform.ask(key, "GET", f"/v1/receipts/{asked}")
    assert (seen.status, seen.data["texts"]) == (200, "withheld")
    paths = ["", "?collection=docs", "?caller=ann", "?limit=200", "?outcome=answered", f"?user={SECRET}"]
    for text in (seen.text, *(others_listed(platform, key, path) for path in paths)):
        for hidden in (SECRET, "ninety thousand", "salary", "hr", "board"):
            assert hidden not in text.replace("harbour", ""), hidden


def others_listed(platform: Platform, key: str, query: str) -> str:
    """What is listed of others' receipts; the caller's own say what he asked."""
    listed = platform.ask(key, "GET", f"/v1/receipts{query}").data["data"]
    return json.dumps([line for line in listed if line["caller"] != key])


def test_another_tenant_s_receipt_is_as_one_that_never_was(platform: Platform) -> None:
    asked = receipt_of(platform.chat("ann", "What is the salary of the director?"))
    # At once, while it is on its way, and when it is stored.
    for _ in range(2):
        for key, unknown in (("rival", asked), ("rival", asked.upper()), ("ann", asked[:-1]), ("ann", f"{asked}%20")):
            answer = platform.ask(key, "GET", f"/v1/receipts/{unknown}")
            never = platform.ask(key, "GET", "/v1/receipts/rcpt-0")
            assert (answer.status, answer.text) == (404, never.text)
        assert asked not in platform.ask("rival", "GET", "/v1/receipts?limit=200").text
        eventually_listed(platform, "ann", asked)
    headers = {"x_tandem_tenant": "acme"}
    assert platform.ask("rival", "GET", f"/v1/receipts/{asked}", **headers).status == 401


def test_receipts_between_peers_are_closed_to_callers(platform: Platform) -> None:
    for key in ("ann", "ingest", "rival"):
        for path in ("", "/one?id=rcpt-1", "/tenants"):
            assert platform.ask(key, "GET", f"/v1/peer/receipts{path}").status in {403, 404}
        assert platform.ask(key, "DELETE", "/v1/peer/receipts").status in {403, 404, 405}
        assert platform.ask(key, "POST", "/v1/peer/receipts", []).status in {403, 404, 405}


def eventually_listed(platform: Platform, key: str, receipt_id: str) -> None:
    """Returns when it is stored."""
    until = time.monotonic() + 20
    while receipt_id not in platform.ask(key, "GET", "/v1/receipts?limit=200").text:
        assert time.monotonic() < until, "it never came to the store"
        time.sleep(0.1)


def test_errors_name_nothing_of_it(platform: Platform) -> None:
    for body in ("{", '{"query": "x", "top_k": 0}', '{"query": ""}'):
        assert SECRET not in platform.ask("bob", "POST", "/v1/retrieve", body, content_type="application/json").text


def test_the_next_version_hides_what_the_last_one_hid(platform: Platform, tmp_path: Path) -> None:
    def collections(*words: str) -> str:
        return subprocess.run(
            [TANDEM, "collections", *words, "--url", platform.url, "--api-key", "ingest-secret", "--data-dir", tmp_path],
            check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120,
        ).stdout  # fmt: skip

    collections("build", "docs", "--stored")
    collections("promote", "docs@2")
    assert SECRET_ID in platform.find("ann").text
    for key in OUTSIDERS:
        found = platform.find(key, "director salary last day of the month", explain=True, top_k=50)
        assert found.status == 200
        assert SECRET not in found.text.replace(f"{SECRET}north", "")
        assert platform.find(key, collection="docs@1").status == (200 if key == "rival" else 403)
        assert platform.ask(key, "GET", f"/v1/documents/{SECRET_ID}").status == 404
        assert platform.ask(key, "GET", "/v1/collections/docs").data["documents"] == 1
