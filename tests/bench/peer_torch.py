#!/usr/bin/env python3
"""peer_torch.py WORKLOAD MODE [--device cpu|cuda[:N]] [--precision P] [--batch N] [--threads N] [--seconds S] [--form FORM]:
PyTorch on one workload of workloads.json.

MODE is train (forward, loss, backward, optimiser step) or infer. FORM: eager, channels_last, compiled (torch.compile, channels
last), graphs (the same, replayed as CUDA graphs); for infer also frozen (traced, frozen, optimised for inference), and on the CPU
onnxruntime runs the exported network.
--precision, on a device: f32, tf32, bf16 or f16 (training with autocast, f16 with a scaled loss; inference with a network of
that type). Prints one JSON line: samples per second (best and median of groups of steps), peak memory, seconds from exec to the
end of the first step.
"""
import argparse
import json
import os
import resource
import sys
import tempfile
import time


def networks(torch):
    nn = torch.nn
    F = torch.nn.functional

    class Residual(nn.Module):
        def __init__(self, body, short=None, relu=True):
            super().__init__()
            self.body, self.short, self.relu = body, short, relu

        def forward(self, x):
            y = self.body(x)
            y += x if self.short is None else self.short(x)
            return F.relu(y, inplace=True) if self.relu else y

    def conv(cin, cout, k, stride=1, act=None, groups=1, bias=False):
        layers = [nn.Conv2d(cin, cout, k, stride, k // 2, groups=groups, bias=bias), nn.BatchNorm2d(cout)]
        return layers + ([act(inplace=True)] if act else [])

    def mlp():
        return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10))

    def lenet(act):
        return nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), act(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), act(),
                             nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120), act(), nn.Linear(120, 84), act(),
                             nn.Linear(84, 10))

    def resnet20():
        layers, cin = conv(3, 16, 3, 1, nn.ReLU), 16
        for cout, first in ((16, 1), (32, 2), (64, 2)):
            for i in range(3):
                stride = first if i == 0 else 1
                short = nn.Sequential(*conv(cin, cout, 1, stride)) if stride > 1 or cin != cout else None
                layers.append(Residual(nn.Sequential(*conv(cin, cout, 3, stride, nn.ReLU), *conv(cout, cout, 3)), short))
                cin = cout
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))

    def vgg16():
        layers, cin = [], 3
        for cout, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(depth):
                layers += conv(cin, cout, 3, 1, nn.ReLU, bias=True)
                cin = cout
            layers.append(nn.MaxPool2d(2))
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))

    def resnet50():
        layers, cin = conv(3, 64, 7, 2, nn.ReLU) + [nn.MaxPool2d(3, 2, 1)], 64
        for width, depth, first in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
            for i in range(depth):
                stride, cout = first if i == 0 else 1, 4 * width
                short = nn.Sequential(*conv(cin, cout, 1, stride)) if i == 0 else None
                layers.append(Residual(nn.Sequential(*conv(cin, width, 1, 1, nn.ReLU), *conv(width, width, 3, stride, nn.ReLU),
                                                     *conv(width, cout, 1)), short))
                cin = cout
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000))

    def mobilenet():
        layers, cin = conv(3, 32, 3, 2, nn.ReLU6), 32
        for expand, cout, depth, first in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                           (6, 160, 3, 2), (6, 320, 1, 1)):
            for i in range(depth):
                stride, hidden = first if i == 0 else 1, cin * expand
                body = conv(cin, hidden, 1, 1, nn.ReLU6) if expand > 1 else []
                body = nn.Sequential(*body, *conv(hidden, hidden, 3, stride, nn.ReLU6, hidden), *conv(hidden, cout, 1))
                layers.append(Residual(body, relu=False) if stride == 1 and cin == cout else body)
                cin = cout
        return nn.Sequential(*layers, *conv(cin, 1280, 1, 1, nn.ReLU6), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                             nn.Dropout(0.2), nn.Linear(1280, 1000))

    def double(cin, cout):
        return nn.Sequential(*conv(cin, cout, 3, 1, nn.ReLU), *conv(cout, cout, 3, 1, nn.ReLU))

    class UNet(nn.Module):
        def __init__(self, cin=3, width=16, depth=4):
            super().__init__()
            self.depth = depth
            self.first = double(cin, width)
            if depth:
                self.pool, self.below = nn.MaxPool2d(2), UNet(width, 2 * width, depth - 1)
                self.up, self.last = nn.ConvTranspose2d(2 * width, width, 2, 2), double(2 * width, width)

        def forward(self, x):
            skip = self.first(x)
            if not self.depth:
                return skip
            return self.last(torch.cat([self.up(self.below(self.pool(skip))), skip], 1))

    return {"W1": mlp, "W2": lambda: lenet(nn.Tanh), "W2r": lambda: lenet(nn.ReLU), "W3": resnet20, "W4": vgg16,
            "W5": resnet50, "W6": mobilenet, "W10": lambda: nn.Sequential(UNet(), nn.Conv2d(16, 1, 1))}


def age():
    """Seconds since this process was created."""
    with open("/proc/self/stat") as f:
        ticks = int(f.read().rsplit(")", 1)[1].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def compiled(torch, model, form):
    modes = {"compiled": "default", "graphs": "reduce-overhead"}
    return torch.compile(model, mode=modes[form]) if form in modes else model


def training_step(torch, model, x, y, spec, form, half):
    optimizer = spec["train"]["optimizer"]
    if optimizer["type"] == "adam":
        opt = torch.optim.Adam(model.parameters(), lr=optimizer["lr"], fused=x.is_cuda or None)
    else:
        opt = torch.optim.SGD(model.parameters(), lr=optimizer["lr"], momentum=optimizer.get("momentum", 0),
                              weight_decay=optimizer.get("weight_decay", 0), fused=x.is_cuda or None)
    F = torch.nn.functional
    loss_of = {"cross_entropy": F.cross_entropy, "bce_with_logits": F.binary_cross_entropy_with_logits}[
        spec["train"].get("loss", "cross_entropy")]
    model.train()
    model = compiled(torch, model, form)
    scaler = torch.amp.GradScaler() if half == torch.float16 else None

    def step():
        opt.zero_grad(set_to_none=True)
        with torch.autocast("cuda", dtype=half, enabled=half is not None):
            loss = loss_of(model(x), y)
        (scaler.scale(loss) if scaler else loss).backward()
        if scaler:
            scaler.step(opt)
            scaler.update()
        else:
            opt.step()
        if not x.is_cuda:
            loss.item()
    return step


def inference_step(torch, model, x, form, threads):
    model.eval()
    if form == "onnxruntime":
        import onnxruntime
        with tempfile.NamedTemporaryFile(suffix=".onnx") as f:
            torch.onnx.export(model, (x,), f.name, dynamo=False)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            session = onnxruntime.InferenceSession(f.name, options, providers=["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: x.contiguous().numpy()}
        return lambda: session.run(None, feed)
    if form == "frozen":
        with torch.no_grad():
            model = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, x)))
    model = compiled(torch, model, form)

    def step():
        with torch.inference_mode():
            model(x)
    return step


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("workload")
    p.add_argument("mode", choices=["train", "infer"])
    p.add_argument("--device", default="cpu")
    p.add_argument("--precision", default="f32", choices=["f32", "tf32", "bf16", "f16"])
    p.add_argument("--batch", type=int)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seconds", type=float, default=2)
    p.add_argument("--form", default="eager", choices=["eager", "channels_last", "frozen", "compiled", "graphs", "onnxruntime"])
    a = p.parse_args()
    on_device = a.device != "cpu"
    if not on_device and a.precision != "f32" or on_device and a.form == "onnxruntime":
        p.error("precisions are for devices, onnxruntime is for the CPU")
    os.environ["OMP_NUM_THREADS"] = str(a.threads)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "workloads.json")) as f:
        text = "".join(line for line in f if not line.startswith("//"))
    spec = next(w for w in json.loads(text) if w["name"] == a.workload)
    import torch
    torch.manual_seed(1234)
    torch.set_num_threads(a.threads)
    if on_device:
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = a.precision != "f32"
    half = {"bf16": torch.bfloat16, "f16": torch.float16}.get(a.precision)
    batch = a.batch or spec["batch"]
    model = networks(torch)[a.workload]().to(a.device)
    x = torch.randn(batch, *spec["sample"], device=a.device)
    y = torch.randint(2, (batch, *spec["target"])).float() if "target" in spec else torch.randint(spec["classes"], (batch,))
    y = y.to(a.device)
    if half and a.mode == "infer":
        model, x = model.to(half), x.to(half)
    if a.form not in ("eager", "onnxruntime") and x.dim() == 4:
        model = model.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    if a.mode == "train":
        step = training_step(torch, model, x, y, spec, a.form, half)
    else:
        step = inference_step(torch, model, x, a.form, a.threads)
    wait = torch.cuda.synchronize if on_device else lambda: None
    step()
    wait()
    first = age()
    rates = measure(step, wait, batch, a.seconds, on_device)
    peak = torch.cuda.max_memory_reserved() if on_device else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"workload": a.workload, "mode": a.mode, "batch": batch, "threads": a.threads, "device": a.device,
                      "precision": a.precision, "form": a.form, "version": torch.__version__, "best": rates[-1],
                      "median": rates[len(rates) // 2], "peak_mib": peak / 2**20, "first_step_seconds": first}))


def measure(step, wait, batch, seconds, on_device):
    """Samples per second of groups of steps, slowest first; a device is waited for after as many as take a tenth of a second."""
    for _ in range(3):
        step()
    wait()
    rates, burst, end = [], 1, time.perf_counter() + seconds
    while time.perf_counter() < end or len(rates) < 3:
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < 0.1:
            for _ in range(burst):
                step()
            wait()
            steps += burst
        spent = time.perf_counter() - start
        rates.append(steps * batch / spent)
        if on_device:
            burst = max(1, int(0.1 / spent * steps))
    return sorted(rates)


if __name__ == "__main__":
    sys.exit(main())
