#!/usr/bin/env python3
"""start_test.py BUILD [LIMIT_S]: from exec to the end of the first training step on 60,000 prepared digits; the best of ten."""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

build = pathlib.Path(sys.argv[1]).resolve()
limit = float(sys.argv[2]) if len(sys.argv) > 2 else 0.15
with tempfile.TemporaryDirectory(prefix="dl-start-") as tmp:
    subprocess.run([build / "dl-prep", "-q", "--from", "digits", "-s", "prep.from.count=60000", "--hold-out", "0.1", "-o", "d.h5"], cwd=tmp, check=True,
                   stdout=subprocess.DEVNULL)
    net = subprocess.run([build / "dl-train", "--init=lenet5"], capture_output=True, check=True).stdout
    pathlib.Path(tmp, "net.json").write_bytes(net)
    times = []
    for _ in range(10):
        read, write = os.pipe()
        began = time.monotonic()
        run = subprocess.Popen([build / "dl-train", "-q", "-c", "net.json", "--data", "d.h5", "-o", "m.h5", "--events", f"fd:{write}"],
                               cwd=tmp, pass_fds=[write], stdin=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as events:
            for line in events:
                if '"step"' in line and '"event":"step"' in line:
                    times.append(time.monotonic() - began)
                    break
        run.kill()
        run.wait()
print("exec to first step: " + ", ".join(f"{t:.3f}" for t in sorted(times)) + " s")
sys.exit(not times or min(times) > limit)
