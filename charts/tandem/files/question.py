"""Puts a document through the Service, asks for what stands in it, checks the citation, takes it away again."""

import json
import os
import sys
import time
import urllib.error
import urllib.request

URL = os.environ["QUESTION_URL"]
KEY = os.environ.get("QUESTION_API_KEY")
TIMEOUT_S = float(os.environ["QUESTION_TIMEOUT_S"])
COLLECTION = "helm-test"
DOCUMENT = "lighthouse.md"
TEXT = (
    "# Lighthouse\n\nThe lighthouse of Varnholm was lit for the first time in 1874. Its keeper was called Oda Brandt.\n"
)
ASKED = {
    "model": "tandem",
    "messages": [{"role": "user", "content": "Who was the keeper of the lighthouse of Varnholm?"}],
    "max_tokens": 128,
    "tandem": {"collection": COLLECTION},
}


def call(
    method: str, path: str, body: bytes | None = None, media: str = "application/json", *, refusable: bool = False
) -> dict:
    """The JSON of an answer; ends the test with what the gateway said when it refuses, unless it may (403)."""
    request = urllib.request.Request(URL + path, data=body, method=method, headers={"content-type": media})
    if KEY:
        request.add_header("authorization", f"Bearer {KEY}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        if refusable and error.code == 403:
            return {}
        said = error.read().decode(errors="replace")
        hint = "  Name a caller's key in existingSecrets.caller." if error.code == 401 else ""
        sys.exit(f"{method} {path}: {error.code} {said}{hint}")
    except OSError as error:
        sys.exit(f"{method} {path}: {URL} does not answer: {error}")


def main() -> None:
    """Leaves no document behind, however it ends; the empty collection goes too where the key is an admin's."""
    put = call("PUT", f"/v1/documents/{DOCUMENT}?collection={COLLECTION}", TEXT.encode(), "text/markdown")
    try:
        print("document:", put["status"])
        began_s = time.monotonic()
        told = call("POST", "/v1/chat/completions", json.dumps(ASKED).encode())
        print(f"answer after {time.monotonic() - began_s:.2f} s:", told["choices"][0]["message"]["content"].strip())
        cited = [each["document_id"] for each in told["tandem"]["citations"]]
        print("cited:", cited)
        if DOCUMENT not in cited:
            sys.exit(f"the answer does not cite {DOCUMENT}")
    finally:
        call("DELETE", f"/v1/documents/{DOCUMENT}?collection={COLLECTION}")
        call("DELETE", f"/v1/collections/{COLLECTION}", refusable=True)
    print("ok")


main()
