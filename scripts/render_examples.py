"""Renders charts/tandem/examples/NAME/values.yaml to NAME/rendered/, so that a review sees what a change does to the objects.

An example's first line may name the hardware profile that comes before its values: `# With values-….yaml: …`. Helm is
taken from PATH. Another folder to write to may be given.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHART = Path(__file__).parents[1] / "charts/tandem"
# Offline nobody can be asked what the cluster serves.
APIS = "serving.kserve.io/v1beta1,keda.sh/v1alpha1,monitoring.coreos.com/v1"


def render(example: Path, to: Path) -> None:
    """One file for each template that makes something, under its name."""
    first = (example / "values.yaml").read_text(encoding="utf-8").split("\n", 1)[0]
    profile = first.removeprefix("# With ").partition(":")[0] if first.startswith("# With ") else None
    files = [*([CHART / profile] if profile else []), example / "values.yaml"]
    command = ["helm", "template", "tandem", str(CHART), "--namespace", "rag", "--kube-version", "1.34.0"]
    with tempfile.TemporaryDirectory() as folder:
        command += ["--api-versions", APIS, "--output-dir", folder]
        subprocess.run(
            [*command, *(word for file in files for word in ("-f", str(file)))], check=True, stdout=subprocess.DEVNULL
        )
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(Path(folder) / "tandem/templates", to)


if shutil.which("helm") is None:
    sys.exit("There is no helm on PATH: install it (https://helm.sh), then render again.")
for values in sorted(CHART.glob("examples/*/values.yaml")):
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else CHART / "examples"
    render(values.parent, folder / values.parent.name / "rendered")
