"""A site by its sitemap: which pages are taken, how politely, and what is fetched again."""

import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from fakes.live_aiohttp import live_aiohttp
from tandem.adapters.sources.fetching import fetcher, is_private
from tandem.adapters.sources.manners import Polite
from tandem.adapters.sources.sitemap import SitemapSource
from tandem.domain.document import RawDocument
from tandem.domain.errors import DocumentRejected, InvalidRequest
from tandem.ports.source import DocumentRef, Listing


@dataclass
class Site:
    """Pages by path; `asked` is what was asked for, in order."""

    url: str = ""
    robots: str | None = None
    pages: dict[str, web.Response] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def sitemap(self, *paths: str, changed: str | None = None) -> str:
        told = f"<lastmod>{changed}</lastmod>" if changed else ""
        urls = "".join(f"<url><loc>{path if '://' in path else self.url + path}</loc>{told}</url>" for path in paths)
        return f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if request.path == "/away":
            raise web.HTTPFound(request.query["to"])
        if request.path in {"/a", "/b"}:
            if request.headers.get("If-None-Match") == '"v1"':
                return web.Response(status=304)
            return web.Response(text=f"<h1>{request.path}</h1>", content_type="text/html", headers={"ETag": '"v1"'})
        body = self.file(request.path)
        return web.Response(status=404) if body is None else web.Response(body=body)

    def file(self, path: str) -> bytes | None:
        if path == "/robots.txt":
            return None if self.robots is None else self.robots.encode()
        parts = "".join(f"<sitemap><loc>{self.url}{part}</loc></sitemap>" for part in ("/sitemap.xml", "/gone.xml"))
        packed = self.sitemap("/a", changed="2026-01-02T03:04:05+00:00").encode()
        return {
            "/sitemap.xml": self.sitemap("/a", "/b", "/logo.png", "http://elsewhere.example/c").encode(),
            "/packed.xml.gz": gzip.compress(packed),
            "/index.xml": f"<sitemapindex>{parts}</sitemapindex>".encode(),
        }.get(path)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", site.answer)
    async with live_aiohttp(app) as site.url:
        yield site


@pytest.fixture
async def sources() -> AsyncIterator[list[SitemapSource]]:
    opened: list[SitemapSource] = []
    yield opened
    for source in opened:
        await source.aclose()


async def listed(sources: list[SitemapSource], place: str) -> Listing:
    sources.append(SitemapSource(place, interval_s=0.0))
    return await sources[-1].listing()


async def read(ref: DocumentRef) -> RawDocument:
    document = await ref.read()
    assert document is not None
    return document


async def test_pages_of_the_site_are_taken_and_fetched_again_when_they_changed(
    site: Site, sources: list[SitemapSource]
) -> None:
    listing = await listed(sources, f"sitemap:{site.url}/sitemap.xml")
    assert [ref.id for ref in listing.refs] == [f"{site.url}/a", f"{site.url}/b"]
    assert listing.skipped == {".png": 1}
    document = await read(listing.refs[0])
    assert (document.body, document.version, document.source) == (b"<h1>/a</h1>", '"v1"', f"{site.url}/a")
    assert await listing.refs[0].read(unless='"v1"') is None


async def test_what_the_sitemap_says_to_be_unchanged_is_not_asked_for(site: Site, sources: list[SitemapSource]) -> None:
    listing = await listed(sources, f"{site.url}/packed.xml.gz")
    (ref,) = listing.refs
    assert ref.version == "2026-01-02T03:04:05+00:00"
    assert await ref.read(unless=ref.version) is None
    assert "/a" not in site.asked


async def test_an_index_that_lost_a_part_does_not_prove_that_its_pages_are_gone(
    site: Site, sources: list[SitemapSource]
) -> None:
    listing = await listed(sources, f"sitemap:{site.url}/index.xml")
    assert len(listing.refs) == 2
    assert not listing.complete
    assert [fault.document_id for fault in listing.faults] == [f"{site.url}/gone.xml"]


async def test_robots_txt_is_obeyed_and_names_the_sitemaps(site: Site, sources: list[SitemapSource]) -> None:
    site.robots = f"User-agent: *\nDisallow: /b\nSitemap: {site.url}/sitemap.xml\n"
    listing = await listed(sources, f"sitemap:{site.url}")
    assert (await read(listing.refs[0])).body
    with pytest.raises(DocumentRejected) as caught:
        await listing.refs[1].read()
    assert caught.value.reason == "forbidden"
    assert "/b" not in site.asked
    assert site.asked.count("/robots.txt") == 1


async def test_a_robots_txt_that_cannot_be_had_forbids_everything(site: Site, sources: list[SitemapSource]) -> None:
    with pytest.raises(InvalidRequest, match="may not be read while"):
        await listed(sources, "sitemap:http://127.0.0.1:1/sitemap.xml")


async def test_a_host_is_asked_no_more_often_than_it_likes(site: Site) -> None:
    site.robots = "User-agent: *\nCrawl-delay: 3\n"
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async with fetcher({"127.0.0.1"}, timeout_s=10) as web_:
        polite = Polite(web_, 0.5, now_s=lambda: 100.0, sleep=sleep)
        for _ in range(3):
            await polite.get(f"{site.url}/a", max_bytes=1_000)
    # After robots.txt the usual pause, then its own.
    assert waited == [0.5, 3.5, 6.5]


@pytest.mark.parametrize("to", ["http://10.1.2.3/", "http://localhost:1/", "http://[::1]/", "http://169.254.169.254/x"])
async def test_a_redirect_to_a_private_address_is_not_followed(site: Site, to: str) -> None:
    async with fetcher({urlsplit(site.url).hostname or ""}, timeout_s=10) as web_:
        with pytest.raises(DocumentRejected, match="private address"):
            await web_.get(f"{site.url}/away?to={to}", max_bytes=1_000)


async def test_a_name_that_leads_to_a_private_address_is_refused_where_it_is_looked_up() -> None:
    async with fetcher({"somewhere.example"}, timeout_s=10) as web_:
        connector = web_._session.connector
        with pytest.raises(OSError, match="private address"):
            await connector._resolver.resolve("localhost", 80)  # type: ignore[union-attr]


def test_what_is_private() -> None:
    private = ("127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "::1", "fe80::1%eth0", "0.0.0.0", "localhost")
    assert all(is_private(host) for host in private)
    assert not any(is_private(host) for host in ("1.1.1.1", "2606:4700::1111", "example.org"))


async def test_what_is_no_sitemap_says_so(site: Site, sources: list[SitemapSource]) -> None:
    with pytest.raises(InvalidRequest, match="no sitemap"):
        await listed(sources, f"sitemap:{site.url}/a")
    with pytest.raises(InvalidRequest, match="answered 404"):
        await listed(sources, f"sitemap:{site.url}/nothing.xml")
