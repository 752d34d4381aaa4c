#!/usr/bin/env python3
"""compare.py BUILD [WORKLOAD...] [--threads N,...] [--rounds N] [--seconds S] [--python PYTHON]... [--skip FORM]... [--mode train|infer] [--busy N] [-o results.json]

Runs bench_steps and its peers on the same cores in turn, several rounds, and compares best with best. Each --python is
an interpreter that has PyTorch (and perhaps onnxruntime); every form of it that works counts, the fastest is the peer.
Prints a table and writes rows with workload, mode, batch, threads, ours, peer, ratio as JSON. Environment variables
reach the peers as they are (LD_LIBRARY_PATH, ATEN_CPU_CAPABILITY). The machine should have nothing else to do; --busy N
gives it N processes that never rest, and compares medians.
"""
import argparse
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
FORMS = {"train": ["eager", "channels_last"], "infer": ["eager", "channels_last", "frozen", "compiled", "onnxruntime"]}


def run(command, timeout):
    """The last line of JSON that the command prints; None when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return None
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if done.returncode == 0 and lines else None


def better(a, b, by):
    return b if a is None or (b is not None and b[by] > a[by]) else a


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("build", type=pathlib.Path)
    p.add_argument("workloads", nargs="*")
    p.add_argument("--threads", default="2")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=float, default=2)
    p.add_argument("--python", action="append", default=[])
    p.add_argument("--skip", action="append", default=[], help="a form of the peer to leave out")
    p.add_argument("--mode", choices=["train", "infer"], help="only this")
    p.add_argument("--busy", type=int, default=0, help="processes that keep the cores busy meanwhile")
    p.add_argument("-o", "--output", type=pathlib.Path)
    a = p.parse_args()
    by = "median" if a.busy else "best"
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(a.busy)]
    try:
        return compare(a, by)
    finally:
        for process in others:
            process.kill()


def compare(a, by):
    text = "".join(line for line in (HERE / "workloads.json").read_text().splitlines(True) if not line.startswith("//"))
    rows, broken = [], set()
    for w in json.loads(text):
        if a.workloads and w["name"] not in a.workloads:
            continue
        cases = [("train", w["batch"])] + [("infer", b) for b in w.get("inference", [w["batch"]])]
        for mode, batch in cases:
            if a.mode and mode != a.mode:
                continue
            for threads in map(int, a.threads.split(",")):
                options = ["--threads", str(threads), "--seconds", str(a.seconds), "--batch", str(batch)]
                ours, peer = None, None
                for _ in range(a.rounds):
                    ours = better(ours, run([a.build / "tests/bench_steps", w["name"], "--mode", mode, *options], 600), by)
                    for python in a.python or [sys.executable]:
                        for form in FORMS[mode]:
                            if form in a.skip or (python, form, w["name"]) in broken:
                                continue
                            got = run([python, HERE / "peer_torch.py", w["name"], mode, "--form", form, *options], 900)
                            if got is None:
                                broken.add((python, form, w["name"]))
                            peer = better(peer, got, by)
                row = {"workload": w["name"], "title": w["title"], "mode": mode, "batch": batch, "threads": threads,
                       "busy": a.busy, "ours": ours and ours[by], "peer": peer and peer[by],
                       "ratio": ours and peer and ours[by] / peer[by],
                       "peer_form": peer and f"{peer['form']} {peer['version']}",
                       "ours_peak_mib": ours and ours["peak_mib"], "peer_peak_mib": peer and peer["peak_mib"],
                       "ours_first_step_seconds": ours and ours["first_step_seconds"],
                       "peer_first_step_seconds": peer and peer["first_step_seconds"]}
                rows.append(row)
                shown = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in
                         (row["ours"], row["peer"], row["ratio"], row["ours_peak_mib"], row["peer_peak_mib"],
                          row["ours_first_step_seconds"], row["peer_first_step_seconds"])]
                print(f"{w['name']:4} {mode:5} b{batch:<4} t{threads}  ours {shown[0]:>8}/s  peer {shown[1]:>8}/s  ratio {shown[2]:>6}"
                      f"  MiB {shown[3]:>6} : {shown[4]:>6}  first step {shown[5]} : {shown[6]} s  ({row['peer_form']})",
                      flush=True)
                if a.output:
                    a.output.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
