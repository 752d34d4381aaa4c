#!/usr/bin/env python3
"""peak_test.py BUILD MODELS: the peak of resident memory that dl-train and dl-eval predict before a run is the one that is
measured at its end, within 5 % or 4 MiB, whichever is larger: for small networks the program itself is most of it."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

build, models = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
MIB = 1 << 20
bad = 0


def run(name, *command):
    """Runs a tool; its predicted and measured peak, checked against each other and against what the system says."""
    global bad
    events = pathlib.Path("events.jsonl")
    events.unlink(missing_ok=True)
    process = subprocess.Popen([build / command[0], "-q", "--events", events, *command[1:]], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{name}: status {status}")
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    before = next(e for e in lines if e["event"] == "run_start")["memory"]
    after = next(e for e in lines if e["event"] == "run_end")["memory"]
    predicted, peak, system = before["predicted"], after["peak"], usage.ru_maxrss * 1024
    assert predicted == after["predicted"] == sum(v for k, v in before.items() if k != "predicted"), before
    ok = abs(predicted - peak) <= max(0.05 * peak, 4 * MIB) and abs(system - peak) <= max(0.05 * peak, 4 * MIB)
    bad += not ok
    print(f"{name:34} predicted {predicted / MIB:7.1f} MiB, peak {peak / MIB:7.1f}, by the system {system / MIB:7.1f}"
          f"{'' if ok else '  FAILED'}", flush=True)
    return before


with tempfile.TemporaryDirectory(prefix="dl-peak-") as tmp:
    os.chdir(tmp)
    subprocess.run([build / "dl-prep", "-q", "--from", "digits", "-s", "prep.from.count=600", "--hold-out", "0.2", "-o", "d.h5"],
                   check=True, stdout=subprocess.DEVNULL)
    pathlib.Path("mlp.json").write_bytes(
        subprocess.run([build / "dl-train", "--init=mlp"], capture_output=True, check=True).stdout)
    shallow = ("-s", 'model.inputs={"image": [1, 28, 28]}')
    for name, config, *more in (("MLP", "mlp.json"), ("LeNet-5", models / "lenet5.json"),
                                ("LeNet-5, best epoch kept", models / "lenet5.json", "-s", "train.save.best=valid.accuracy"),
                                ("ResNet-20", models / "resnet20.json", *shallow),
                                ("ResNet-20, sqrt", models / "resnet20.json", *shallow, "-s", "train.recompute=sqrt")):
        out = f"{name}.h5"
        run(name + ", train", "dl-train", "-c", config, *more, "--epochs", "1", "--batch-size", "128", "--data", "d.h5", "-o", out)
        if "," not in name:
            run(name + ", eval", "dl-eval", "--model", out, "--data", "d.h5", "--split", "train", "--batch-size", "256")
sys.exit(bad > 0)
