#!/usr/bin/env python3
"""hpo_compare.py BUILD DATA.h5 CONFIG... [--out FOLDER] [--trials N] [--seeds N] [--jobs N]: dl-hpo's samplers and Optuna's
TPE (where the package optuna is there) on one real objective with equal budgets, for several seeds. Every search trains with
the same dl-train. Prints the mean over seeds of the best objective after 10, 20, ... trials. A search that is finished is
not run again: a killed comparison goes on where it was."""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys

p = argparse.ArgumentParser(description=__doc__)
p.add_argument("build", type=pathlib.Path)
p.add_argument("data")
p.add_argument("config", nargs="+")
p.add_argument("--out", type=pathlib.Path, default=pathlib.Path("hpo_compare.out"))
p.add_argument("--trials", type=int, default=30)
p.add_argument("--seeds", type=int, default=5)
p.add_argument("--jobs", type=int, default=1)
p.add_argument("--samplers", default="random,tpe,gp")
a = p.parse_args()
a.out.mkdir(parents=True, exist_ok=True)
configs = [w for c in a.config for w in ("-c", c)]
full = json.loads(subprocess.run([a.build / "dl-hpo", *configs, "--print-config=full"], check=True, capture_output=True, text=True).stdout)
space, goal = full["search"]["space"], full["search"]["objective"]
metric = goal.get("maximize") or goal["minimize"]
better = max if goal.get("maximize") else min


def ours(sampler, seed):
    study = a.out / f"{sampler}_{seed}.study"
    subprocess.run([a.build / "dl-hpo", "run", "-q", *configs, "-s", f"search.sampler={sampler}", "-s", f"search.trials={a.trials}",
                    "-s", "search.batch=1", "--seed", str(seed), "--data", a.data, "-o", study, "--keep", "best", "--jobs", "1"],
                   check=True, stdout=subprocess.DEVNULL)
    trials = json.loads(subprocess.run([a.build / "dl-hpo", "trials", "-o", study, "--format", "json"], check=True,
                                       capture_output=True, text=True).stdout)
    return [t["value"] for t in trials]


def active(key, values):
    return all(values.get(k) in (v if isinstance(v, list) else [v]) for k, v in space[key].get("when", {}).items())


def peer(seed):
    cache = a.out / f"optuna_{seed}.json"
    if cache.exists() and len(values := json.loads(cache.read_text())) >= a.trials:
        return values[:a.trials]

    def objective(trial):
        values = {}
        for key in sorted(space, key=lambda k: "when" in space[k]):
            s = space[key]
            if not active(key, values):
                continue
            if "choice" in s:
                values[key] = trial.suggest_categorical(key, s["choice"])
            elif "int" in s or "log_int" in s:
                values[key] = trial.suggest_int(key, *(s.get("int") or s["log_int"]), log="log_int" in s)
            else:
                values[key] = trial.suggest_float(key, *(s.get("uniform") or s["log_uniform"]), log="log_uniform" in s)
        events = a.out / f"optuna_{seed}.jsonl"
        events.unlink(missing_ok=True)
        sets = [w for k, v in values.items() for w in ("-s", f"{k}={json.dumps(v)}")]
        subprocess.run([a.build / "dl-train", "-q", *configs, *sets, "--seed", str(1000 * seed + trial.number), "--data", a.data,
                        "-o", a.out / f"optuna_{seed}.h5", "--force", "--events", events, "--state-dir", a.out / f"optuna_{seed}.state"],
                       check=True, stdout=subprocess.DEVNULL)
        value = json.loads(events.read_text().splitlines()[-1])["metrics"]
        for name in metric.split("."):
            value = value[name]
        return value

    study = optuna.create_study(direction="maximize" if better is max else "minimize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(objective, n_trials=a.trials, catch=(subprocess.CalledProcessError,))
    values = [t.value for t in study.trials]
    cache.write_text(json.dumps(values))
    return values


searches = {"dl-hpo " + s: [ours(s, seed) for seed in range(a.seeds)] for s in a.samplers.split(",")}
try:
    import optuna
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    searches["optuna tpe"] = [peer(seed) for seed in range(a.seeds)]
except ImportError:
    print("SKIP of optuna: no such package", file=sys.stderr)


def best_after(values, n):
    return better(v for v in values[:n] if v is not None)


marks = sorted({*range(10, a.trials + 1, 10), a.trials})
print(f"best {metric}, mean of {a.seeds} seeds +- standard error, after so many trials\n")
print(f"{'':18}" + "".join(f"{m:>20}" for m in marks))
for name, runs in searches.items():
    cells = []
    for m in marks:
        v = [best_after(r, m) for r in runs]
        cells.append(f"{statistics.mean(v):.4f} +- {statistics.stdev(v) / math.sqrt(len(v)):.4f}" if len(v) > 1 else f"{v[0]:.4f}")
    print(f"{name:18}" + "".join(f"{c:>20}" for c in cells))
