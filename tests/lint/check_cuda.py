#!/usr/bin/env python3
"""check_cuda.py LIBRARY: looks at the machine code of the CUDA kernels, for the newest processor in the library. Prints a table of
kernel families, and fails where one breaks a rule below: no kernel keeps anything in local memory (a stack, spilled registers, an
array with a run-time index), matrix kernels multiply on tensor cores, and those that memory bounds hold loads and stores of 16
bytes. Exit 77 where cuobjdump is missing."""
import collections
import re
import shutil
import subprocess
import sys

# What kernels hold, by "file: name<template arguments>" as regular expressions that each find some. PACK: of a kernel that is there
# for several widths of access, the widest.
PACK = r"<.*(\bfloat, 4|__half, 8|__nv_bfloat16, 8)\b"
RULES = [
    (r"gemm_kernel<.*(__half|__nv_bfloat16)", ["tensor"]),
    (r"gemm_kernel<\d+, \d+, true", ["tensor"]),  # f32, with factors rounded to tf32
    (r"^elementwise: (unary|binary)_kernel", ["load16", "store16"]),
    (r"^broadcast: (pair|stretch)_kernel" + PACK, ["load16", "store16"]),
    (r"^batch_norm: normalise_(rows|planes)" + PACK, ["load16", "store16"]),
    (r"^batch_norm: statistics_(rows|planes)" + PACK, ["load16"]),
    (r"^batch_norm_grad: slope_(rows|planes)" + PACK, ["load16", "store16"]),
    (r"^batch_norm_grad: products_(rows|planes)" + PACK, ["load16"]),
    (r"^softmax: (held|long)_rows" + PACK, ["load16", "store16"]),
    (r"^cross_entropy: slope_rows" + PACK, ["load16", "store16"]),
    (r"^cross_entropy: loss_rows" + PACK, ["load16"]),
    (r"^losses: slope_kernel", ["load16", "store16"]),
    (r"^reduce: rows_kernel" + PACK, ["load16"]),
    (r"^optimizers: update_kernel", ["load16", "store16"]),
    (r"^gradients: pieces_kernel", ["load16"]),
    (r"^(copy|transpose): (copy|paste|gather)_kernel<uint4>", ["load16", "store16"]),
    (r"^conv_depthwise: depthwise_kernel", ["load16", "store16"]),
]
# Kernels that may use some local memory (bytes of stack), and why.
EXCUSED = {
    r"gemm_kernel<128, 128, true, WindowSource": 16,  # tf32 takes its factors through registers; likewise
    r"gemm_kernel<.*MatrixSource.*MatrixSource": 48,  # a few words, for 128 registers: twice the warps on a processor
    r"<(sin|cos)(_grad)?_fn|noise_kernel<": 32,  # for angles above 100,000 alone, which take many words of pi
}

HOLDS = {
    "tensor": re.compile(r"\b(HMMA|HGMMA)\b"),
    "load16": re.compile(r"\bLDG\.E\.(\w+\.)*128\b|\bLDGSTS\.E\.(\w+\.)*128\b"),
    "store16": re.compile(r"\bSTG\.E\.(\w+\.)*128\b"),
    "local": re.compile(r"\b(LDL|STL)\b"),
}


class Kernel:
    def __init__(self):
        self.name, self.family = "", ""
        self.registers = self.stack = self.shared = 0
        self.holds = collections.Counter()


def lines_of(*command):
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    yield from run.stdout
    if run.wait():
        sys.exit(f"{' '.join(command)}: exit {run.returncode}")


def newest(library):
    found = {a for line in lines_of("cuobjdump", "--list-elf", library) for a in re.findall(r"\.(sm_\d+\w?)\.", line)}
    if not found:
        sys.exit(f"{library}: no machine code of a device")
    return max(found, key=lambda a: int(re.search(r"\d+", a)[0]))


def read(library, arch):
    kernels, now = collections.defaultdict(Kernel), None
    for line in lines_of("cuobjdump", "--gpu-architecture", arch, "--dump-resource-usage", library):
        if m := re.match(r"\s*Function (\S+):", line):
            now = kernels[m[1]]
        elif m := re.match(r"\s*REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)", line):
            now.registers, now.shared = int(m[1]), int(m[3])
            now.stack = int(m[2]) + int(m[4])
    for line in lines_of("cuobjdump", "--gpu-architecture", arch, "--dump-sass", library):
        if m := re.match(r"\s*Function : (\S+)", line):
            now = kernels[m[1]]
        elif m := re.match(r"\s*/\*[0-9a-f]{4,}\*/\s+(?:@\S+\s+)?([A-Z]\S*)", line):
            for what, pattern in HOLDS.items():
                now.holds[what] += bool(pattern.match(m[1]))
    mangled = list(kernels)
    plain = subprocess.run(["c++filt"], input="\n".join(mangled), capture_output=True, text=True, check=True).stdout.splitlines()
    for m, p in zip(mangled, plain):
        file = re.search(r"_GLOBAL__N__[0-9a-f]+_\d+_(\w+?)_cu_", m)
        name = re.sub(r"\(anonymous namespace\)::|dl::cuda::|\(bool\)", "", p)
        name = re.sub(r"^void ", "", name)
        k = kernels[m]
        k.family = f"{file[1] if file else ''}: {re.match(r'[^<(]*', name)[0]}"
        k.name = f"{file[1] if file else ''}: {name}"
    return list(kernels.values())


def table(kernels):
    families = collections.defaultdict(list)
    for k in kernels:
        families[k.family].append(k)
    print(f"{'family':44}{'kernels':>8}{'registers':>12}{'shared':>8}{'local':>6}{'tensor':>8}{'load 16':>9}{'store 16':>9}")
    for family, of in sorted(families.items()):
        registers = [k.registers for k in of]
        share = {what: sum(k.holds[what] > 0 for k in of) for what in HOLDS}
        local = sum(k.stack > 0 or k.holds["local"] > 0 for k in of)
        print(f"{family:44}{len(of):8}{min(registers):8}-{max(registers):<3}{max(k.shared for k in of):8}{local:6}"
              f"{share['tensor']:8}{share['load16']:9}{share['store16']:9}")


def violations(kernels):
    for k in kernels:
        allowed = max((most for p, most in EXCUSED.items() if re.search(p, k.name)), default=0)
        if k.stack > allowed or k.holds["local"] and not allowed:
            yield f"{k.name}: {k.stack} bytes of stack, {k.holds['local']} accesses to local memory"
    for pattern, needed in RULES:
        found = [k for k in kernels if re.search(pattern, k.name)]
        if not found:
            yield f"no kernel is called {pattern}"
        yield from (f"{k.name}: no {what}" for k in found for what in needed if not k.holds[what])


if not shutil.which("cuobjdump") or not shutil.which("c++filt"):
    print("SKIP: no cuobjdump")
    sys.exit(77)
arch = newest(sys.argv[1])
kernels = read(sys.argv[1], arch)
table(kernels)
bad = list(violations(kernels))
print(*bad, sep="\n")
print(f"{arch}: {len(kernels)} kernels, {len(bad)} violations")
sys.exit(bool(bad) or not kernels)
