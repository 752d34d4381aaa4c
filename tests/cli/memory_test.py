#!/usr/bin/env python3
"""memory_test.py BUILD [RECORDS] [LIMIT_MIB]: from 1,000 records of 28x28 bytes to 1,000,000, the time of a sample in training stays
the same, and resident memory of dl-prep, dl-train and dl-eval stays under a bound that does not grow with the data."""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

build = pathlib.Path(sys.argv[1]).resolve()
records = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
limit = int(sys.argv[3]) if len(sys.argv) > 3 else 640
FEW = 1000
WINDOW = 128  # MiB of rows that a data set too large for memory holds
SLOWER = 1.25  # of processor time for a sample: that of the clock depends on what else the machine does
WAIT = 0.2  # of the time, for data
NET = """{"model": {"layers": [
  {"type": "conv2d", "filters": 6, "kernel": 5, "padding": 2}, "tanh", {"type": "avg_pool2d", "kernel": 2},
  {"type": "conv2d", "filters": 16, "kernel": 5}, "tanh", {"type": "avg_pool2d", "kernel": 2}, "flatten",
  {"type": "dense", "units": 120}, "tanh", {"type": "dense", "units": 84}, "tanh", {"type": "dense", "units": "$classes"}]},
  "train": {"batch_size": 128, "optimizer": {"type": "sgd", "lr": 0.01}, "save": {"every": "never"}}}"""


def peak(*command):
    pid = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).pid
    _, status, usage = os.wait4(pid, 0)
    mib = usage.ru_maxrss / 1024
    print(f"  {command[0].name}: {mib:.0f} MiB at most", flush=True)
    if status or mib > limit:
        sys.exit(f"status {status}, limit {limit} MiB")
    return mib, usage.ru_utime + usage.ru_stime


def write_idx(folder, count):
    """Pictures whose upper half is noise, so that they take time to read."""
    with open(folder / "images", "wb") as images, open(folder / "labels", "wb") as labels:
        images.write(struct.pack(">4I", 0x0803, count, 28, 28))
        labels.write(struct.pack(">2I", 0x0801, count))
        for first in range(0, count, FEW):
            n = min(FEW, count - first)
            noise, blank = os.urandom(n * 392), bytes(392)
            images.write(b"".join(noise[i * 392:(i + 1) * 392] + blank for i in range(n)))
            labels.write(bytes(k % 10 for k in range(first, first + n)))


class Set:
    """Records in a data set, and what training on them takes."""

    def __init__(self, folder, count, epochs):
        self.folder, self.count, self.epochs, self.time, self.mib = folder, count, epochs, 0, 0
        print(f"{count} records", flush=True)
        write_idx(folder, count)
        (folder / "net.json").write_text(NET)
        peak(build / "dl-prep", "-q", folder / "images", folder / "labels", "-o", folder / "d.h5")

    def train(self):
        events = self.folder / "events.jsonl"
        events.unlink(missing_ok=True)
        self.mib, seconds = peak(build / "dl-train", "-q", "-c", self.folder / "net.json", "--epochs", str(self.epochs), "--data",
                        self.folder / "d.h5", "-o", self.folder / "m.h5", "--events", events)
        end = next(e for e in map(json.loads, events.open()) if e["event"] == "run_end")
        memory = {key: value / 2**20 for key, value in end["memory"].items()}
        self.time = seconds / (self.count * self.epochs)
        wait = end["wait_seconds"] / end["seconds"]
        print(f"  {self.count} records: {1e6 / end['samples_per_second']:.2f} us a sample, {1e6 * self.time:.2f} us of processors, "
              f"{100 * wait:.1f} % waiting; peak {memory['peak']:.1f} MiB, predicted {memory['predicted']:.1f}", flush=True)
        if self.count > FEW and wait > WAIT:
            sys.exit("training waits for data")
        if abs(memory["predicted"] - memory["peak"]) > max(0.05 * memory["peak"], 4):
            sys.exit("the peak is not what was predicted")

    def judge(self):
        peak(build / "dl-eval", "-q", "--pred", self.folder / "p.h5", "--model", self.folder / "m.h5", "--data",
             self.folder / "d.h5", "--split", "train", "-o", self.folder / "metrics.json")


with tempfile.TemporaryDirectory(prefix="dl-memory-") as small, tempfile.TemporaryDirectory(prefix="dl-memory-") as large:
    few = Set(pathlib.Path(small), FEW, max(1, min(records, 200_000) // FEW))
    many = Set(pathlib.Path(large), records, 1)
    for records in (few, many):
        records.train()
        records.judge()
    print(f"time of a sample: {many.time / few.time:.2f} of that with {FEW} records; memory: {many.mib - few.mib:.0f} MiB more")
    if many.time / few.time > SLOWER or many.mib - few.mib > WINDOW + 16:
        sys.exit(f"expected at most {SLOWER}, and {WINDOW + 16} MiB")
