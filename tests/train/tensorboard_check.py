#!/usr/bin/env python3
"""tensorboard_check.py BUILD: what dl-train writes for TensorBoard reads there, and a run that was killed and resumed shows each
step once. SKIP where tensorboard is not installed; DL_PYTHON names the interpreter that has it."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

if os.environ.get("DL_PYTHON") and not os.environ.get("DL_PYTHON_RUNS"):
    os.execve(os.environ["DL_PYTHON"], [os.environ["DL_PYTHON"], *sys.argv], {**os.environ, "DL_PYTHON_RUNS": "1"})
try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.plugins.hparams import plugin_data_pb2
except ImportError as e:
    print(f"SKIP: {e}; set DL_PYTHON to an interpreter with tensorboard")
    sys.exit(77)

build = pathlib.Path(sys.argv[1]).resolve()
bad = []


def check(ok, what):
    if not ok:
        bad.append(what)


def tool(name, *args, cwd):
    return subprocess.Popen([build / name, "-q", *args], cwd=cwd, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process):
    said = process.communicate()[1].decode()
    if process.returncode:
        sys.exit(f"exit {process.returncode}: {said}")


def read(folder):
    board = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0, "tensors": 0})
    return board.Reload()


with tempfile.TemporaryDirectory(prefix="dl-board-") as tmp:
    tmp = pathlib.Path(tmp)
    finish(tool("dl-prep", "--from", "digits", "-s", "prep.from.count=600", "--hold-out", "0.2", "-o", "d.h5", cwd=tmp))
    (tmp / "net.json").write_bytes(subprocess.run([build / "dl-train", "--init=lenet5"], capture_output=True, check=True).stdout)
    train = ("-c", "net.json", "-s", "train.batch_size=32", "-s", "train.epochs=4", "-s", "train.save.every=4 steps", "--data", "d.h5")
    finish(tool("dl-train", *train, "-o", "plain.h5", cwd=tmp))
    finish(tool("dl-train", *train, "--tensorboard", "logs/whole", "-o", "whole.h5", cwd=tmp))
    check((tmp / "plain.h5").read_bytes() == (tmp / "whole.h5").read_bytes(), "watching a run changed it")

    board = read(tmp / "logs/whole")
    tags = board.Tags()
    for tag in ("step/loss", "step/learning_rate", "train/loss", "valid/loss", "valid/accuracy", "epoch"):
        check(tag in tags["scalars"], f"no scalar {tag} in {tags['scalars']}")
    check([e.step for e in board.Scalars("step/loss")] == list(range(1, 61)), "steps are not 1 to 60")
    check([e.step for e in board.Scalars("valid/accuracy")] == [15, 30, 45, 60], "validations are not at the ends of epochs")
    info = json.loads(subprocess.run([build / "dl-train", "--info", "whole.h5", "--format", "json"], cwd=tmp, check=True,
                                     capture_output=True).stdout)
    check("history" in info["data_sets"], "the model has no history")
    for group in ("parameters", "gradients"):
        h = board.Histograms(f"{group}/conv2d_1.weight")
        check(len(h) == 4 and h[0].histogram_value.num == 150, f"{group} of conv2d_1 are not there")
        check(sum(h[0].histogram_value.bucket) == 150, f"counts of {group} do not add up")
    gradient = board.Histograms("gradients/conv2d_1.weight")[0].histogram_value
    check(gradient.min < 0 < gradient.max and gradient.sum_squares > 0, "gradients are empty")
    check(b'"model"' in board.Tensors("config/text_summary" if "config/text_summary" in tags["tensors"] else "config")[0]
          .tensor_proto.string_val[0], "the config is not there")
    graph = board.Graph()
    check(isinstance(graph, GraphDef) and any(n.op == "conv2d" for n in graph.node), "no conv2d in the graph")
    names = {n.name for n in graph.node}
    check(all(i in names for n in graph.node for i in n.input), "an edge of the graph has no start")
    content = board.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    data = plugin_data_pb2.HParamsPluginData.FromString(content)
    check(data.session_start_info.hparams["batch_size"].number_value == 32, "batch_size is no hyper-parameter")
    check(data.session_start_info.hparams["optimizer.type"].string_value == "sgd", "optimizer.type is no hyper-parameter")

    # Killed three times between checkpoints, each time after more steps than before.
    kills = 0
    for target in (10, 27, 49):
        events = tmp / f"events{target}"
        process = tool("dl-train", *train, "--tensorboard", "logs/cut", "-o", "cut.h5", "--resume", "auto", "--events", events, cwd=tmp)
        while process.poll() is None:
            if events.exists() and any(f'"step":{target},' in line or f'"step":{target}}}' in line for line in events.open()
                                       if '"event":"step"' in line):
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
        process.communicate()
    finish(tool("dl-train", *train, "--tensorboard", "logs/cut", "-o", "cut.h5", "--resume", "auto", cwd=tmp))
    check((tmp / "cut.h5").read_bytes() == (tmp / "whole.h5").read_bytes(), "the resumed run differs")
    cut = read(tmp / "logs/cut")
    for tag in ("step/loss", "valid/accuracy"):
        want = [(e.step, e.value) for e in board.Scalars(tag)]
        got = [(e.step, e.value) for e in cut.Scalars(tag)]
        check(got == want, f"{tag} of the resumed run: {len(got)} values, {len(want)} in the whole one")
    print(f"{kills} kills, {len(tags['scalars'])} scalars, {len(tags['histograms'])} histograms")

print(*bad, sep="\n")
sys.exit(bool(bad))
