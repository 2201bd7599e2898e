"""The page on the real server: ask, read along, open a citation, upload, meet an error, reload."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from component.browser import PHONE, ask, tab
from component.deployments import start, stop

pytestmark = pytest.mark.timeout(180)

GUIDE = """# Harbour guide ⚓

## Opening hours

The harbour office of Larkhaven opens at seven in the morning and closes at nine in the evening.

## Mooring fees

A berth for a boat of up to eight metres costs fourteen crowns a night. Longer boats pay two crowns for each further metre.
"""
BREAD = "# Sourdough\n\nA sourdough starter wants flour and water once a day. It is ripe when it doubles within six hours.\n"
FEE = "What does a berth for a small boat cost?"


@pytest.fixture(scope="module")
def url(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One server for the module, started once a browser is there; it begins without documents."""
    assert browser.is_connected()
    server = start("all", tmp_path_factory.mktemp("page"), {})
    try:
        yield server.url
    finally:
        stop(server)


def upload(page: Page, *files: tuple[str, str]) -> None:
    page.get_by_role("link", name="Documents", exact=True).click()
    payloads: list[FilePayload] = [{"name": n, "mimeType": "text/markdown", "buffer": t.encode()} for n, t in files]
    page.set_input_files("#files", payloads)
    # Open uploads have progress; each ends with a word.
    expect(page.locator(".upload[data-state=open]")).to_have_count(0, timeout=60_000)


def test_the_first_minute(page: Page) -> None:
    """From an empty server to a cited answer that survives a reload."""
    expect(page.locator("#model")).to_contain_text("extractive — quotes sentences of your documents")
    expect(page.locator("#no-documents")).to_be_visible()
    ask(page, FEE)
    expect(page.locator(".turn")).to_contain_text(re.compile("no documents to answer from yet|I don't know from these"))
    expect(page.locator(".fault")).to_have_count(0)

    upload(page, ("harbour.md", GUIDE), ("bread.md", BREAD), ("empty.md", ""))
    expect(page.locator(".upload").filter(has_text="harbour.md")).to_contain_text("added")
    expect(page.locator(".upload[data-state=failed]")).to_contain_text("empty.md")
    expect(page.locator(".document-name")).to_have_count(2)
    expect(page.locator("#document-count")).to_contain_text("2 documents")

    page.get_by_role("link", name="Ask", exact=True).click()
    page.click("#new")
    ask(page, FEE)
    expect(page.locator(".turn")).to_have_attribute("data-state", "done")
    expect(page.locator(".answer")).to_contain_text("fourteen crowns a night")
    expect(page.locator(".facts")).to_contain_text(re.compile(r"extractive.*answer@1"))

    page.locator(".cite").first.click()
    panel = page.locator("#panel")
    expect(panel.locator("mark").first).to_contain_text("fourteen crowns a night")
    expect(panel).to_contain_text("Mooring fees")
    panel.get_by_role("button", name="Show in the document").click()
    expect(panel.locator(".document-text")).to_contain_text("opens at seven in the morning")
    expect(panel.locator(".document-text mark").first).to_contain_text("fourteen crowns a night")

    page.reload()
    expect(page.locator(".question")).to_have_text(FEE)
    expect(page.locator(".answer")).to_contain_text("fourteen crowns a night")
    page.locator(".source-card").first.click()
    expect(panel.locator("mark").first).to_contain_text("fourteen crowns a night")


def test_an_answer_s_receipt_opens_beside_it(page: Page) -> None:
    ask(page, FEE)
    expect(page.locator(".turn")).to_have_attribute("data-state", "done")
    page.get_by_role("button", name="Receipt").click()
    receipt = page.locator("#panel")
    expect(receipt).to_contain_text("What this answer was made from")
    expect(receipt).to_contain_text(re.compile(r"docs@\d"))
    expect(receipt).to_contain_text("answer@1")
    # This server was not told to keep texts.
    expect(receipt).to_contain_text("are not kept on this server")
    expect(receipt.locator("section").filter(has_text="Question")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(receipt).to_be_hidden()
    expect(page.get_by_role("button", name="Receipt")).to_be_focused()


def test_a_question_is_answered_later(page: Page) -> None:
    upload(page, ("harbour.md", GUIDE))
    page.get_by_role("link", name="Ask", exact=True).click()
    page.fill("#question", FEE)
    page.get_by_role("button", name="Ask later").click()
    page.get_by_role("link", name="see this job").click()
    job = page.locator("#job-one .turn")
    expect(job).to_have_attribute("data-state", "done", timeout=60_000)
    expect(job.locator(".answer")).to_contain_text("fourteen crowns a night")
    job.locator(".cite").first.click()
    expect(page.locator("#panel mark").first).to_contain_text("fourteen crowns a night")
    page.keyboard.press("Escape")
    job.get_by_role("button", name="Receipt").click()
    expect(page.locator("#panel")).to_contain_text("What this answer was made from")
    page.get_by_role("link", name="← All jobs").click()
    expect(page.locator("#job-list tbody tr").first).to_contain_text(re.compile(r"berth.*succeeded", re.DOTALL))


def test_a_batch_is_answered(page: Page, tmp_path: Path) -> None:
    upload(page, ("harbour.md", GUIDE))
    body = {"model": "tandem", "messages": [{"role": "user", "content": FEE}]}
    line = {"custom_id": "fee", "method": "POST", "url": "/v1/chat/completions", "body": body}
    page.get_by_role("link", name="Jobs", exact=True).click()
    file: FilePayload = {"name": "ask.jsonl", "mimeType": "application/jsonl", "buffer": json.dumps(line).encode()}
    page.set_input_files("#batch-file", file)
    card = page.locator(".batch").filter(has_text="ask.jsonl")
    expect(card).to_contain_text(re.compile(r"completed.*1 of 1 answered", re.DOTALL), timeout=90_000)
    with page.expect_download() as download:
        card.get_by_role("button", name="Download the output of ask.jsonl").click()
    download.value.save_as(tmp_path / "output")
    (written,) = (tmp_path / "output").read_text().splitlines()
    assert json.loads(written)["custom_id"] == "fee" and "fourteen crowns a night" in written


def test_the_trace_of_a_real_answer(page: Page) -> None:
    upload(page, ("harbour.md", GUIDE), ("bread.md", BREAD))
    page.get_by_role("link", name="Ask", exact=True).click()
    ask(page, "When does the harbour office open?")
    page.get_by_text("How this was found").click()
    trace = page.locator(".trace")
    expect(trace.locator(".queries")).to_contain_text("When does the harbour office open?")
    for stage in ("Dense", "Sparse", "Fused"):
        rows = trace.locator(".stage").filter(has=page.get_by_role("heading", name=stage)).locator("tbody tr")
        expect(rows.first).to_contain_text(re.compile("Harbour guide|Sourdough"))
    ask(page, "What is the boiling point of tungsten in a vacuum?")
    expect(page.locator(".turn.abstained")).to_be_visible()
    expect(page.locator(".nearest .passage-link").first).to_be_visible()


def test_uploading_again_changes_nothing_and_deleting_forgets(page: Page) -> None:
    upload(page, ("bread.md", BREAD))
    upload(page, ("bread.md", BREAD))
    expect(page.locator(".upload")).to_have_count(1)
    expect(page.locator(".upload")).to_contain_text("unchanged")
    page.get_by_role("button", name="Delete Sourdough").click()
    page.get_by_role("dialog", name="Delete this document?").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("button", name="Delete Sourdough")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("button", name="Delete Sourdough")).to_have_count(0)


def test_an_error_of_the_real_server_is_told_in_its_words(page: Page) -> None:
    page.route(
        "**/v1/chat/completions",
        lambda route: route.continue_(
            post_data=(route.request.post_data or "").replace('"model":"tandem"', '"model":"gpt"')
        ),
    )
    ask(page, FEE)
    expect(page.locator(".turn .fault")).to_contain_text("There is no such model")
    expect(page.locator(".turn .fault")).to_contain_text("gpt")
    page.unroute("**/v1/chat/completions")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".turn")).to_have_attribute("data-state", "done")


def test_a_key_opens_a_locked_server(browser: Browser, tmp_path: Path) -> None:
    hashed = hashlib.sha256(b"open-sesame").hexdigest()
    server = start(
        "all", tmp_path, {"TANDEM_AUTH__MODE": "keys", "TANDEM_AUTH__KEYS": f'[{{"name":"me","sha256":"{hashed}"}}]'}
    )
    try:
        with tab(browser, server.url) as page:
            page.get_by_role("textbox", name="API key").fill("open-sesame")
            page.keyboard.press("Enter")
            expect(page.locator("#model")).to_contain_text("extractive")
            upload(page, ("harbour.md", GUIDE))
            page.get_by_role("link", name="Ask", exact=True).click()
            ask(page, FEE)
            expect(page.locator(".turn")).to_have_attribute("data-state", "done")
    finally:
        stop(server)


def test_a_phone_can_do_the_same(browser: Browser, url: str) -> None:
    with tab(browser, url, PHONE) as page:
        upload(page, ("harbour.md", GUIDE))
        page.get_by_role("link", name="Ask", exact=True).tap()
        page.fill("#question", FEE)
        page.locator("#send").tap()
        page.locator(".cite").first.tap()
        expect(page.locator("#panel mark").first).to_contain_text("fourteen crowns a night")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_a_reader_says_what_it_thinks_of_an_answer(page: Page) -> None:
    upload(page, ("harbour.md", GUIDE))
    page.get_by_role("link", name="Ask", exact=True).click()
    ask(page, FEE)
    expect(page.locator(".turn")).to_have_attribute("data-state", "done")
    good, bad = page.get_by_role("button", name="Good answer"), page.get_by_role("button", name="Bad answer")
    expect(page.get_by_role("button", name="Say more")).to_be_hidden()
    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".feedback")).to_contain_text("Thank you.")
    bad.click()
    expect(bad).to_have_attribute("aria-pressed", "true")
    expect(good).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Say more").click()
    page.get_by_label("What would have been right?").fill("Fourteen crowns.")
    page.locator(".feedback-form").get_by_role("button", name="Send").click()
    # This server was not told to keep texts.
    expect(page.locator(".feedback")).to_contain_text("your words are not")
    assert 'tandem_feedback_total{rating="up"} 1.0' in page.evaluate("fetch('/metrics').then((told) => told.text())")
    page.reload()
    expect(bad).to_have_attribute("aria-pressed", "true")
