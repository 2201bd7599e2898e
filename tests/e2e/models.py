"""Models of a registry for the cluster: the CPU model on a claim and in a folder here, and `tandem models` at them."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster import Object
from e2e.pods import INSIDE, pod, script
from e2e.release import Release
from e2e.space import Space
from tandem.adapters.small.models import model_file

TANDEM = Path(sys.executable).with_name("tandem")
OF_SERVICE = "serving.kserve.io/inferenceservice"
CLAIM, MODEL = "models", "support"
DATASET, RUN = "support@3", "https://ci.example.com/runs/812"
CARD = f"---\ndatasets: [{DATASET}]\ntraining_run: {RUN}\n---\n"


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Registry:
    """`models:` of a configuration on this machine, for one release."""

    release: Release
    file: Path

    def tandem(self, verb: str, *words: str) -> Done:
        """`tandem models VERB …` at the release; it names the context, so that nothing is asked."""
        cluster = self.release.space.cluster
        context = cluster.kubectl("config", "current-context").strip()
        where = ["--release", self.release.name, "--namespace", self.release.space.name, "--context", context]
        # What it goes back to is told by the cluster alone.
        config = [] if verb == "rollback" else ["--config", str(self.file)]
        return self._run(verb, *words, *where, *config)

    def lineage(self, *words: str) -> Done:
        """`tandem models lineage …`."""
        return self._run("lineage", *words, "--config", str(self.file))

    def _run(self, *words: str) -> Done:
        env = {**self.release.space.cluster.env, "COLUMNS": "200"}
        done = subprocess.run(
            [str(TANDEM), "models", *words],
            env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)


def folder(at: Path) -> Path:
    """The CPU model with a card that tells what it was made from."""
    place = at / MODEL
    place.mkdir()
    weights = model_file("smollm2").path
    (place / weights.name).symlink_to(weights)
    (place / "README.md").write_text(CARD)
    return place


def weights() -> str:
    """Its file's name."""
    return model_file("smollm2").path.name


def on_claim(ours: Space, image: str, storage_class: str) -> str:
    """The same weights in the cluster; their address."""
    ours.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": CLAIM, "namespace": ours.name},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                **({"storageClassName": storage_class} if storage_class else {}),
                "resources": {"requests": {"storage": "1Gi"}},
            },
        },
        script(ours.name, "copy", INSIDE / "models_copy.py"),
        pod(ours.name, "copy", image, [f"/documents/{MODEL}"], claim=CLAIM),
    )
    ours.output("copy", within_s=60)
    return f"pvc://{CLAIM}/{MODEL}"


def registry(release: Release, at: Path, models: Object) -> Registry:
    """Of these models."""
    file = at / "tandem.yaml"
    file.write_text(json.dumps({"models": models}))
    return Registry(release, file)
