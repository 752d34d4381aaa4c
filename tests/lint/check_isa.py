#!/usr/bin/env python3
"""check_isa.py ISA OBJECTS: fails when a kernel object of one instruction set offers the linker a shared (weak) symbol
outside its own namespace: the copy compiled for a wide processor could be picked on a narrow one."""
import pathlib
import subprocess
import sys

isa = sys.argv[1]
objects = pathlib.Path(sys.argv[2]).read_text().split()
bad = 0
for obj in objects:
    names = subprocess.run(["nm", "-C", "--defined-only", obj], capture_output=True, text=True, check=True).stdout
    for line in names.splitlines():
        _, kind, symbol = line.split(maxsplit=2)
        if kind in "WVu" and f"dl::{isa}::" not in symbol and symbol != "DW.ref.__gxx_personality_v0":
            print(f"{obj}: weak symbol outside dl::{isa}: {symbol}")
            bad += 1
print(f"{len(objects)} objects, {bad} violations")
sys.exit(bad > 0 or not objects)
