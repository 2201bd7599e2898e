"""The page's documents: adding with progress, results one by one, paging, deleting; and the page's own files."""

import gzip
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from component.browser import tab
from fakes.page_backend import PageBackend, planned
from tandem.http.ui.router import CONTENT_SECURITY_POLICY

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    with tab(browser, f"{url}/#documents") as opened:
        expect(opened.locator("#document-list")).not_to_be_empty()
        yield opened


def file(name: str, text: str) -> FilePayload:
    return {"name": name, "mimeType": "text/markdown", "buffer": text.encode()}


def test_without_documents_the_page_says_how_to_add_some(page: Page) -> None:
    expect(page.locator(".empty")).to_contain_text("No documents yet.")
    expect(page.locator(".empty")).to_contain_text("tandem ingest PATH")
    page.get_by_role("link", name="Ask", exact=True).click()
    expect(page.locator("#no-documents")).to_be_visible()


def test_each_file_gets_its_own_result(page: Page, backend: PageBackend) -> None:
    backend.put("same.md", "# Same")
    backend.put("changed.md", "# Before")
    page.set_input_files(
        "#files",
        [file("new.md", "# New"), file("same.md", "# Same"), file("changed.md", "# After"), file("empty.md", "")],
    )
    results = {
        "new.md": "added · 1 chunk",
        "same.md": "unchanged",
        "changed.md": "updated",
        "empty.md": "The document is empty.",
    }
    for name, words in results.items():
        expect(page.locator(".upload").filter(has_text=name).locator(".upload-state")).to_contain_text(words)
    expect(page.locator(".document-name")).to_have_count(3)
    expect(page.locator("#document-count")).to_contain_text("3 documents · 3 chunks · in “docs”")
    failed = page.locator(".upload[data-state=failed]")
    failed.get_by_role("button", name="Try again").click()
    expect(page.locator(".upload[data-state=failed]")).to_contain_text("The document is empty.")


def test_progress_is_the_bytes_that_left(page: Page) -> None:
    slow = page.context.new_cdp_session(page)
    slow.send("Network.enable")
    rate = 400_000
    slow.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": rate},
    )
    page.set_input_files("#files", [file("large.md", "x" * 1_200_000)])
    upload = page.locator(".upload")
    expect(upload.locator(".upload-state")).to_have_text(re.compile(r"Sending, [1-9]\d* %"))
    assert 0 < float(upload.locator("progress").evaluate("bar => bar.value")) < 1
    expect(upload.locator(".upload-state")).to_contain_text("added")


def test_an_upload_can_be_left(page: Page, backend: PageBackend) -> None:
    page.route("**/v1/documents/stuck.md*", lambda _: None)
    page.set_input_files("#files", [file("stuck.md", "# Stuck")])
    page.get_by_role("button", name="Cancel the upload of stuck.md").click()
    expect(page.locator(".upload-state")).to_have_text("cancelled")
    page.set_input_files("#files", [file("next.md", "# Next")])
    expect(page.locator(".upload-state")).to_contain_text("added")
    assert list(backend.documents) == ["next.md"]
    page.unroute_all(behavior="ignoreErrors")


def test_an_upload_waits_for_a_busy_server(page: Page, backend: PageBackend) -> None:
    backend.script.upload_faults = [planned(503, "store_busy", "Another process holds the store.", retry_after="1")]
    page.set_input_files("#files", [file("patient.md", "# Patient")])
    expect(page.locator(".upload-state")).to_contain_text("The server is busy")
    expect(page.locator(".upload-state")).to_contain_text("added")


def test_files_can_be_dropped_anywhere(page: Page, backend: PageBackend) -> None:
    page.get_by_role("link", name="Ask", exact=True).click()
    drop = """async () => {
      const data = new DataTransfer();
      for (const name of ["a b%#?.md", "ünicode.md"]) data.items.add(new File(["# " + name], name));
      for (const type of ["dragenter", "dragover", "drop"])
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(drop)
    expect(page.locator(".upload[data-state=added]")).to_have_count(2)
    assert sorted(backend.documents) == ["a b%#?.md", "ünicode.md"]
    expect(page.locator(".document-name")).to_have_count(2)


def test_deleting_asks_first(page: Page, backend: PageBackend) -> None:
    backend.put("keep/this.md")
    backend.put("not/that.md")
    page.reload()
    page.get_by_role("button", name="Delete not/that.md").click()
    dialog = page.get_by_role("dialog", name="Delete this document?")
    expect(dialog).to_contain_text("not/that.md")
    page.keyboard.press("Enter")  # the harmless choice has the focus
    expect(dialog).to_be_hidden()
    assert "not/that.md" in backend.documents
    page.get_by_role("button", name="Delete not/that.md").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.locator(".document-name")).to_have_count(1)
    assert list(backend.documents) == ["keep/this.md"]


def test_a_long_list_comes_in_pages_and_a_document_opens(page: Page, backend: PageBackend) -> None:
    for number in range(70):
        backend.put(f"page-{number:02}.md", f"# Page {number}")
    page.reload()
    expect(page.locator(".document-name")).to_have_count(50)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".document-name")).to_have_count(70)
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()
    page.locator(".document-name").last.click()
    expect(page.locator("#panel .document-text")).to_have_text("# Page 69")


FOLDER = Path(__file__).parents[2] / "services" / "tandem" / "http" / "ui"
ASSETS = sorted(path.name for path in FOLDER.iterdir() if path.suffix in {".html", ".js", ".css", ".svg"})


def fetch(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, {k.lower(): v for k, v in reply.headers.items()}, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()


@pytest.mark.parametrize("name", ASSETS)
def test_every_file_is_served_under_the_policy_and_only_once(served: tuple[PageBackend, str], name: str) -> None:
    where = f"{served[1]}/" if name == "index.html" else f"{served[1]}/ui/{name}"
    status, headers, body = fetch(where)
    assert (status, body) == (200, (FOLDER / name).read_bytes())
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-cache"
    status, packed, body = fetch(where, accept_encoding="gzip")
    assert gzip.decompress(body) == (FOLDER / name).read_bytes()
    assert packed["etag"] != headers["etag"]
    status, _, body = fetch(where, if_none_match=headers["etag"])
    assert (status, body) == (304, b"")


@pytest.mark.parametrize("path", ["/ui/router.py", "/ui/..%2frouter.py", "/ui/", "/ui/missing.js"])
def test_nothing_else_is_served(served: tuple[PageBackend, str], path: str) -> None:
    assert fetch(served[1] + path)[0] == 404


def test_the_page_is_small_and_keeps_its_own_policy() -> None:
    assert sum(len(gzip.compress((FOLDER / name).read_bytes())) for name in ASSETS) < 55_000
    html = (FOLDER / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|//[a-z]", html)
    scripts = "".join((FOLDER / name).read_text() for name in ASSETS if name.endswith(".js"))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", scripts)
