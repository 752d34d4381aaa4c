#!/usr/bin/env python3
"""check_files.py ROOT: length of source files, places of one machine in tracked files, JSON that parses."""
import fnmatch
import json
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(sys.argv[1])
here = pathlib.Path(__file__).parent
LIMIT = 500
PLACE = re.compile(r"(?<![\w.$}])/(work|root|home/\w+|tmp/bash_jobs)/|\bshared/(data|design|lab|spec|peers)\b")
long_files = {line.split()[0] for line in (here / "long_files.txt").read_text().splitlines()
              if line and not line.startswith("#")}


def tracked():
    try:  # git: absent on a bare machine
        run = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, text=True)
        names = run.stdout.split("\0")[:-1] if run.returncode == 0 else []
    except FileNotFoundError:
        names = []
    patterns = ["/.git"] + (root / ".gitignore").read_text().split()  # a leading slash: at the root only

    def ignored(path):
        parts = path.relative_to(root).parts
        return any(fnmatch.fnmatch(part, p.strip("/")) for p in patterns for part in (parts[:1] if p[0] == "/" else parts))

    return [root / n for n in names] or [p for p in root.rglob("*") if p.is_file() and not ignored(p)]


def without_comments(text):
    return re.sub(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', lambda m: m[1] or "", text, flags=re.S)


bad = []
files = [p for p in tracked() if p.is_file()]
for path in files:
    name = path.relative_to(root).as_posix()
    data = path.read_bytes()
    if b"\0" in data:
        if len(data) > 100_000:
            bad.append(f"{name}: binary file of {len(data)} bytes, 100000 are allowed")
        continue
    text = data.decode("utf-8", "replace")
    for n, line in enumerate(text.splitlines(), 1):
        if path != pathlib.Path(__file__) and PLACE.search(line):
            bad.append(f"{name}:{n}: path of one machine: {line.strip()[:100]}")
    if path.suffix in (".cpp", ".h", ".cu", ".py", ".def", ".sh") and text.count("\n") > LIMIT and name not in long_files:
        bad.append(f"{name}: {text.count(chr(10))} lines, {LIMIT} are allowed without a reason in tests/lint/long_files.txt")
    if path.suffix == ".json" and not name.startswith("tests/fuzz/"):
        try:
            json.loads(without_comments(text))
        except ValueError as e:
            bad.append(f"{name}: {e}")
bad += [f"tests/lint/long_files.txt: {n} is not there" for n in long_files if not (root / n).is_file()]
print(*bad, sep="\n")
print(f"{len(files)} files, {len(bad)} violations")
sys.exit(bool(bad) or not files)
