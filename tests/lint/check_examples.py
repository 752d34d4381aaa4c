#!/usr/bin/env python3
"""check_examples.py BUILD [TOOL...]: runs every example of the manual pages and every template of --init, in a folder with small files
under the names that the examples use."""
import gzip
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

build = pathlib.Path(sys.argv[1]).resolve()
TOOLS = sys.argv[2:] or ["dl-prep", "dl-augment", "dl-train", "dl-eval", "dl-hpo", "dl-export"]
SMALL = "-q -s prep.split.valid=0.2 -s prep.split.test=0.2"

# What the examples read. Each line is a shell command that makes the files named before it; lines run in order.
FIXTURES = [
    ("mnist.h5 train.h5 digits.h5", f"dl-prep {SMALL} -s prep.from.count=200 --from digits -o mnist.h5; "
                                    "cp mnist.h5 train.h5; cp mnist.h5 digits.h5"),
    ("lenet5.json", "dl-train --init=lenet5 | sed 's/\"epochs\": [0-9]*/\"epochs\": 1/' > lenet5.json"),
    ("net.json", "dl-train --init=mlp | sed 's/\"epochs\": [0-9]*/\"epochs\": 1/' > net.json; dl-hpo --init > search.json; "
                 "dl-hpo -c net.json -c search.json -s search.trials=2 --print-config=minimal > both.json; mv both.json net.json"),
    ("lenet.h5 lenet5.h5", "dl-train -q -c lenet5.json --data mnist.h5 -o lenet.h5; cp lenet.h5 lenet5.h5"),
    ("aug.json", "dl-augment --init > aug.json"),
    ("a.h5 b.h5 test.h5", "cp lenet.h5 a.h5; cp lenet.h5 b.h5; cp mnist.h5 test.h5"),
    ("people.h5 m.h5", "dl-prep -q --from csv --target income -s prep.from.missing=? -s 'prep.from.groups=[\"sex\"]' --hold-out 0.3 "
                       "adult.csv -o people.h5; dl-train -q --epochs 1 -s 'model.layers=[{\"type\": \"dense\", \"units\": 2}]' "
                       "--data people.h5 -o m.h5"),
    ("net.onnx net.safetensors", "dl-train -q -c net.json --data mnist.h5 -o mlp.h5; for f in onnx safetensors; do "
                                 "dl-export -q mlp.h5 --to $f -o net.$f; done"),
]
# Templates that need more than the tool's usual command: {template} is the file, {out} a name that is free.
TEMPLATES = {
    "dl-prep": "dl-prep -q -c {template} -s prep.from.count=200 -o {out}",
    "dl-prep=images": "dl-prep -q -c {template} train-images.gz train-labels.gz -o {out}",
    "dl-prep=table": "dl-prep -q -c {template} adult.csv -o {out}",
    "dl-prep=columns": "dl-prep -q -c {template} adult.csv -o {out}",
    "dl-augment": "dl-augment -q -c {template} mnist.h5 -o {out}",
    "dl-train": "dl-train -q -c {template} -s train.epochs=1 --data mnist.h5 -o {out}",
    "dl-eval": "dl-eval -q -c {template} -s 'eval.gates=[]' --model lenet.h5 --data mnist.h5 -o {out}",
    "dl-hpo": "dl-hpo run -q -c lenet5.json -c {template} -s search.trials=2 --data mnist.h5 -o {out}",
    "dl-export": "dl-export -q -c {template} lenet.h5 -o {out}",
}
# Examples that show an exit code other than 0.
EXITS = {"--gate 'accuracy>=0.99'": 10, "gap.sex": 10}


def foreign_files(folder):
    """IDX pairs of training and test, and tables."""
    for part, rows in (("train", 60), ("t10k", 20)):
        pixels = bytes((i * 37 + i // 784) % 256 for i in range(rows * 784))
        labels = bytes(i % 10 for i in range(rows))
        (folder / f"{part}-images.gz").write_bytes(gzip.compress(struct.pack(">4i", 2051, rows, 28, 28) + pixels))
        (folder / f"{part}-labels.gz").write_bytes(gzip.compress(struct.pack(">2i", 2049, rows) + labels))
    rows = [f"{5 + k + i % 7 / 10},{3 + i % 5 / 10},{1.4 + 2 * k},{0.2 + k},{name}" for i in range(20)
            for k, name in enumerate(("setosa", "versicolor", "virginica"))]
    (folder / "iris.csv").write_text("\n".join(rows) + "\n")
    (folder / "new.csv").write_text("".join(row.rpartition(",")[0] + "\n" for row in rows[:4]))
    rows = [f"{20 + i},{('Private', 'State-gov', '?')[i % 3]},{('HS-grad', 'Masters')[i % 5 // 3]},{('Female', 'Male')[i % 3 // 2]},{'<=50K' if i % 4 else '>50K'}" for i in range(60)]
    (folder / "adult.csv").write_text("age,workclass,education,sex,income\n" + "\n".join(rows) + "\n")


def shell(command, folder):
    environment = os.environ | {"PATH": f"{build}:{os.environ['PATH']}", "NO_COLOR": "1"}
    return subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=folder, env=environment, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)


def examples(tool):
    page = subprocess.run([build / tool, "--man"], capture_output=True, text=True, check=True).stdout
    section = re.search(r"^\.SH EXAMPLES\n(.*?)(?=^\.SH|\Z)", page, re.M | re.S)
    blocks = re.findall(r"^\.nf\n(.*?)^\.fi", section[1] if section else "", re.M | re.S)
    return [re.sub(r"\\(.)", lambda m: {"e": "\\", "&": ""}.get(m[1], m[1]), b).strip() for b in blocks]


def templates(tool):
    said = subprocess.run([build / tool, "--init=?"], capture_output=True, text=True).stderr
    found = re.search(r"templates: (.*)", said)
    return [name for name in found[1].split(", ") if " " not in name] if found else []


bad, count = [], 0
with tempfile.TemporaryDirectory(prefix="dl-examples-") as tmp:
    folder = pathlib.Path(tmp)
    foreign_files(folder)
    for names, command in FIXTURES:
        made = shell(command, folder)
        missing = [n for n in names.split() if not (folder / n).exists()]
        if made.returncode or missing:
            sys.exit(f"{command}\nexit {made.returncode}, missing {missing}\n{made.stderr}")
    for tool in TOOLS:
        for command in examples(tool):
            count += 1
            expected = next((code for text, code in EXITS.items() if text in command), 0)
            ran = shell(command, folder)
            if ran.returncode != expected:
                bad.append(f"{tool}: exit {ran.returncode}, expected {expected}, of the example\n  {command}\n{ran.stderr[-800:]}")
        for name in templates(tool):
            count += 1
            template = f"{tool}.{name}.json"
            command = TEMPLATES.get(f"{tool}={name}", TEMPLATES[tool])
            ran = shell(f"{tool} --init={name} > {template}\n" + command.format(template=template, out=template + ".out"), folder)
            if ran.returncode:
                bad.append(f"{tool}: exit {ran.returncode} of the template {name}\n  {command}\n{ran.stderr[-800:]}")
print(*bad, sep="\n")
print(f"{count} examples and templates, {len(bad)} violations")
sys.exit(bool(bad) or not count)
