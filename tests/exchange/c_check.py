#!/usr/bin/env python3
"""c_check.py BUILD CONFIGS: C sources of trained networks give the network's outputs and accuracy on 1,000 test images.

CONFIGS is the folder of model configs. Images are MNIST's where DL_TEST_DATA has them, else digits that dl-prep draws. Every
source is compiled by every compiler there is of cc, gcc and clang, with all warnings as errors. Exits with 77 (skipped) where
there is none.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

build, configs = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
compilers = [c for c in ("cc", "gcc", "clang", "clang-14") if shutil.which(c)]
if not compilers:
    print("SKIP: no C compiler")
    sys.exit(77)


def tool(*args):
    run = subprocess.run([str(build / args[0]), *map(str, args[1:])], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{' '.join(map(str, args))}: exit {run.returncode}\n{run.stderr[-2000:]}")
    return run.stdout + run.stderr


def prepare():
    mnist = pathlib.Path(os.environ.get("DL_TEST_DATA", "/nonexistent")) / "mnist"
    files = [mnist / f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    if not all(f.exists() for f in files):
        tool("dl-prep", "--from", "digits", "-s", "prep.from.count=4000", "-s", 'prep.split={"train": 0.7, "test": 0.3}', "-o", "d.h5", "-q")
        return "drawn digits"
    tool("dl-prep", *files[:2], "--test", files[2], "--test", files[3], "-o", "d.h5", "-q")
    return "MNIST"


def check(model, weights, source):
    name = f"{model}_{weights}"
    said = tool("dl-export", f"{model}.h5", "--to", "c", "--weights", weights, "--name", name, "--data", "d.h5", "--samples", 1000, "-o", f"{name}.c")
    worst, scale = map(float, re.search(r"worst difference ([-\d.e]+) \(largest value ([-\d.e]+)\)", said).groups())
    before, after = map(float, re.search(r"accuracy of the network ([\d.]+), of the C source ([\d.]+), on 1000", said).groups())
    print(f"{name:12} {source}: worst difference {worst:.1e} of {scale:.3g}, accuracy {before} and {after}")
    ok = worst <= 1e-5 * max(scale, 1) and abs(before - after) <= (0 if weights == "f32" else 0.005)
    for compiler in compilers:
        for level in ("-O0", "-O2"):
            subprocess.run([compiler, "-std=c99", level, "-Wall", "-Wextra", "-Werror", "-pedantic", "-c", "-o", "n.o", f"{name}.c"], check=True)
    return ok


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    source = prepare()
    ok = True
    for model in ("lenet5", "mlp"):
        tool("dl-train", "-c", configs / f"{model}.json", "-s", "train.epochs=1", "-s", 'train.optimizer={"type": "sgd", "lr": 0.05, "momentum": 0.9}',
             "--data", "d.h5", "-o", f"{model}.h5", "-q")
        for weights in ("f32", "int8"):
            ok = check(model, weights, source) and ok
sys.exit(not ok)
