#!/usr/bin/env python3
"""device.py [--out FOLDER] [--build FOLDER] [--parts PART,...] [--precisions P,...] [--minutes M] [--python PYTHON]
device.py --emulated BUILD [--out FOLDER]

Everything that a machine with a GPU is needed for, in one call of under ten minutes: a build for that device alone, the tests on
it (tests), a training that must give equal bytes twice and the CPU's accuracy (digits), single operators (kernels), tests under
compute-sanitizer (sanitizer), and whole networks beside PyTorch (models), as far as the time goes. Writes device_report.md and device_report.json to
--out and exits with 1 where something failed, with 77 where nothing could run; what could not is there with the reason. --python is the
interpreter that has PyTorch. --emulated runs the parts at tiny sizes on the CPU, in a build folder that is there, to test this
program and the ones that it calls.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGETS = ["dl_cuda", "test_cuda", "bench_ops", "bench_steps", "dl-prep", "dl-train", "dl-eval"]
# Seconds of each part; what is left of --minutes bounds it too.
BUDGET = {"build": 300, "tests": 90, "digits": 60, "kernels": 150, "sanitizer": 60, "models": 600}
ROWS = "-tc=operators agree with the CPU"  # the test whose rows DL_OP chooses
SANITIZED = {"memcheck": ["matmul", "conv2d", "batch_norm", "cross_entropy", "max_pool2d", "reduce_sum"],
             "racecheck": ["matmul", "softmax", "reduce_sum", "transpose"]}
MODELS = [("W5", 256), ("W3", 1024), ("W2", 128), ("W6", 256)]  # the most important first
FORMS = ["channels_last", "compiled", "graphs"]  # of PyTorch
TINY_OPERATORS = [
    {"name": "matmul 64x48x40", "op": "matmul", "in": ["f32[64,40]", "f32[48,40]"], "attrs": {"trans_b": True}},
    {"name": "conv2d 3x3 8->16 6x6", "op": "conv2d", "in": ["f32[2,1,6,6,8]", "f32[16,8,3,3]"], "fixed": [1],
     "attrs": {"algorithm": "channels_last", "pads": 1}},
    {"name": "batch_norm 8 6x6", "op": "batch_norm", "in": ["f32[2,1,6,6,8]"] + ["f32[8]"] * 4, "attrs": {"blocked": True}},
    {"name": "cross_entropy 16x10", "op": "cross_entropy", "in": ["f32[16,10]", "i32[16]"], "below": 10},
    {"name": "add 4096", "op": "add", "in": ["f32[4096]", "f32[4096]"]},
    {"name": "adam 4096", "op": "adam", "in": ["f32[4096]"] * 4 + ["f32[]", "i64[]"]}]
TINY_MODEL = {"model": {"layers": [{"type": "conv2d", "filters": 8, "kernel": 5, "stride": 3}, "relu", "flatten",
                                   {"type": "dense", "units": "$classes"}]},
              "train": {"batch_size": 20, "optimizer": {"type": "adam", "lr": 2e-3}, "metrics": ["accuracy"]}}


class Report:
    """Rows of parts: ok, FAIL or SKIP, and what there is to say. Written after every part."""

    def __init__(self, folder):
        self.folder, self.machine, self.rows, self.tables, self.began = folder, {}, [], {}, time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)

    def row(self, part, name, status, detail="", **figures):
        self.rows.append({"part": part, "name": name, "status": status, "detail": detail, **figures})
        print(f"{time.monotonic() - self.began:6.1f} s  {status:4}  {part}: {name}  {detail}", flush=True)

    def failed(self):
        return any(r["status"] == "FAIL" for r in self.rows)

    def write(self):
        seconds = round(time.monotonic() - self.began, 1)
        whole = {"machine": self.machine, "seconds": seconds, "rows": self.rows, **self.tables}
        (self.folder / "device_report.json").write_text(json.dumps(whole, indent=1) + "\n")
        lines = ["# " + self.machine.get("name", "No device"), ""]
        lines += [f"{key}: {value}  " for key, value in self.machine.items() if key != "name"] + [f"seconds: {seconds}", ""]
        lines += ["| part | | status | |", "|---|---|---|---|"]
        lines += ["| " + " | ".join(str(r[k]).replace("|", "/") for k in ("part", "name", "status", "detail")) + " |" for r in self.rows]
        for title, table in (("Operators", operators_table), ("Networks", networks_table)):
            if self.tables.get(title.lower()):
                lines += ["", f"## {title}", ""] + table(self.tables[title.lower()])
        (self.folder / "device_report.md").write_text("\n".join(lines) + "\n")


def operators_table(rows):
    out = ["| operator | type | ms | floor, ms | share | of | GFLOP/s | GB/s | GFLOP | MB |", "|" + "---|" * 10]
    for r in rows:
        if "machine" in r:
            out.append(f"| **{r['machine']} at best** | | | | | | {r['gflops']:,.0f}, of 16 bits {r['gflops_16']:,.0f} | {r['gbytes']:,.0f} | | |")
            continue
        out.append(f"| {r['name']} | {r['type']} | {r['milliseconds']:.4f} | {r['floor_milliseconds']:.4f} | {r['roofline']:.2f} | {r['bound']} "
                   f"| {r['gflops']:,.0f} | {r['gbytes']:,.0f} | {r['operations'] / 1e9:,.4g} | {r['bytes'] / 1e6:,.4g} |")
    return out


def networks_table(rows):
    out = ["| workload | step, batch | precision | dl, samples/s | PyTorch | ratio | form | device MiB |", "|" + "---|" * 8]
    for r in rows:
        ours, peer = r["ours"], r["peer"]
        shown = [f"{v:,.0f}" if v else "-" for v in (ours, peer)]
        ratio = f"**{ours / peer:.2f}**" if ours and peer else "-"
        memory = " : ".join(f"{v:,.0f}" if v else "-" for v in (r["ours_mib"], r["peer_mib"]))
        out.append(f"| {r['workload']} {r['title']} | {r['mode']} {r['batch']} | {r['precision']} | {shown[0]} | {shown[1]} | {ratio} "
                   f"| {r['form'] or '-'} | {memory} |")
    return out


class Run:
    """One command in at most so many seconds, its whole process group ended after that."""

    def __init__(self, command, seconds, env=None, cwd=None):
        start = time.monotonic()
        process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, errors="replace", env={**os.environ, **(env or {})}, cwd=cwd, start_new_session=True)
        try:
            self.out, self.err = process.communicate(timeout=max(1, seconds))
            self.code, self.late = process.returncode, False
        except subprocess.TimeoutExpired:
            self.out, self.err = self.end(process)
            self.code, self.late = 124, True
        self.seconds = time.monotonic() - start

    @staticmethod
    def end(process):
        """Asks first: ninja has to end what it started."""
        for how in (signal.SIGTERM, signal.SIGKILL):
            os.killpg(process.pid, how)
            try:
                return process.communicate(timeout=5)
            except subprocess.TimeoutExpired:
                pass
        return "", ""

    def why(self):
        """Why it failed, in a line."""
        lines = [line.strip() for line in (self.err + "\n" + self.out).splitlines() if line.strip()]
        telling = lines[-1:] if "Traceback" in self.err else [line for line in lines if "error" in line.lower()]
        told = (telling or lines[:1] or [""])[0][:200]
        return f"not done after {self.seconds:.0f} s" if self.late else f"exit {self.code}: {told}"

    def json(self):
        return [json.loads(line) for line in self.out.splitlines() if line.startswith("{") and line.endswith("}")]


class Machine:
    """What the parts run on: folders, environment, time that is left."""

    def __init__(self, options):
        self.emulated = options.emulated is not None
        self.build = (options.emulated or options.build).resolve()
        self.out, self.python = options.out.resolve(), options.python
        self.env = {"DL_CUDA_LIBRARY": str(self.build / "tests/libdl_emulated.so")} if self.emulated else {}
        self.precisions = options.precisions.split(",")
        self.end = time.monotonic() + 60 * options.minutes
        self.part_end = self.end

    def begin(self, part):
        self.part_end = min(self.end, time.monotonic() + BUDGET[part])

    def left(self):
        return self.part_end - time.monotonic()

    def run(self, command, seconds=None, **more):
        return Run(command, min(self.left(), seconds or 1e9), env={**self.env, **more.pop("env", {})}, **more)

    def test(self, name):
        return self.build / "tests" / name


def describe(report):
    """The device's name and compute capability, or None and a row."""
    if not shutil.which("nvidia-smi"):
        report.row("build", "device", "SKIP", "there is no nvidia-smi: no NVIDIA driver on this machine")
        return None
    fields = ["compute_cap", "name", "memory.total", "driver_version", "clocks.max.sm", "power.limit"]
    asked = Run(["nvidia-smi", "--query-gpu=" + ",".join(fields), "--format=csv,noheader", "--id=0"], 30)
    values = [v.strip() for v in asked.out.splitlines()[0].split(",")] if asked.code == 0 and asked.out.strip() else []
    if len(values) != len(fields):
        report.row("build", "device", "SKIP", "nvidia-smi: " + asked.why())
        return None
    report.machine = dict(zip(fields, values))
    digits = values[0].replace(".", "")
    return "90a-real" if digits == "90" else digits + "-real"


def build(m, report):
    architecture = describe(report)
    if not architecture:
        return False
    cores = os.cpu_count() or 1
    configure = ["cmake", "-S", ROOT, "-B", m.build, "-DCMAKE_BUILD_TYPE=Release", "-DDL_CUDA=ON", "-DDL_WERROR=OFF",
                 f"-DCMAKE_CUDA_ARCHITECTURES={architecture}"] + (["-G", "Ninja"] if shutil.which("ninja") else [])
    nvcc = "/usr/local/cuda/bin/nvcc"
    if not shutil.which("nvcc") and os.path.exists(nvcc):
        configure.append(f"-DCMAKE_CUDA_COMPILER={nvcc}")
    for name, command in (("configure", configure), ("compile", ["cmake", "--build", m.build, "-j", cores, "--target", *TARGETS])):
        done = m.run(command)
        (m.out / f"{name}.log").write_text(done.out + done.err)
        report.row("build", name, "FAIL" if done.code else "ok", done.why() if done.code else f"{architecture}, {done.seconds:.0f} s")
        if done.code:
            return False
    return True


def summary(done):
    return next((line for line in done.out.splitlines() if line.startswith("[doctest] test cases")), "")[10:].strip()


def tests(m, report):
    for op in ["relu", "reduce_sum"] if m.emulated else [None]:
        command = [m.test("test_cuda")] + ([ROWS] if op else [])
        done = m.run(command, env={"DL_OP": op} if op else {})
        report.row("tests", "test_cuda" + (f" {op}" if op else ""), "FAIL" if done.code else "ok", done.why() if done.code else summary(done))
        if done.code:
            (m.out / "test_cuda.log").write_text(done.out + done.err)


def sanitizer(m, report):
    program = shutil.which("compute-sanitizer") or next(
        (p for p in ("/usr/local/cuda/bin/compute-sanitizer",) if os.path.exists(p)), None)
    if m.emulated or not program:
        return report.row("sanitizer", "compute-sanitizer", "SKIP", "it is for devices" if m.emulated else "it is not installed")
    for tool, ops in SANITIZED.items():
        for op in ops:
            if m.left() < 5:
                report.row("sanitizer", f"{tool} {op}", "SKIP", "no time left")
                continue
            done = m.run([program, "--tool", tool, "--error-exitcode", "9", m.test("test_cuda"), ROWS],
                         seconds=20, env={"DL_OP": op})
            status = "SKIP" if done.late else "FAIL" if done.code else "ok"
            report.row("sanitizer", f"{tool} {op}", status, done.why() if done.code else summary(done))
            if done.code:
                (m.out / f"{tool}_{op}.log").write_text(done.out + done.err)


def kernels(m, report):
    rows = report.tables["operators"] = []
    command = [m.test("bench_ops"), "--device", "cuda", "--json", "--type"]
    for type_of in m.precisions:
        whole, options = command + [type_of], ["--seconds", "0.04"]
        if m.emulated:
            planned = m.run(whole + ["--plan"])
            bad = [r["name"] for r in planned.json() if "machine" not in r and not r.get("bytes")]
            report.row("kernels", "plans " + type_of, "FAIL" if planned.code or bad else "ok",
                       ", ".join(bad) or planned.why() if planned.code or bad else f"{len(planned.json()) - 1} operators")
            cases = m.out / "tiny_operators.json"
            cases.write_text(json.dumps(TINY_OPERATORS))
            options = ["--seconds", "0.01", "--cases", cases]
        done = m.run(whole + options, seconds=BUDGET["kernels"] / len(m.precisions))
        got = [r for r in done.json() if type_of == m.precisions[0] or "machine" not in r]
        for r in [r for r in got if "error" in r]:
            report.row("kernels", f"{r['name']}, {type_of}", "FAIL", r["error"])
            got.remove(r)
        rows += got
        wrong = [r["name"] for r in got if "name" in r and not r["milliseconds"] > 0]
        report.row("kernels", "bench_ops " + type_of, "FAIL" if done.code or wrong or not got else "ok",
                   (done.why() + ", " if done.code else "") + f"{len(got)} rows in {done.seconds:.0f} s" + "".join(", no time: " + w for w in wrong))


def peer_forms(m, report):
    """The forms of PyTorch that can be had: none where there is no PyTorch, with a row that says so."""
    if m.emulated:
        report.row("models", "PyTorch", "SKIP", "it does not run on an emulated device")
        return []
    asked = m.run([m.python, "-c", "import torch; print(torch.__version__, torch.cuda.is_available())"], seconds=60)
    if asked.code:
        report.row("models", "PyTorch", "SKIP", asked.why())
    elif "True" not in asked.out:
        report.row("models", "PyTorch", "SKIP", f"{asked.out.split()[0]} has no CUDA")
    else:
        report.row("models", "PyTorch", "ok", asked.out.split()[0])
        return FORMS
    return []


def last(done):
    return (done.json() or [None])[-1] if done.code == 0 else None


def models(m, report):
    """All networks here and in PyTorch's first form, then the forms that take long to start, as far as the time goes."""
    text = "".join(line for line in (HERE / "workloads.json").read_text().splitlines(True) if not line.startswith("//"))
    titles = {w["name"]: w["title"] for w in json.loads(text)}
    forms = peer_forms(m, report)
    cases = [(w, b, mode, p) for w, b in ([("W2", 2)] if m.emulated else MODELS) for p in m.precisions for mode in ("train", "infer")]
    rows = {c: {"workload": c[0], "title": titles[c[0]], "batch": c[1], "mode": c[2], "precision": c[3], "ours": None, "peer": None,
                "form": None, "ours_mib": None, "peer_mib": None} for c in cases}
    jobs = [(form, case) for case in cases for form in ["dl", *forms[:1]]] + [(form, case) for form in forms[1:] for case in cases]
    left_out = 0
    for form, case in jobs:
        if m.left() < (30 if form in forms[1:] else 8):
            left_out += 1
            continue
        name, batch, mode, precision = case
        options = ["--batch", batch, "--device", "cuda", "--seconds", 0.1 if m.emulated else 1]
        if form == "dl":
            flag = [] if precision == "f32" else ["--precision", precision]
            done = m.run([m.test("bench_steps"), name, "--mode", mode, *options, *flag], seconds=60)
        else:
            done = m.run([m.python, HERE / "peer_torch.py", name, mode, "--form", form, "--precision", precision, *options], seconds=90)
        got, row = last(done), rows[case]
        report.row("models", f"{name} {mode} {batch} {precision} {form}", "ok" if got else "FAIL" if form == "dl" else "SKIP",
                   f"{got['best']:,.0f} samples/s" if got else done.why())
        if got and form == "dl":
            row.update(ours=got["best"], ours_mib=got["device_mib"])
        elif got and got["best"] > (row["peer"] or 0):
            row.update(peer=got["best"], peer_mib=got["peak_mib"], form=form)
        report.tables["networks"] = [r for r in rows.values() if r["ours"] or r["peer"]]
    if left_out:
        report.row("models", f"{left_out} figures", "SKIP", "no time left")


def digits(m, report):
    """Training on drawn digits: equal bytes twice, and the CPU's accuracy."""
    config, data = ROOT / "recipes/quickstart/lenet.json", m.out / "digits.h5"
    count, epochs = (160, 3) if m.emulated else (12000, 4)
    if m.emulated:
        config = m.out / "tiny_model.json"
        config.write_text(json.dumps(TINY_MODEL))
    steps = [("data", [m.build / "dl-prep", "-q", "--from", "digits", "-s", f"prep.from.count={count}", "--hold-out", "0.25",
                       "-o", data, "--force"])]
    for name, device in (("first", "cuda"), ("second", "cuda"), ("cpu", "cpu")):
        steps.append((name, [m.build / "dl-train", "-q", "-c", config, "-s", f"train.epochs={epochs}", "--data", data,
                             "-o", m.out / f"{name}.h5", "--device", device, "--force"]))
    accuracy = {}
    for name, command in steps:
        done = m.run(command)
        report.row("digits", name, "FAIL" if done.code else "ok", done.why() if done.code else f"{done.seconds:.1f} s")
        if done.code:
            return
    same = (m.out / "first.h5").read_bytes() == (m.out / "second.h5").read_bytes()
    report.row("digits", "equal bytes", "ok" if same else "FAIL", "" if same else "two runs on the device differ")
    for name, device in (("first", "cuda"), ("cpu", "cpu")):
        done = m.run([m.build / "dl-eval", "--model", m.out / f"{name}.h5", "--data", data, "--split", "valid", "--format", "json",
                      "--device", device])
        if done.code:
            return report.row("digits", f"accuracy of {name}", "FAIL", done.why())
        accuracy[name] = json.loads(done.out)["accuracy"]
    apart = abs(accuracy["first"] - accuracy["cpu"])
    report.row("digits", "accuracy", "ok" if apart <= 0.02 else "FAIL",
               f"{accuracy['first']:.4f} on the device, {accuracy['cpu']:.4f} on the CPU", **accuracy)


PARTS = {"tests": tests, "digits": digits, "kernels": kernels, "sanitizer": sanitizer, "models": models}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/device"))
    p.add_argument("--build", type=pathlib.Path, default=ROOT / "build-device")
    p.add_argument("--emulated", type=pathlib.Path, metavar="BUILD")
    p.add_argument("--parts", default=",".join(PARTS), help="in their order")
    p.add_argument("--precisions", default="f32,bf16", help="for kernels and models, of f32, tf32, bf16 and f16")
    p.add_argument("--minutes", type=float, default=9.5)
    p.add_argument("--python", default=sys.executable)
    options = p.parse_args()
    wanted = options.parts.split(",")
    if not set(wanted) <= set(PARTS):
        p.error(f"parts are {', '.join(PARTS)}")
    report, m = Report(options.out), Machine(options)
    if m.emulated:
        report.machine = {"name": "Emulated device: figures mean nothing"}
    m.begin("build")
    ready = m.emulated or build(m, report)
    report.write()
    for part in wanted:
        m.begin(part)
        if not ready or m.left() < 3:
            report.row(part, "all of it", "SKIP", "no time left" if ready else "there is no build")
        else:
            try:
                PARTS[part](m, report)
            except Exception as e:  # the report is to tell of it, and the other parts are to run
                report.row(part, "this program", "FAIL", f"{type(e).__name__}: {e}")
        report.write()
    print(report.folder / "device_report.md")
    return 1 if report.failed() else 0 if any(r["status"] == "ok" for r in report.rows) else 77


if __name__ == "__main__":
    sys.exit(main())
