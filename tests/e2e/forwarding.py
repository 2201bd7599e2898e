"""`kubectl port-forward` for the time of a block, as a person debugs."""

import contextlib
import re
import subprocess
from collections.abc import Iterator

from e2e.cluster import Cluster

_WHERE = re.compile(r"127\.0\.0\.1:(\d+)")


@contextlib.contextmanager
def forwarded(cluster: Cluster, namespace: str, target: str, port: str) -> Iterator[str]:
    """The local URL of `target` (`svc/x`, `pod/x`), whose `port` is a number or a name."""
    command = ["kubectl", "--namespace", namespace, "port-forward", target, f":{port}"]
    with subprocess.Popen(
        command, env=cluster.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as forward:
        assert forward.stdout is not None and forward.stderr is not None
        try:
            line = forward.stdout.readline()
            found = _WHERE.search(line)
            assert found, f"{' '.join(command)}: {line}{forward.stderr.read() if not line else ''}"
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            forward.terminate()
