#!/usr/bin/env python3
"""Fails when a file of one room includes a header of a room that layers.txt does not allow."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
allowed = {}
for line in (pathlib.Path(__file__).parent / "layers.txt").read_text().splitlines():
    if line and not line.startswith("#"):
        room, _, may = line.partition(":")
        allowed[room] = {room, *may.split()}

files = [(f, f.relative_to(root / "libdl").parts[0]) for f in (root / "libdl").rglob("*")]
files += [(f, "tools") for f in (root / "tools").rglob("*")]
bad = seen = 0
for path, room in sorted(files):
    if path.suffix not in (".h", ".cpp", ".cu", ".def"):
        continue
    seen += 1
    if room not in allowed:
        print(f"{path}: room '{room}' is not in layers.txt")
        bad += 1
        continue
    for n, line in enumerate(path.read_text().splitlines(), 1):
        m = re.match(r'\s*#include "([^/"]+)/', line)
        if m and m[1] in allowed and m[1] not in allowed[room]:
            print(f"{path}:{n}: {room} may not include {m[1]}")
            bad += 1
print(f"{seen} files, {bad} violations")
sys.exit(bad > 0 or seen == 0)
