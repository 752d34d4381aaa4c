#!/usr/bin/env python3
"""pillow_check.py BUILD: dl-augment changes pictures as Pillow does, where both have the transform.

Exits with 77 (skipped) where Pillow or h5py is not installed; DL_PYTHON names the interpreter that has them.
"""
import colorsys
import json
import os
import pathlib
import subprocess
import sys
import tempfile

if os.environ.get("DL_PYTHON") and not os.environ.get("DL_PYTHON_RUNS"):
    os.execve(os.environ["DL_PYTHON"], [os.environ["DL_PYTHON"], *sys.argv], {**os.environ, "DL_PYTHON_RUNS": "1"})
try:
    import h5py
    import numpy as np
    from PIL import Image, ImageEnhance, ImageOps
except ImportError as e:
    print(f"SKIP: {e}; set DL_PYTHON to an interpreter with Pillow and h5py")
    sys.exit(77)

SIDE, COUNT = 32, 12
build = pathlib.Path(sys.argv[1]).resolve()
folder = tempfile.TemporaryDirectory(prefix="dl-pillow-")
home = pathlib.Path(folder.name)


def tool(*args):
    run = subprocess.run([str(build / args[0]), *map(str, args[1:])], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{' '.join(map(str, args))}: exit {run.returncode}\n{run.stderr[-2000:]}")


def pictures():
    """Smooth colours with a little noise, as PNG files of two classes."""
    random = np.random.default_rng(1)
    for i in range(COUNT):
        coarse = random.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.BICUBIC)).astype(int)
        noisy = np.clip(smooth * 0.8 + 20 + random.integers(-6, 7, smooth.shape), 0, 255).astype(np.uint8)
        place = home / "raw" / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy).save(place / f"{i:02}.png")
    tool("dl-prep", "-q", home / "raw", "-s", 'prep.from={"type": "folder", "channels": "rgb"}',
         "-o", home / "d.h5")


def rows(path):
    with h5py.File(path) as f:
        return f["train/image"][:].transpose(0, 2, 3, 1)


def hue(picture, turns):
    out = np.zeros(picture.shape)
    for at in np.ndindex(picture.shape[:2]):
        h, s, v = colorsys.rgb_to_hsv(*(picture[at] / 255))
        out[at] = np.array(colorsys.hsv_to_rgb((h + turns) % 1, s, v)) * 255
    return np.rint(out)


def in_middle(image, size):
    out = np.zeros((SIDE, SIDE, 3), int)
    at = (SIDE - size) // 2
    out[at:at + size, at:at + size] = image
    return out


centre = {"type": "crop", "size": SIDE, "place": "center"}
whole, inside = np.s_[:, :], np.s_[10:22, 10:22]
# What dl-augment is asked, what Pillow does, where they are compared, how far apart they may be.
CASES = [
    ([{"type": "flip", "p": 1}], ImageOps.mirror, whole, 0),
    (["invert"], ImageOps.invert, whole, 0),
    ([{"type": "posterize", "bits": 3}], lambda p: ImageOps.posterize(p, 3), whole, 0),
    ([{"type": "solarize", "threshold": 128}], lambda p: ImageOps.solarize(p, 128), whole, 0),
    (["equalize"], ImageOps.equalize, whole, 0),
    (["auto_contrast"], ImageOps.autocontrast, whole, 1),
    ([{"type": "brightness", "factor": 1.3}], lambda p: ImageEnhance.Brightness(p).enhance(1.3), whole, 1),
    ([{"type": "contrast", "factor": 1.6}], lambda p: ImageEnhance.Contrast(p).enhance(1.6), whole, 2),
    ([{"type": "saturation", "factor": 0.3}], lambda p: ImageEnhance.Color(p).enhance(0.3), whole, 2),
    ([{"type": "sharpen", "factor": 2}], lambda p: ImageEnhance.Sharpness(p).enhance(2), whole, 2),
    ([{"type": "hue", "turns": 0.2}], lambda p: hue(np.asarray(p), 0.2), whole, 1),
    ([{"type": "rotate", "degrees": 20}], lambda p: p.rotate(20, Image.BILINEAR), inside, 1),
    ([{"type": "resize", "size": 20}, centre], lambda p: in_middle(p.resize((20, 20), Image.BILINEAR), 20), whole, 1),
    ([{"type": "resize", "size": 16, "method": "area"}, centre], lambda p: in_middle(p.resize((16, 16), Image.BOX), 16),
     whole, 1),
    ([{"type": "resize", "size": 48}, centre],
     lambda p: np.asarray(p.resize((48, 48), Image.BILINEAR))[8:40, 8:40], whole, 1),
]

pictures()
before, bad = rows(home / "d.h5"), 0
for transforms, pillow, where, limit in CASES:
    tool("dl-augment", "-q", "-s", "augment=" + json.dumps(transforms), "--no-originals", home / "d.h5", "-o", home / "a.h5", "--force")
    after = rows(home / "a.h5").astype(int)
    worst = max(int(np.abs(np.asarray(pillow(Image.fromarray(b))).astype(int) - a)[where].max()) for a, b in zip(after, before))
    print(f"{json.dumps(transforms[0])}: at most {worst} apart, {limit} allowed")
    bad += worst > limit
sys.exit(bool(bad))
