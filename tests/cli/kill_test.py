#!/usr/bin/env python3
"""kill_test.py BUILD [KILLS]: kills dl-train at random times, resumes each time, and ends in the bytes of an
uninterrupted run; a killed dl-prep leaves nothing behind."""
import filecmp
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

build = pathlib.Path(sys.argv[1]).resolve()
kills = int(sys.argv[2]) if len(sys.argv) > 2 else 20
rng = random.Random(os.environ.get("DL_KILL_SEED", "1"))


def tool(name, *args, cwd):
    return subprocess.Popen([build / name, "-q", *args], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE)


def finish(process):
    said = process.communicate()[1].decode()
    if process.returncode:
        sys.exit(f"exit {process.returncode}: {said}")


def kill_within(process, seconds):
    """True when the process was still running and was killed."""
    try:
        process.wait(rng.uniform(0, seconds))
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return True


with tempfile.TemporaryDirectory(prefix="dl-kill-") as tmp:
    tmp = pathlib.Path(tmp)
    finish(tool("dl-prep", "--from", "digits", "-s", "prep.from.count=1500", "--hold-out", "0.2", "-o", "d.h5", cwd=tmp))
    net = subprocess.run([build / "dl-train", "--init=lenet5"], capture_output=True, check=True).stdout
    (tmp / "net.json").write_bytes(net)
    (tmp / "more.json").write_text('{"augment": ["translate"], "train": {"epochs": 12, "batch_size": 32, '
                                   '"optimizer": {"type": "adam", "lr": 0.001}, "save": {"every": "7 steps"}}}')
    train = ("-c", "net.json", "-c", "more.json", "--data", "d.h5", "--resume", "auto", "-o")
    began = time.monotonic()
    finish(tool("dl-train", *train, "whole.h5", cwd=tmp))
    whole = time.monotonic() - began

    done = runs = 0
    while done < kills:
        out = tmp / f"cut{runs}.h5"
        runs += 1
        while done < kills and not out.exists():
            killed = kill_within(tool("dl-train", *train, out.name, cwd=tmp), whole / 3)
            done += killed
        finish(tool("dl-train", *train, out.name, cwd=tmp))
        if not filecmp.cmp(tmp / "whole.h5", out, shallow=False):
            sys.exit(f"{out.name} differs from the uninterrupted run after {done} kills")
    print(f"dl-train: {done} kills in {runs} runs, an uninterrupted one takes {whole:.1f} s")

    before = set(os.listdir(tmp))
    done = 0
    for _ in range(kills):
        done += kill_within(tool("dl-prep", "--from", "digits", "-s", "prep.from.count=60000", "-o", "killed.h5", cwd=tmp), 0.5)
    left = set(os.listdir(tmp)) - before
    print(f"dl-prep: {done} kills, left {sorted(left)}")
    sys.exit(bool(left) or not done)
