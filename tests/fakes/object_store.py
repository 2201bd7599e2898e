"""An S3 server in this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from werkzeug.serving import make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


@contextmanager
def object_store() -> Iterator[str]:
    """Its URL, of an empty one. The AWS variables are the test's to set."""
    from moto.moto_api._internal.models import moto_api_backend
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    # What servers before it were given is still in this process.
    moto_api_backend.reset()
    with served(DomainDispatcherApplication(create_backend_app)) as url:
        yield url


@contextmanager
def served(application: "WSGIApplication") -> Iterator[str]:
    """The URL of one that answers in threads of this process."""
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def aws_variables(endpoint: str) -> dict[str, str]:
    """What makes S3's client use it."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
