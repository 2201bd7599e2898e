"""Copies the CPU model that its image holds to where a claim is mounted: as the folder of a model."""

import shutil
import sys
from pathlib import Path

target = Path(sys.argv[1])
target.mkdir(parents=True)
(weights,) = Path("/opt/tandem/model").glob("*/*.gguf")
shutil.copyfile(weights, target / weights.name)
