#!/usr/bin/env python3
"""check_datasets.py DATASETS: every description is whole, `make` sees every file of it, and fetching checks digests."""
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile

folder = pathlib.Path(sys.argv[1])
bad = []
sets = sorted(folder.glob("*.json"))
for path in sets:
    d = json.loads(path.read_text())
    if d["name"] != path.stem:
        bad.append(f"{path.name}: name is '{d['name']}'")
    bad += [f"{path.name}: no '{k}'" for k in ("title", "home", "licence", "cite", "format", "files") if not d.get(k)]
    for f in d["files"]:
        if list(f) != ["file", "bytes", "sha256", "url"] or not re.fullmatch("[0-9a-f]{64}", f["sha256"]):
            bad.append(f"{path.name}: {f['file']}: expected file, bytes, sha256, url")

with tempfile.TemporaryDirectory() as tmp:  # a set of two files, one of them not what its digest says
    tmp = pathlib.Path(tmp)
    (tmp / "Makefile").write_text((folder / "Makefile").read_text())
    (tmp / "source").mkdir()
    lines = []
    for name, text in (("good.csv", b"1,2\n"), ("bad.csv", b"3,4\n")):
        (tmp / "source" / name).write_bytes(text)
        digest = hashlib.sha256(text if name == "good.csv" else b"other").hexdigest()
        lines.append(json.dumps({"file": name, "bytes": 4, "sha256": digest, "url": (tmp / "source" / name).as_uri()}))
    (tmp / "toy.json").write_text('{"files": [\n' + ",\n".join(lines) + "\n]}\n")
    run = subprocess.run(["make", "-C", tmp, "toy", f"DATA_DIR={tmp}/out"], capture_output=True, text=True)
    if run.returncode == 0 or not (tmp / "out/good.csv").exists() or (tmp / "out/bad.csv").exists():
        bad.append(f"fetching a file with a wrong digest: status {run.returncode}, "
                   f"left {[p.name for p in (tmp / 'out').iterdir()]}\n{run.stderr}")
    check = subprocess.run(["make", "-C", tmp, "check-toy", f"DATA_DIR={tmp}/source"], capture_output=True, text=True)
    if check.returncode == 0 or "good.csv: OK" not in check.stdout:
        bad.append(f"checking: status {check.returncode}, said {check.stdout}")
print(*bad, sep="\n")
print(f"{len(sets)} data sets, {len(bad)} violations")
sys.exit(bool(bad) or not sets)
