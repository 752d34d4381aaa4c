#!/usr/bin/env python3
"""sklearn_check.py BUILD: every metric of dl-eval agrees with scikit-learn, computed from the predictions it wrote.

Two classes, ten classes and numbers, from networks of one epoch on data made here. Exits with 77 (skipped) where h5py,
numpy or scikit-learn are not installed; DL_PYTHON names the interpreter that has them.
"""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

if os.environ.get("DL_PYTHON") and not os.environ.get("DL_PYTHON_RUNS"):
    os.execve(os.environ["DL_PYTHON"], [os.environ["DL_PYTHON"], *sys.argv], {**os.environ, "DL_PYTHON_RUNS": "1"})
try:
    import h5py
    import numpy as np
    from sklearn import metrics as sk
except ImportError as e:
    print(f"SKIP: {e}; set DL_PYTHON to an interpreter with h5py, numpy and scikit-learn")
    sys.exit(77)

build = pathlib.Path(sys.argv[1]).absolute()
folder = tempfile.TemporaryDirectory()
failures, compared = [], 0


def run(*command):
    subprocess.run([str(build / command[0]), "-q", *map(str, command[1:])], check=True, cwd=folder.name,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def write_table(name, target):
    draw = random.Random(1)
    with open(pathlib.Path(folder.name) / name, "w") as f:
        f.write("a,b,c,y\n")
        for _ in range(500):
            a, b, c = (draw.gauss(0, 1) for _ in range(3))
            f.write(f"{a:.4f},{b:.4f},{c:.4f},{target(a, b, c, draw.gauss(0, 1))}\n")


def judge(train, wanted):
    run("dl-train", "-s", "train.epochs=1", *train, "--data", "d.h5", "-o", "m.h5")
    run("dl-eval", "--model", "m.h5", "--data", "d.h5", "--split", "valid", "-o", "m.json", "--pred", "p.h5",
        "-s", "eval.metrics=" + json.dumps(wanted)) if wanted else run(
        "dl-eval", "--model", "m.h5", "--data", "d.h5", "--split", "valid", "-o", "m.json", "--pred", "p.h5")
    with h5py.File(pathlib.Path(folder.name) / "p.h5") as p:
        outputs, targets = ([np.array(v) for v in p[k].values()][0] for k in ("outputs", "targets"))
    return json.loads((pathlib.Path(folder.name) / "m.json").read_text()), outputs.astype(np.float64), targets


def same(case, ours, name, theirs):
    global compared
    compared += 1
    if not abs(ours[name] - theirs) <= 1e-9 * max(1, abs(theirs)):
        failures.append(f"{case}: {name} is {ours[name]}, scikit-learn says {theirs}")


def check_classes(case, ours, p, y, averages=("macro", "micro", "weighted")):
    guess, n = p.argmax(1), p.shape[1]
    labels = list(range(n))
    same(case, ours, "accuracy", sk.accuracy_score(y, guess))
    same(case, ours, "balanced_accuracy", sk.balanced_accuracy_score(y, guess))
    same(case, ours, "log_loss", sk.log_loss(y, p, labels=labels))
    same(case, ours, "cohen_kappa", sk.cohen_kappa_score(y, guess))
    same(case, ours, "mcc", sk.matthews_corrcoef(y, guess))
    same(case, ours, "hamming_loss", sk.hamming_loss(y, guess))
    for average in averages:
        for name, score in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score),
                            ("jaccard", sk.jaccard_score)):
            same(case, ours, f"{average}.{name}", score(y, guess, average=average, zero_division=0))


def check_two():
    write_table("t.csv", lambda a, b, c, e: "yes" if a - b + e > 0.8 else "no")
    run("dl-prep", "--from", "csv", "--hold-out", "0.5", "t.csv", "-o", "d.h5")
    model = ["-s", 'model={"layers": [{"type": "dense", "units": "$classes"}]}']
    ours, out, y = judge(model, [])
    p = np.exp(out - out.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    check_classes("two classes", ours, p, y)
    guess = p.argmax(1)
    for name, score in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score),
                        ("jaccard", sk.jaccard_score)):
        same("two classes", ours, name, score(y, guess))
    same("two classes", ours, "roc_auc", sk.roc_auc_score(y, p[:, 1]))
    same("two classes", ours, "average_precision", sk.average_precision_score(y, p[:, 1]))
    same("two classes", ours, "brier", sk.brier_score_loss(y, p[:, 1]))
    same("two classes", ours, "specificity", sk.recall_score(y, guess, pos_label=0))
    fpr, tpr, _ = sk.roc_curve(y, p[:, 1])
    same("two classes", ours, "ks", max(tpr - fpr))
    wanted, _, _ = judge(model, ["f2", "f0.5", "macro.f2"])
    same("two classes", wanted, "f2", sk.fbeta_score(y, guess, beta=2))
    same("two classes", wanted, "f0.5", sk.fbeta_score(y, guess, beta=0.5))
    same("two classes", wanted, "macro.f2", sk.fbeta_score(y, guess, beta=2, average="macro"))


def check_ten():
    run("dl-prep", "--from", "digits", "-s", "prep.from.count=800", "--hold-out", "0.5", "-o", "d.h5")
    ours, out, y = judge(["-s", 'model={"layers": ["flatten", {"type": "dense", "units": "$classes"}]}'], [])
    p = np.exp(out - out.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    check_classes("ten classes", ours, p, y)
    guess = p.argmax(1)
    for weights in ("linear", "quadratic"):
        same("ten classes", ours, weights + "_kappa", sk.cohen_kappa_score(y, guess, weights=weights))
    same("ten classes", ours, "roc_auc", sk.roc_auc_score(y, p, multi_class="ovr"))
    same("ten classes", ours, "weighted.roc_auc", sk.roc_auc_score(y, p, multi_class="ovr", average="weighted"))
    same("ten classes", ours, "average_precision", sk.average_precision_score(np.eye(10)[y], p))
    same("ten classes", ours, "top_5_accuracy", sk.top_k_accuracy_score(y, p, k=5))


def check_numbers():
    write_table("t.csv", lambda a, b, c, e: round(30 + 2 * a - b + 0.5 * e, 4))
    run("dl-prep", "--from", "csv", "--hold-out", "0.5", "t.csv", "-o", "d.h5")
    ours, out, y = judge(["-s", 'model={"layers": [{"type": "dense", "units": 1}]}', "-s", 'train.optimizer={"type": "sgd", "lr": 0.1}'], [])
    y, out = y.reshape(-1).astype(np.float64), out.reshape(-1)
    for name, score in (("mse", sk.mean_squared_error), ("mae", sk.mean_absolute_error), ("r2", sk.r2_score),
                        ("explained_variance", sk.explained_variance_score), ("max_error", sk.max_error),
                        ("median_absolute_error", sk.median_absolute_error),
                        ("mape", sk.mean_absolute_percentage_error)):
        same("numbers", ours, name, score(y, out))
    if (out > 0).all():
        same("numbers", ours, "poisson_deviance", sk.mean_poisson_deviance(y, out))
    same("numbers", ours, "pearson", np.corrcoef(y, out)[0, 1])


check_two()
check_ten()
check_numbers()
print(*failures, sep="\n")
print(f"{compared} values compared, {len(failures)} differ")
sys.exit(bool(failures) or compared < 50)
