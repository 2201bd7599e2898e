"""The page's jobs and batches, against a backend whose jobs move when the test says so."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from component.browser import PHONE, tab
from fakes.page_backend import PageBackend
from fakes.page_jobs import PageJobs

pytestmark = pytest.mark.timeout(120)

LINES = b'{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {}}\n'


@pytest.fixture
def jobs(backend: PageBackend) -> PageJobs:
    return backend.jobs


def show(page: Page, job: str = "") -> None:
    page.evaluate("hash => { location.hash = hash }", f"#jobs/{job}" if job else "#jobs")


def file(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/jsonl", "buffer": content}


def test_without_jobs_the_page_says_how_to_make_one(page: Page) -> None:
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page).to_have_title("Jobs · Tandem")
    expect(page.locator("#job-list")).to_contain_text("No jobs yet.")
    expect(page.locator("#job-list")).to_contain_text("tandem jobs submit")
    expect(page.locator("#no-batches")).to_be_visible()


def test_the_list_is_filtered_paged_and_kept_up(page: Page, jobs: PageJobs) -> None:
    for number in range(40):
        jobs.job(f"Question {number}?", "succeeded", ended_at=1_790_000_060.0, attempts=2)
    waiting = jobs.job("Still open?")
    page.clock.install()
    show(page)
    lines = page.locator("#job-list tbody tr")
    expect(lines).to_have_count(30)
    expect(lines.first).to_contain_text(re.compile(r"job-040.*queued", re.DOTALL))
    expect(lines.nth(1)).to_contain_text(re.compile(r"job-039.*succeeded.*2", re.DOTALL))
    page.get_by_role("button", name="Show more").first.click()
    expect(lines).to_have_count(41)
    expect(lines.nth(30).get_by_role("link")).to_be_focused()
    expect(page.get_by_role("button", name="Show more").first).to_be_hidden()

    # While one is open, the page looks again by itself, and nobody loses their place.
    jobs.say(waiting, "status", status="running", attempt=1)
    newer = jobs.job("Newer?")
    page.clock.fast_forward(5_000)
    expect(lines).to_have_count(42)
    expect(lines.nth(1)).to_contain_text("running")
    expect(lines.nth(31).get_by_role("link")).to_be_focused()

    page.get_by_label("Status").select_option("running")
    expect(lines).to_have_count(1)
    jobs.succeed(waiting, "Yes.")
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator("#job-list")).to_contain_text("No job is running.")

    # Nothing is open any more: it looks no more.
    jobs.fail(newer, "expired", "Too late.")
    page.get_by_label("Status").select_option("")
    expect(lines).to_have_count(30)
    before = jobs.listings
    page.clock.fast_forward(60_000)
    page.get_by_role("link", name="Documents", exact=True).click()
    expect(page.locator("#documents")).to_be_visible()
    assert jobs.listings == before


def test_a_job_is_followed_while_it_is_answered(page: Page, jobs: PageJobs) -> None:
    job = jobs.job("How soon is it searchable?")
    show(page, "job-000")
    turn = page.locator("#job-one .turn")
    expect(turn.locator(".question")).to_have_text("How soon is it searchable?")
    expect(turn).to_contain_text("Waiting for its turn")
    jobs.say(job, "status", status="running", attempt=1)
    expect(page.locator(".job-facts")).to_contain_text("running")
    jobs.say(job, "token", text="The first ")
    jobs.say(job, "token", text="try")
    expect(turn.locator(".answer")).to_have_text("The first try")
    jobs.say(job, "retry", reason="upstream_failed", not_before=None)
    expect(turn.locator(".answer")).to_be_empty()
    jobs.say(job, "status", status="running", attempt=2)
    jobs.say(job, "token", text="At once")
    expect(turn.locator(".answer")).to_have_text("At once")
    expect(page.locator(".job-facts")).to_contain_text(re.compile(r"Attempts\s*2"))
    jobs.succeed(job, "At once [1].")
    expect(turn).to_have_attribute("data-state", "done")
    expect(turn.locator(".answer")).to_contain_text("At once")
    expect(page.locator("#job-one").get_by_role("button", name="Cancel this job")).to_have_count(0)
    expect(page.locator("#announcements")).to_contain_text("The job is answered.")
    # As answers are shown: citations, receipt.
    turn.locator(".cite").click()
    expect(page.locator("#panel mark")).to_contain_text("The document is searchable")
    page.keyboard.press("Escape")
    expect(turn.get_by_role("button", name="Receipt")).to_be_visible()
    page.get_by_role("link", name="← All jobs").click()
    expect(page.locator("#job-list tbody tr")).to_contain_text("How soon is it searchable?")


def test_a_broken_connection_is_taken_up_where_it_broke(page: Page, jobs: PageJobs) -> None:
    job = jobs.job("How soon?")
    jobs.say(job, "status", status="running", attempt=1)
    jobs.say(job, "token", text="Half ")
    show(page, "job-000")
    expect(page.locator("#job-one .answer")).to_have_text("Half")
    jobs.break_streams()
    jobs.say(job, "token", text="and half")
    expect(page.locator("#job-one .answer")).to_have_text("Half and half")
    assert jobs.resumed == [0, 2]
    jobs.succeed(job, "Half and half.")
    expect(page.locator("#job-one .turn")).to_have_attribute("data-state", "done")
    # Who leaves follows no more.
    other = jobs.job("Another?")
    show(page, other.told["id"])
    expect(page.locator("#job-one .question")).to_have_text("Another?")
    page.get_by_role("link", name="← All jobs").click()
    expect(page.locator("#job-all")).to_be_visible()
    jobs.break_streams()
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator("#job-list tbody tr")).to_have_count(2)
    assert jobs.resumed == [0, 2, 0]


def test_a_job_that_waits_or_runs_is_cancelled(page: Page, jobs: PageJobs) -> None:
    jobs.job("Never mind?")
    show(page, "job-000")
    page.get_by_role("button", name="Cancel this job").click()
    expect(page.locator(".job-facts")).to_contain_text("cancelled")
    expect(page.locator("#job-one .turn")).to_contain_text("cancelled before it had an answer")
    page.get_by_role("button", name="Ask again").click()
    # The same request, as a job of its own.
    expect(page.locator("#job-one")).to_contain_text("job-001")
    job = jobs.jobs["job-001"]
    assert job.told["request"] == {"messages": [{"role": "user", "content": "Never mind?"}]}
    jobs.say(job, "status", status="running", attempt=1)
    expect(page.locator(".job-facts")).to_contain_text("running")
    page.get_by_role("button", name="Cancel this job").click()
    expect(page.locator(".job-facts")).to_contain_text("cancelling")
    expect(page.get_by_role("button", name="Cancel this job")).to_be_disabled()
    job.told.update(status="cancelled", ended_at=1_790_000_090.0)
    jobs.say(job, "done", status="cancelled", error=None)
    expect(page.locator("#job-one .turn")).to_have_attribute("data-state", "cancelled")


def test_a_failed_job_says_why(page: Page, jobs: PageJobs) -> None:
    jobs.fail(jobs.job("Too late?"), "expired", "The job expired before it was answered.")
    show(page, "job-000")
    expect(page.locator("#job-one .fault")).to_contain_text("It was not begun in time")
    expect(page.locator("#job-one .fault")).to_contain_text("The job expired before it was answered.")
    show(page, "job-999")
    expect(page.locator("#job-one .fault")).to_contain_text("There is no such job")
    page.get_by_role("link", name="← All jobs").click()
    expect(page.locator("#job-list tbody tr")).to_have_count(1)


def test_a_question_is_asked_later(page: Page, jobs: PageJobs) -> None:
    later = page.get_by_role("button", name="Ask later")
    expect(later).to_be_hidden()
    page.fill("#question", "When do <b>hives</b> open?")
    later.click()
    expect(page.locator("#later-note")).to_contain_text("when there is room")
    expect(page.locator("#question")).to_have_value("")
    assert jobs.jobs["job-000"].told["request"] == {
        "messages": [{"role": "user", "content": "When do <b>hives</b> open?"}],
        "tandem": {"explain": True},
    }
    page.get_by_role("link", name="see this job").click()
    expect(page.locator("#job-one .question")).to_have_text("When do <b>hives</b> open?")
    page.get_by_role("link", name="← All jobs").click()
    expect(page.locator("#job-list tbody tr")).to_contain_text("When do <b>hives</b> open?")
    page.reload()
    expect(page.locator("#job-list tbody tr")).to_contain_text("When do <b>hives</b> open?")


def test_where_jobs_are_not_served_the_page_says_what_that_takes(page: Page, jobs: PageJobs) -> None:
    jobs.served = jobs.batched = False
    page.fill("#question", "Later?")
    page.get_by_role("button", name="Ask later").click()
    expect(page.locator("#later-note")).to_contain_text("Set state.url to a PostgreSQL.")
    expect(page.locator("#question")).to_have_value("Later?")
    show(page)
    expect(page.locator("#job-list")).to_contain_text("There is no place for jobs here.")
    expect(page.locator("#job-list")).to_contain_text("Set state.url to a PostgreSQL.")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    expect(page.locator("#batches")).to_be_hidden()


def test_a_server_without_batches_shows_nothing_of_them(page: Page, jobs: PageJobs) -> None:
    jobs.batched = False
    jobs.job("One?")
    show(page)
    expect(page.locator("#job-list tbody tr")).to_have_count(1)
    expect(page.locator("#batches")).to_be_hidden()


def test_a_batch_is_uploaded_watched_and_taken_home(page: Page, jobs: PageJobs, tmp_path: Path) -> None:
    page.clock.install()
    show(page)
    page.set_input_files("#batch-file", file("ask.jsonl", LINES))
    card = page.locator(".batch")
    expect(card).to_contain_text(re.compile(r"ask\.jsonl.*validating", re.DOTALL))
    assert (jobs.files["file-0"], jobs.names["file-0"]) == (LINES, "ask.jsonl")
    batch = jobs.batches["batch_000"]
    assert (batch["endpoint"], batch["completion_window"]) == ("/v1/chat/completions", "24h")
    batch.update(status="in_progress", request_counts={"total": 8, "completed": 3, "failed": 1})
    page.clock.fast_forward(5_000)
    expect(card).to_contain_text("3 of 8 answered, 1 failed")
    assert card.locator("progress").evaluate("bar => bar.value") == 0.5
    jobs.files |= {"file-out": b'{"id": "one"}\n', "file-err": b'{"id": "two"}\n'}
    counts = {"total": 8, "completed": 7, "failed": 1}
    batch.update(status="completed", request_counts=counts, output_file_id="file-out", error_file_id="file-err")
    page.clock.fast_forward(5_000)
    expect(card).to_contain_text("completed")
    for name, content in (("output", b'{"id": "one"}\n'), ("errors", b'{"id": "two"}\n')):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Download the {name} of ask.jsonl").click()
        download.value.save_as(tmp_path / name)
        assert (tmp_path / name).read_bytes() == content
        assert download.value.suggested_filename == f"file-{name[:3]}.jsonl"
    del jobs.files["file-out"]
    page.get_by_role("button", name="Download the output of ask.jsonl").click()
    expect(card.locator(".fault")).to_contain_text("There is no such file.")
    expect(page.get_by_role("button", name=re.compile("^Cancel"))).to_have_count(0)


def test_downloads_carry_the_key(page: Page, jobs: PageJobs, served: tuple[PageBackend, str]) -> None:
    served[0].script.key = "open-sesame"
    jobs.files["file-out"] = b"{}\n"
    jobs.batch("completed", output_file_id="file-out", request_counts={"total": 1, "completed": 1, "failed": 0})
    show(page)
    page.get_by_role("textbox", name="API key").fill("open-sesame")
    page.keyboard.press("Enter")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the output of batch_000").click()
    assert download.value.path().read_bytes() == b"{}\n"


def test_a_batch_is_cancelled_and_a_broken_one_says_which_lines(page: Page, jobs: PageJobs) -> None:
    broken = [
        {"code": "invalid_json", "message": "This is no JSON.", "line": number, "param": None} for number in range(1, 8)
    ]
    jobs.batch("failed", errors={"object": "list", "data": broken})
    jobs.batch(request_counts={"total": 9, "completed": 1, "failed": 0}, metadata={"filename": "ask.jsonl"})
    show(page)
    expect(page.locator(".batch")).to_have_count(2)
    failed = page.locator(".batch").nth(1)
    expect(failed).to_contain_text("Line 1: This is no JSON.")
    expect(failed).to_contain_text("… and 2 more")
    page.get_by_role("button", name="Cancel ask.jsonl").click()
    expect(page.locator(".batch").first).to_contain_text("cancelling")
    expect(page.get_by_role("button", name="Cancel ask.jsonl")).to_have_count(0)


def test_an_upload_that_is_refused_says_why_and_many_batches_come_in_pages(page: Page, jobs: PageJobs) -> None:
    for number in range(25):
        jobs.batch("completed", metadata={"filename": f"{number}.jsonl"})
    show(page)
    expect(page.locator(".batch")).to_have_count(20)
    page.locator("#batch-list").get_by_role("button", name="Show more").click()
    expect(page.locator(".batch")).to_have_count(25)
    page.set_input_files("#batch-file", file("empty.jsonl", b""))
    expect(page.locator("#batch-upload .fault")).to_contain_text("The file is empty.")
    expect(page.locator("#batch-choose")).to_be_focused()


def test_the_keyboard_is_enough_and_a_phone_too(browser: Browser, jobs: PageJobs, url: str) -> None:
    jobs.job("A long question " * 20 + "with-a-word-that-is-very-long-indeed-and-does-not-break-by-itself?")
    jobs.batch(
        request_counts={"total": 900, "completed": 17, "failed": 2}, metadata={"filename": f"{'long' * 30}.jsonl"}
    )
    with tab(browser, f"{url}/#jobs", PHONE) as page:
        expect(page.locator(".batch")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        page.locator(".skip").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_label("Status")).to_be_focused()
        link = page.locator("#job-list a")
        link.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#job-one h1")).to_be_focused()
        expect(page.locator("#job-one .question")).to_contain_text("A long question")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
