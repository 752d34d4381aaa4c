#!/usr/bin/env python3
"""check_readme.py README BUILD: runs the shell blocks of README.md in order, in one folder, and resolves its links."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

readme, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
text = readme.read_text()
bad = [f"{readme.name}: {link} is not there" for link in re.findall(r"\]\(([^):]+)\)", text)
       if not (readme.parent / link).exists()]
blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
environment = os.environ | {"PATH": f"{build}:{os.environ['PATH']}", "NO_COLOR": "1"}
with tempfile.TemporaryDirectory() as tmp:
    for block in blocks:
        run = subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=tmp, env=environment, capture_output=True, text=True,
                             stdin=subprocess.DEVNULL)
        if run.returncode != 0:
            bad.append(f"{readme.name}: exit {run.returncode} of\n{block}{run.stderr[-1000:]}")
commands = re.findall(r"^    (\./\.ci/.*)$", text, re.M)
presets = (readme.parent / "CMakePresets.json").read_text()
bad += [f"{readme.name}: no preset {p}" for c in commands for p in re.findall(r"--preset (\w+)", c) if f'"{p}"' not in presets]
print(*bad, sep="\n")
print(f"{len(blocks)} blocks, {len(bad)} violations")
sys.exit(bool(bad) or not blocks or len(commands) != 2)
