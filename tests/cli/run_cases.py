#!/usr/bin/env python3
"""run_cases.py FILE.cases BUILD [CASE]: runs the tools as a user would and compares what a case says with what happened.

    setup                     # once for the file; every case starts in a folder that holds its files
      dl-prep ...
    case an unknown flag is a usage error
      dl-train --epoch 3      # bash -euo pipefail
    exit 2                    # default 0
    stdout EMPTY              # default: anything. Else a regular expression found in it; may be repeated
    stderr --epochs
    absent out.h5             # exists FILE, same A B (equal bytes), differ A B

Prints SKIP where a script ends with 77. Exit 1 when a case fails.
"""
import filecmp
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

CHECKS = {
    "exists": lambda d, a: (d / a).exists(),
    "absent": lambda d, a: not (d / a).exists(),
    "same": lambda d, a, b: filecmp.cmp(d / a, d / b, shallow=False),
    "differ": lambda d, a, b: not filecmp.cmp(d / a, d / b, shallow=False),
}


def parse(path):
    cases = []
    for n, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        if line.startswith("  "):
            cases[-1]["script"] += line[2:] + "\n"
        elif word in ("case", "setup"):
            cases.append({"name": rest, "line": n, "script": "", "exit": 0, "expect": [], "setup": word == "setup"})
        elif word == "exit":
            cases[-1]["exit"] = int(rest)
        elif word in ("stdout", "stderr") or word in CHECKS:
            cases[-1]["expect"].append((word, rest))
        else:
            sys.exit(f"{path}:{n}: '{word}' is not known")
    return cases


def run(case, folder, build):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DL_")} | {
        "PATH": f"{build}:{os.environ['PATH']}", "HOME": "/nonexistent", "LC_ALL": "C", "NO_COLOR": "1"}
    if "DL_TEST_DATA" in os.environ:
        environment["DL_TEST_DATA"] = os.environ["DL_TEST_DATA"]
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", case["script"]], cwd=folder, env=environment,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=600)
    seen = {"stdout": done.stdout.decode("utf-8", "replace"), "stderr": done.stderr.decode("utf-8", "replace")}
    if done.returncode == 77:
        return "SKIP", seen["stderr"].strip()
    wrong = []
    if done.returncode != case["exit"]:
        wrong.append(f"exit {done.returncode}, expected {case['exit']}")
    for word, rest in case["expect"]:
        if word in seen:
            ok = not seen[word] if rest == "EMPTY" else re.search(rest, seen[word], re.M)
            if not ok:
                wrong.append(f"{word} is not as expected: {rest}")
        elif not CHECKS[word](folder, *rest.split()):
            wrong.append(f"not true: {word} {rest}")
    if wrong:
        wrong += [f"{k}: {v[-2000:]}" for k, v in seen.items() if v]
    return ("FAIL" if wrong else "ok"), "\n    ".join(wrong)


def main():
    path, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    wanted = sys.argv[3] if len(sys.argv) > 3 else ""
    count = {"ok": 0, "FAIL": 0, "SKIP": 0}
    with tempfile.TemporaryDirectory(prefix="dl-cli-") as tmp:
        base = pathlib.Path(tmp) / "base"
        base.mkdir()
        for i, case in enumerate(parse(path)):
            if case["setup"]:
                state, text = run(case, base, build)
                if state != "ok":
                    sys.exit(f"{path.name}:{case['line']}: setup failed\n    {text}")
                continue
            if wanted not in case["name"]:
                continue
            folder = pathlib.Path(tmp) / str(i)
            shutil.copytree(base, folder, symlinks=True, copy_function=os.link)
            state, text = run(case, folder, build)
            count[state] += 1
            print(f"{state:4} {path.name}:{case['line']}: {case['name']}" + (f"\n    {text}" if text else ""), flush=True)
            shutil.rmtree(folder)
    print(", ".join(f"{v} {k}" for k, v in count.items()))
    return 1 if count["FAIL"] else 77 if not count["ok"] else 0


sys.exit(main())
