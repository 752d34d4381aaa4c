#!/usr/bin/env python3
"""torch_check.py BUILD: networks that PyTorch writes as ONNX and as state dictionaries come in and give PyTorch's outputs.

Exits with 77 (skipped) where torch, onnx or h5py is not installed; DL_PYTHON names the interpreter that has them.
"""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

if os.environ.get("DL_PYTHON") and not os.environ.get("DL_PYTHON_RUNS"):
    os.execve(os.environ["DL_PYTHON"], [os.environ["DL_PYTHON"], *sys.argv], {**os.environ, "DL_PYTHON_RUNS": "1"})
try:
    import numpy as np
    import onnx
    import torch
    from torch import nn
except ImportError as e:
    print(f"SKIP: {e}; set DL_PYTHON to an interpreter with torch, onnx and h5py")
    sys.exit(77)

build = pathlib.Path(sys.argv[1]).resolve()
torch.manual_seed(0)
torch.set_num_threads(1)


def tool(*args, code=0):
    run = subprocess.run([str(build / args[0]), *map(str, args[1:])], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if run.returncode != code:
        sys.exit(f"{' '.join(map(str, args))}: exit {run.returncode}\n{run.stderr[-2000:]}")
    return run.stdout + run.stderr


class Block(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.short = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o)) if stride > 1 or i != o else nn.Identity()

    def forward(self, x):
        return torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))) + self.short(x))


class View(nn.Module):
    def forward(self, x):
        return x.view(x.size(0), -1)


NETWORKS = {
    "mlp": lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.GELU(), nn.Dropout(0.2), nn.Linear(64, 32), nn.SiLU(), nn.Linear(32, 10)),
    "cnn": lambda: nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.LeakyReLU(0.1), nn.MaxPool2d(3, 2, 1, ceil_mode=True),
                                 View(), nn.Linear(16 * 6 * 6, 10), nn.Softmax(1)),
    "resnet": lambda: nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(), Block(8, 8, 1), Block(8, 16, 2), Block(16, 32, 2),
                                    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
}


def alive(net):
    """Running statistics and norms that are not those of a new network."""
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            for t in (m.weight.data, m.running_var):
                t.uniform_(0.5, 1.5)
            for t in (m.bias.data, m.running_mean):
                t.uniform_(-0.5, 0.5)
    return net.eval()


def export(net, name, dynamo):
    x = torch.zeros(1, 1, 28, 28)
    kinds = {"dynamo": True, "dynamic_shapes": ({0: torch.export.Dim("N")},)} if dynamo else {"dynamo": False, "dynamic_axes": {"image": {0: "N"}, "scores": {0: "N"}}}
    torch.onnx.export(net, (x,), name, input_names=["image"], output_names=["scores"], **kinds)
    onnx.save(onnx.load(name), name)  # with the numbers inside


def outputs(net, images):
    with torch.no_grad():
        return net(torch.from_numpy(images)).numpy()


def check(name, dynamo):
    net = alive(NETWORKS[name]())
    file, model = f"{name}.onnx", f"{name}.h5"
    try:
        export(net, file, dynamo)
    except ModuleNotFoundError as e:  # the newer exporter wants onnxscript
        return f"SKIP: {e}", True
    said = tool("dl-export", file, "--from", "onnx", "-o", model, "--force")
    assert "samples agree with the file" in said, said
    tool("dl-export", model, "--to", "onnx", "-o", f"{name}_back.onnx", "--force", "-q")
    images = np.random.default_rng(1).normal(size=(16, 1, 28, 28)).astype(np.float32)
    tool("dl-export", model, "--to", "c", "--name", name, "-o", f"{name}.c", "--force", "-q")
    subprocess.run(["cc", "-std=c99", "-O2", f"-D{name.upper()}_MAIN", "-o", name, f"{name}.c", "-lm"], check=True)
    text = "\n".join(" ".join(f"{v:.9g}" for v in image.ravel()) for image in images)
    got = np.array([line.split() for line in subprocess.run([f"./{name}"], input=text, capture_output=True, text=True, check=True).stdout.splitlines()], dtype=np.float64)
    want = outputs(net, images)
    worst = float(np.abs(got - want).max() / np.abs(want).max())
    return f"worst difference {worst:.1e}", worst <= 1e-5


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    ok = True
    for name in NETWORKS:
        for dynamo in (False, True):
            text, good = check(name, dynamo)
            print(f"{name:8} {'dynamo' if dynamo else 'tracing'}: {text}")
            ok = ok and good
sys.exit(not ok)
