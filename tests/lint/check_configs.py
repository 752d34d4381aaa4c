#!/usr/bin/env python3
"""check_configs.py ROOT BUILD: every shipped config is accepted by the tool that reads it, and every
shipped model has a plan."""
import json
import pathlib
import subprocess
import sys
import tempfile

root, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
configs = sorted([*(root / "configs").rglob("*.json"), *(root / "recipes").glob("*/*.json")])
bad = 0
folder = tempfile.TemporaryDirectory(prefix="dl-configs-")
digits = pathlib.Path(folder.name, "digits.h5")
subprocess.run([build / "dl-prep", "-q", "-s", "prep.from.count=50", "-s", "prep.split.valid=0.2", "--from", "digits", "-o", digits],
               check=True, stdin=subprocess.DEVNULL)
for path in configs:
    if path.parent.name == "search":  # beside a model
        done = subprocess.run([build / "dl-hpo", "run", "-c", root / "configs/models/mlp.json", "-c", path, "--dry-run"],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            print(f"{path.relative_to(root)}: exit {done.returncode} of dl-hpo\n{done.stderr}")
            bad += 1
        continue
    said = subprocess.run([build / "dl-train", "-c", path, "--print-config=minimal"], capture_output=True, text=True).stdout
    # A model for any input takes its shape from the data set: here, one of 28x28 digits.
    shape = [] if not said or "inputs" in json.loads(said).get("model", {}) else ["--data", digits]
    for tool, *args in (["dl-train", "--plan", *shape], ["dl-prep", "--print-config"]):
        done = subprocess.run([build / tool, "-c", path, *args], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            print(f"{path.relative_to(root)}: exit {done.returncode} of {tool} {' '.join(args)}\n{done.stderr}")
            bad += 1
print(f"{len(configs)} configs, {bad} violations")
sys.exit(bad > 0 or not configs)
