#!/usr/bin/env python3
"""memory_test.py BUILD [RECORDS] [LIMIT_MIB]: resident memory of dl-prep and dl-train stays under a bound that does not
grow with the data: 28x28 bytes a record, several times the bound in all."""
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

build = pathlib.Path(sys.argv[1]).resolve()
records = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
limit = int(sys.argv[3]) if len(sys.argv) > 3 else 640


def peak(*command):
    pid = subprocess.Popen(command, stdin=subprocess.DEVNULL).pid
    _, status, usage = os.wait4(pid, 0)
    mib = usage.ru_maxrss / 1024
    print(f"{command[0].name}: {mib:.0f} MiB at most", flush=True)
    if status or mib > limit:
        sys.exit(f"status {status}, limit {limit} MiB")


with tempfile.TemporaryDirectory(prefix="dl-memory-") as tmp:
    tmp = pathlib.Path(tmp)
    blank = bytes(700)
    with open(tmp / "images", "wb") as images, open(tmp / "labels", "wb") as labels:
        images.write(struct.pack(">4I", 0x0803, records, 28, 28))
        labels.write(struct.pack(">2I", 0x0801, records))
        for i in range(0, records, 1000):
            images.write(b"".join(bytes([k % 251]) * 84 + blank for k in range(i, min(i + 1000, records))))
            labels.write(bytes(k % 10 for k in range(i, min(i + 1000, records))))
    (tmp / "net.json").write_text('{"model": {"layers": ["flatten", {"type": "dense", "units": "$classes"}]}, '
                                  '"train": {"epochs": 1, "batch_size": 1024}}')
    peak(build / "dl-prep", "-q", tmp / "images", tmp / "labels", "-o", tmp / "d.h5")
    peak(build / "dl-train", "-q", "-c", tmp / "net.json", "--data", tmp / "d.h5", "-o", tmp / "m.h5")
    peak(build / "dl-eval", "-q", "--format", "json", "--model", tmp / "m.h5", "--data", tmp / "d.h5", "--split", "train")
