"""A real Prometheus on a free loopback port that scrapes processes of a test, with the chart's rules."""

import contextlib
import json
import math
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

START_S = 30.0


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Where it answers queries."""

    url: str

    def query(self, expression: str) -> list[float]:
        """The values of all series that it returns now, without those that are no number. Raises `AssertionError`."""
        told = self._get("/api/v1/query", query=expression)
        found = told["result"]
        if told["resultType"] == "scalar":
            return [float(found[1])]
        return [value for each in found if not math.isnan(value := float(each["value"][1]))]

    def rules(self) -> list[dict[str, Any]]:
        """Every rule with its health, as it was evaluated last."""
        return [rule for group in self._get("/api/v1/rules")["groups"] for rule in group["rules"]]

    def down(self) -> list[str]:
        """Targets that could not be scraped, with the reason."""
        targets = self._get("/api/v1/targets")["activeTargets"]
        return [f"{each['scrapeUrl']}: {each['lastError']}" for each in targets if each["health"] != "up"]

    def _get(self, path: str, **parameters: str) -> Any:
        try:
            with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(parameters)}", timeout=30) as reply:
                return json.load(reply)["data"]
        except urllib.error.HTTPError as refused:
            raise AssertionError(f"{parameters}: {refused.read().decode()}") from refused


@contextlib.contextmanager
def prometheus(
    binary: str, folder: Path, targets: Mapping[tuple[str, str], str], rules: Sequence[Path]
) -> Iterator[Prometheus]:
    """Scrapes `targets`, (namespace, pod) to URL, each second, and evaluates the rules as often."""
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "prometheus.yml").write_text(json.dumps(_configuration(folder, targets, rules)))
    command = [binary, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage"]
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _await_ready(f"http://127.0.0.1:{port}/-/ready", running, folder / "log")
        yield Prometheus(f"http://127.0.0.1:{port}")
    finally:
        running.terminate()
        running.wait(10)


def _configuration(folder: Path, targets: Mapping[tuple[str, str], str], rules: Sequence[Path]) -> dict[str, Any]:
    for path in rules:
        told = yaml.safe_load(path.read_text())
        for group in told["groups"]:
            group["interval"] = "1s"
        (folder / path.name).write_text(yaml.safe_dump(told))
    targets_told = [
        {"targets": [url.removeprefix("http://")], "labels": {"namespace": namespace, "pod": pod}}
        for (namespace, pod), url in targets.items()
    ]
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / path.name) for path in rules],
        "scrape_configs": [{"job_name": "tandem", "static_configs": targets_told}],
    }


def _await_ready(url: str, running: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if running.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.05)
    raise RuntimeError(f"Prometheus is not ready:\n{log.read_text()}")
