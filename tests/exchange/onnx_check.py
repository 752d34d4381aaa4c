#!/usr/bin/env python3
"""onnx_check.py TEST_EXCHANGE: the ONNX files of all operator cases pass onnx.checker and agree with onnxruntime.

TEST_EXCHANGE writes them with inputs and the kernels' outputs. Exits with 77 (skipped) where the Python packages onnx and
onnxruntime are not installed; DL_PYTHON names the interpreter that has them.
"""
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile

other = os.environ.get("DL_PYTHON")
if other and not os.environ.get("DL_PYTHON_RUNS"):
    os.execve(other, [other, *sys.argv], {**os.environ, "DL_PYTHON_RUNS": "1"})
try:
    import numpy as np
    import onnx
    import onnxruntime
except ImportError as e:
    print(f"SKIP: {e}; set DL_PYTHON to an interpreter with onnx and onnxruntime")
    sys.exit(77)

RTOL = 1e-5  # of the largest magnitude of an output, 0.01 at least: onnxruntime forms exp(x) - 1 for elu
TYPES = {"f32": np.float32, "f64": np.float64, "i32": np.int32, "i64": np.int64, "u8": np.uint8}


def array(t):
    values = [float("nan") if v is None else v for v in t["values"]]
    return np.array(values, dtype=TYPES[t["type"]]).reshape(t["shape"])


def distance(got, want):
    if got.shape != want.shape or got.dtype != want.dtype:
        return float("inf")
    if not want.size:
        return 0.0
    want64, got64 = want.astype(np.float64), got.astype(np.float64)
    if np.array_equal(got64, want64, equal_nan=True):
        return 0.0
    scale = np.nanmax(np.abs(want64), initial=1e-2)
    worst = np.max(np.where(got64 == want64, 0, np.abs(got64 - want64))) / scale
    return float("inf") if np.isnan(worst) else float(worst)


def check(path):
    """Operator, least opset and distance of one file; raises where a tool refuses it."""
    case = json.loads(path.with_suffix(".json").read_text())
    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feeds = {name: array(t) for name, t in case["inputs"].items()}
    names = list(case["outputs"])
    worst = 0.0
    for name, got in zip(names, session.run(names, feeds)):
        worst = max(worst, distance(got, array(case["outputs"][name])))
    return case["op"], case["row"], worst


bad, worst_of = [], collections.defaultdict(float)
with tempfile.TemporaryDirectory() as folder:
    run = subprocess.run([sys.argv[1]], env={**os.environ, "DL_ONNX_DUMP": folder}, capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stdout[-3000:] + run.stderr[-3000:])
    files = sorted(pathlib.Path(folder).glob("*.onnx"))
    for path in files:
        try:
            op, row, worst = check(path)
        except Exception as e:  # one bad file must not hide the others
            bad.append(f"{path.stem}: {json.loads(path.with_suffix('.json').read_text())['row']}: {str(e)[:400]}")
            continue
        worst_of[op] = max(worst_of[op], worst)
        if not worst <= RTOL:
            bad.append(f"{row}: onnxruntime differs by {worst:.2e}")
for op in sorted(worst_of):
    print(f"{op:24} {worst_of[op]:.1e}")
print(*bad, sep="\n")
print(f"{len(files)} files, onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}, {len(bad)} failures")
sys.exit(bool(bad) or not files)
