#!/usr/bin/env python3
"""optimizers_check.py BUILD: linear regression on all samples, trained by dl-train with every optimizer, has the losses of the
same rule worked in doubles here (lars, lamb, ftrl, gradient descent) or in PyTorch (all others).

Exits with 77 (skipped) where torch is not installed and the first part agrees; DL_PYTHON names an interpreter that has it.
"""
import json
import math
import os
import pathlib
import random
import subprocess
import sys
import tempfile

if os.environ.get("DL_PYTHON") and not os.environ.get("DL_PYTHON_RUNS"):
    os.execve(os.environ["DL_PYTHON"], [os.environ["DL_PYTHON"], *sys.argv], {**os.environ, "DL_PYTHON_RUNS": "1"})
build = pathlib.Path(sys.argv[1]).resolve()
STEPS, ROWS, START = 25, 24, 0.125
TOLERANCE = 2e-5  # of a loss; f32 against f64

draw = random.Random(1)
xs = [[draw.randint(-96, 96) / 64 for _ in range(3)] for _ in range(ROWS)]
ys = [1.5 * x[0] - 0.75 * x[1] + 0.25 * x[2] + draw.randint(-16, 16) / 64 for x in xs]


def tool(*args):
    run = subprocess.run([str(build / args[0]), *map(str, args[1:])], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{' '.join(map(str, args))}: exit {run.returncode}\n{run.stderr[-2000:]}")


def losses_of(optimizer):
    config = {
        "model": {"layers": [{"type": "dense", "units": 1, "init": {"type": "constant", "value": START}}]},
        "train": {"epochs": STEPS, "batch_size": ROWS, "shuffle": False, "loss": "mse", "optimizer": optimizer, "save": {"every": "never"}},
    }
    pathlib.Path("c.json").write_text(json.dumps(config))
    pathlib.Path("events").unlink(missing_ok=True)
    tool("dl-train", "-c", "c.json", "--data", "d.h5", "-o", "m.h5", "--force", "-q", "--events", "events")
    events = map(json.loads, open("events"))
    return [e["loss"] for e in events if e["event"] == "step"]


# ---- By hand: weight [3], bias; loss = mean (x w + b - y)^2

def slope(w, b):
    errors = [sum(a * c for a, c in zip(x, w)) + b - y for x, y in zip(xs, ys)]
    gw = [2 * sum(e * x[k] for e, x in zip(errors, xs)) / ROWS for k in range(3)]
    return sum(e * e for e in errors) / ROWS, gw, 2 * sum(errors) / ROWS


def norm(v):
    return math.sqrt(sum(a * a for a in v))


def follow(step):
    """Losses of a rule: step(t, values, gradients, memory, is_weight) changes values in place."""
    w, b, memory = [START] * 3, [0.0], [{}, {}]
    losses = []
    for t in range(1, STEPS + 1):
        loss, gw, gb = slope(w, b[0])
        losses.append(loss)
        step(t, w, gw, memory[0], True)
        step(t, b, [gb], memory[1], False)
    return losses


def sgd(t, p, g, s, weight):
    for k in range(len(p)):
        p[k] -= 0.05 * (g[k] + (0.1 * p[k] if weight else 0))


def lars(t, p, g, s, weight):
    decay = 0.1 if weight else 0
    ratio = 0.02 * norm(p) / (norm(g) + decay * norm(p)) if weight else 1
    v = s.setdefault("v", [0.0] * len(p))
    for k in range(len(p)):
        v[k] = 0.9 * v[k] + 0.5 * ratio * (g[k] + decay * p[k])
        p[k] -= v[k]


def lamb(t, p, g, s, weight):
    m, v = s.setdefault("m", [0.0] * len(p)), s.setdefault("v", [0.0] * len(p))
    r = []
    for k in range(len(p)):
        m[k] = 0.9 * m[k] + 0.1 * g[k]
        v[k] = 0.99 * v[k] + 0.01 * g[k] ** 2
        r.append(m[k] / (1 - 0.9**t) / (math.sqrt(v[k] / (1 - 0.99**t)) + 1e-6) + (0.1 * p[k] if weight else 0))
    ratio = norm(p) / norm(r) if weight else 1
    for k in range(len(p)):
        p[k] -= 0.1 * ratio * r[k]


def ftrl(t, p, g, s, weight):
    l1, l2 = (0.05, 0.1) if weight else (0, 0)
    n, z = s.setdefault("n", [0.0] * len(p)), s.setdefault("z", [-(a * (1 / 0.5 + l2) + math.copysign(l1, a)) for a in p])
    for k in range(len(p)):
        sigma = (math.sqrt(n[k] + g[k] ** 2) - math.sqrt(n[k])) / 0.5
        z[k] += g[k] - sigma * p[k]
        n[k] += g[k] ** 2
        p[k] = 0 if abs(z[k]) <= l1 else -(z[k] - math.copysign(l1, z[k])) / ((1 + math.sqrt(n[k])) / 0.5 + l2)


BY_HAND = [
    ({"type": "sgd", "lr": 0.05, "weight_decay": 0.1}, sgd),
    ({"type": "lars", "lr": 0.5, "trust": 0.02, "weight_decay": 0.1}, lars),
    ({"type": "lamb", "lr": 0.1, "beta2": 0.99, "weight_decay": 0.1}, lamb),
    ({"type": "ftrl", "lr": 0.5, "l1": 0.05, "weight_decay": 0.1}, ftrl),
]

# dl's optimizer, PyTorch's with its arguments. Decay is for weights alone.
PEERS = [
    ({"type": "sgd", "lr": 0.05, "momentum": 0.9}, "SGD", {"lr": 0.05, "momentum": 0.9}),
    ({"type": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, "SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ({"type": "adagrad", "lr": 0.3}, "Adagrad", {"lr": 0.3}),
    ({"type": "adadelta", "rho": 0.95, "weight_decay": 0.1}, "Adadelta", {"lr": 1, "rho": 0.95, "weight_decay": 0.1}),
    ({"type": "rmsprop", "lr": 0.05, "alpha": 0.9}, "RMSprop", {"lr": 0.05, "alpha": 0.9}),
    ({"type": "rmsprop", "lr": 0.05, "alpha": 0.9, "centered": True, "momentum": 0.5}, "RMSprop", {"lr": 0.05, "alpha": 0.9, "centered": True, "momentum": 0.5}),
    ({"type": "rprop", "lr": 0.05}, "Rprop", {"lr": 0.05}),
    ({"type": "adam", "lr": 0.1}, "Adam", {"lr": 0.1}),
    ({"type": "adam", "lr": 0.3, "beta2": 0.9, "amsgrad": True, "weight_decay": 0.1}, "Adam", {"lr": 0.3, "betas": (0.9, 0.9), "amsgrad": True, "weight_decay": 0.1}),
    ({"type": "adamw", "lr": 0.1, "weight_decay": 0.2}, "AdamW", {"lr": 0.1, "weight_decay": 0.2}),
    ({"type": "adamax", "lr": 0.1}, "Adamax", {"lr": 0.1}),
    ({"type": "nadam", "lr": 0.1, "weight_decay": 0.1}, "NAdam", {"lr": 0.1, "weight_decay": 0.1}),
    ({"type": "radam", "lr": 0.1}, "RAdam", {"lr": 0.1}),
    ({"type": "adam", "lr": 0.1, "clip_norm": 0.5}, "Adam", {"lr": 0.1}),
]


def peer_losses(torch, name, arguments, clip):
    x, y = torch.tensor(xs, dtype=torch.float64), torch.tensor(ys, dtype=torch.float64)
    w = torch.full((3,), START, dtype=torch.float64, requires_grad=True)
    b = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = getattr(torch.optim, name)([{"params": [w]}, {"params": [b], **({"weight_decay": 0} if "weight_decay" in arguments else {})}], **arguments)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = ((x @ w + b - y) ** 2).mean()
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_([w, b], clip)
        optimizer.step()
        losses.append(loss.item())
    return losses


def compare(optimizer, want):
    got = losses_of(optimizer)
    worst = max(abs(g - w) / w for g, w in zip(got, want))
    print(f"{json.dumps(optimizer):110} {want[0]:.3f} to {want[-1]:.5f}, worst difference {worst:.1e}")
    return len(got) == STEPS and worst <= TOLERANCE


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    pathlib.Path("d.csv").write_text("a,b,c,y\n" + "".join(f"{x[0]},{x[1]},{x[2]},{y}\n" for x, y in zip(xs, ys)))
    prep = {"prep": {"from": {"type": "csv", "target": "y"}, "split": {"train": 1}, "normalize": "none"}}
    pathlib.Path("p.json").write_text(json.dumps(prep))
    tool("dl-prep", "-c", "p.json", "d.csv", "-o", "d.h5", "-q")
    ok = [compare(optimizer, follow(step)) for optimizer, step in BY_HAND]
    try:
        import torch
    except ImportError as e:
        print(f"SKIP: {e}; set DL_PYTHON to an interpreter with torch")
        sys.exit(77 if all(ok) else 1)
    ok += [compare(o, peer_losses(torch, name, arguments, o.get("clip_norm"))) for o, name, arguments in PEERS]
sys.exit(not all(ok))
