"""Runs in a pod: a model hub with one gated repository, as far as a HEAD of one file tells: `python hub.py PORT TOKEN`."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hub(BaseHTTPRequestHandler):
    """Says what huggingface.co says."""

    def do_HEAD(self) -> None:
        """200 for who may, and the hub's own words for who may not."""
        good = self.headers.get("authorization") == f"Bearer {sys.argv[2]}"
        self.send_response(200 if good else 403 if "authorization" in self.headers else 401)
        if not good:
            self.send_header("x-error-code", "GatedRepo")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silent."""


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Hub).serve_forever()
