#!/usr/bin/env python3
"""search_peer.py BENCH_SEARCH [TRIALS] [SEEDS]: the samplers of dl-hpo beside Optuna's on functions whose least value is
known, one trial after the other, as a table of the mean distance to the least value. Wants the package optuna; exit 77
without it. The functions are those of
bench_search.cpp."""
import json
import math
import statistics
import subprocess
import sys

try:
    import optuna
except ImportError:
    print("SKIP: no package optuna")
    sys.exit(77)

optuna.logging.set_verbosity(optuna.logging.ERROR)
bench = sys.argv[1]
trials = int(sys.argv[2]) if len(sys.argv) > 2 else 50
seeds = int(sys.argv[3]) if len(sys.argv) > 3 else 10


def branin(t):
    x, y = t.suggest_float("x", -5, 10), t.suggest_float("y", 0, 15)
    a = y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6
    return a * a + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10 - 0.397887


HEIGHT = [1, 1.2, 3, 3.2]
WIDTH = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
CENTER = [[0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886], [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
          [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650], [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381]]


def hartmann6(t):
    x = [t.suggest_float(k, 0, 1) for k in "abcdef"]
    return 3.32237 - sum(h * math.exp(-sum(w * (v - c) ** 2 for w, v, c in zip(ws, x, cs)))
                         for h, ws, cs in zip(HEIGHT, WIDTH, CENTER))


def rosenbrock4(t):
    x = [t.suggest_float(k, -2, 2) for k in "abcd"]
    return sum(100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2 for i in range(3))


def mixed(t):
    kind = t.suggest_categorical("optimizer", ["sgd", "adam", "rmsprop"])
    loss = 0.35 * (math.log10(t.suggest_float("lr", 1e-5, 1, log=True)) - (-1.2 if kind == "sgd" else -2.7)) ** 2
    loss += {"sgd": 0, "adam": 0.05, "rmsprop": 0.3}[kind]
    if kind == "sgd":
        loss += 4 * (t.suggest_float("momentum", 0, 0.99) - 0.9) ** 2
    loss += 0.05 * math.log2(t.suggest_int("width", 8, 1024, log=True) / 128) ** 2
    depth = t.suggest_int("depth", 1, 6)
    loss += 0.03 * (depth - 3) ** 2
    if depth >= 3:
        loss += 0.8 * (t.suggest_float("dropout", 0, 0.6) - 0.2) ** 2
    return loss + 0.05 * abs(math.log2(t.suggest_categorical("batch", [16, 32, 64, 128, 256]) / 64))


PEERS = {"optuna random": lambda s: optuna.samplers.RandomSampler(seed=s), "optuna tpe": lambda s: optuna.samplers.TPESampler(seed=s),
         "optuna tpe multivariate": lambda s: optuna.samplers.TPESampler(seed=s, multivariate=True, group=True)}
table = {}
ours = subprocess.run([bench, str(trials), str(seeds), "1"], check=True, capture_output=True, text=True).stdout
for line in ours.splitlines():
    r = json.loads(line)
    table.setdefault(r["function"], {})["dl-hpo " + r["sampler"]] = r["regrets"]
for f in (branin, hartmann6, rosenbrock4, mixed):
    for name, sampler in PEERS.items():
        for seed in range(seeds):
            study = optuna.create_study(sampler=sampler(seed))
            study.optimize(f, n_trials=trials)
            table[f.__name__].setdefault(name, []).append(study.best_value)
names = list(next(iter(table.values())))
print(f"mean distance to the least value after {trials} trials, {seeds} seeds (+- standard error)\n")
print(f"{'':26}" + "".join(f"{f:>20}" for f in table))
for name in names:
    cells = []
    for f in table:
        v = table[f][name]
        cells.append(f"{statistics.mean(v):.4g} +- {statistics.stdev(v) / math.sqrt(len(v)):.2g}" if len(v) > 1 else f"{v[0]:.4g}")
    print(f"{name:26}" + "".join(f"{c:>20}" for c in cells))
mean = {n: {f: statistics.mean(table[f][n]) for f in table} for n in names}
worse = [f"{s} on {f}" for s in ("tpe", "gp") for f in table if mean["dl-hpo " + s][f] >= mean["dl-hpo random"][f]]
print("\nworse than random: " + (", ".join(worse) or "none"))
sys.exit(bool(worse))
