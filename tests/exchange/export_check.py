#!/usr/bin/env python3
"""export_check.py BUILD CONFIGS: networks trained by the tools give the same outputs in onnxruntime as in dl-eval.

CONFIGS is the folder of model configs. Also reads every artifact with h5py. Exits with 77 (skipped) where onnxruntime or
h5py is not installed; DL_PYTHON names the interpreter that has them.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

if os.environ.get("DL_PYTHON") and not os.environ.get("DL_PYTHON_RUNS"):
    os.execve(os.environ["DL_PYTHON"], [os.environ["DL_PYTHON"], *sys.argv], {**os.environ, "DL_PYTHON_RUNS": "1"})
try:
    import h5py
    import numpy as np
    import onnx
    import onnxruntime
except ImportError as e:
    print(f"SKIP: {e}; set DL_PYTHON to an interpreter with onnx, onnxruntime and h5py")
    sys.exit(77)

RTOL = 1e-5  # of the largest magnitude of an output
build, configs = (pathlib.Path(a).resolve() for a in sys.argv[1:3])


def tool(*args):
    run = subprocess.run([str(build / args[0]), *map(str, args[1:])], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{' '.join(map(str, args))}: exit {run.returncode}\n{run.stderr[-2000:]}")
    return run.stdout


def readable(path):
    """Every data set of an artifact, read by h5py."""
    with h5py.File(path) as f:
        names = []
        f.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        for name in names:
            f[name][()]
        assert f.attrs["complete"] == 1 and names, path
        return len(names)


def check(model, data):
    net, pred, out = (f"{model}.{e}" for e in ("h5", "pred.h5", "onnx"))
    tool("dl-train", "-c", configs / f"{model}.json", "-s", "model.inputs.image=null", "-s", "train.epochs=1", "-s", 'train.optimizer={"type": "sgd", "lr": 0.01}',
         "--data", data, "-o", net, "-q")
    tool("dl-eval", "--model", net, "--data", data, "--pred", pred, "-q")
    tool("dl-export", net, "--to", "onnx", "--data", data, "-o", out, "-q")
    onnx.checker.check_model(out, full_check=True)
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    properties = session.get_modelmeta().custom_metadata_map
    assert json.loads(properties["classes"])["label"] == [str(i) for i in range(10)], properties
    sets = readable(net) + readable(pred)
    with h5py.File(data) as d, h5py.File(pred) as p:
        worst = 0.0
        for name in p["outputs"]:
            want = p["outputs"][name][()]
            got = session.run([name], {"image": d["test/image"][()]})[0]
            worst = max(worst, float(np.abs(got - want).max() / np.abs(want).max()))
            assert (got.argmax(1) == want.argmax(1)).mean() > 0.999, "labels differ"
    print(f"{model:14} worst difference {worst:.1e}, {sets} data sets read by h5py")
    return worst <= RTOL


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    tool("dl-prep", "--from", "digits", "-s", 'prep.split={"train": 0.8, "test": 0.2}', "-s", "prep.from.count=1500", "-o", "d.h5", "-q")
    readable("d.h5")
    ok = [check(model, "d.h5") for model in ("lenet5", "lenet5_relu", "mlp", "resnet20")]
sys.exit(not all(ok))
