#!/usr/bin/env python3
"""Every config key of a tool, misspelt by one letter, is exit 3 with the right suggestion. Reads the tool's --schema.
Also: each template of --init is a valid config."""
import json
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

TOOL = sys.argv[1]


def run(*args):
    return subprocess.run([TOOL, *args], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def sample(schema):
    """Some value of a schema's kind, for required neighbours."""
    if "default" in schema: return schema["default"]
    if "const" in schema: return schema["const"]
    if "enum" in schema: return schema["enum"][0]
    if "anyOf" in schema: return sample(schema["anyOf"][0])
    kind = schema.get("type", "object")
    if kind == "object": return {k: sample(schema["properties"][k]) for k in schema.get("required", [])}
    return {"array": [], "string": "x", "boolean": False}.get(kind, max(1, schema.get("minimum", 1)))


def misspelt(key, known):
    """One letter replaced, doubled, dropped, two exchanged: the first two that are no other known key."""
    m = len(key) // 2
    forms = [key[:m] + ("q" if key[m] != "q" else "z") + key[m + 1:], key[:m + 1] + key[m:]]
    if len(key) > 2:
        forms += [key[:m] + key[m + 1:], key[:m - 1] + key[m] + key[m - 1] + key[m + 1:]]
    return [f for f in forms if f not in known and not f.startswith(("_", "x-"))][:2]


def cases(schema, wrap):
    """(config, misspelt key, right key) for every object below `schema`; `wrap` puts a value into its config."""
    if "anyOf" in schema:
        for one in schema["anyOf"]: yield from cases(one, wrap)
    if "items" in schema:
        yield from cases(schema["items"], lambda v: wrap([v]))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from cases(schema["additionalProperties"], lambda v: wrap({"name": v}))
    properties = schema.get("properties", {})
    base = {k: sample(p) for k, p in properties.items() if k in schema.get("required", []) or "const" in p}
    for key, value in properties.items():
        if schema.get("additionalProperties") is False:
            for wrong in misspelt(key, properties):
                yield wrap({**base, wrong: sample(value)}), wrong, key
        yield from cases(value, lambda v, key=key: wrap({**base, key: v}))


def check(case):
    config, wrong, key = case
    r = run("-c", json.dumps(config), "--print-config")
    hint = "".join(line for line in r.stderr.splitlines() if "hint:" in line)
    named = re.search(r"(?<![\w])" + re.escape(key) + r"(?![\w])", hint)
    if r.returncode != 3 or f"'{wrong}'" not in r.stderr or not named:
        return f"{json.dumps(config)}\n  '{wrong}' for '{key}': exit {r.returncode}\n  " + r.stderr.replace("\n", "\n  ")
    return None


schema = json.loads(run("--schema").stdout)
schema["properties"].pop("extends")
# A key's misspelling is not tested below another misspelling, so each case has one mistake.
# A key that stands in many places, as the ones that all layers share, is tried in three of them.
found, times = [], Counter()
for case in cases(schema, lambda v: v):
    times[case[1:]] += 1
    if times[case[1:]] <= 3: found.append(case)
with ThreadPoolExecutor(2) as pool:
    bad = [text for text in pool.map(check, found) if text]
listed = re.search(r"hint: templates: (.*)", run("--init= ").stderr)
for name in listed[1].split(", ") if listed else []:
    r = run("-c", run("--init=" + name).stdout, "--print-config")
    if r.returncode: bad.append(f"--init={name}: {r.stderr}")
print("\n".join(bad))
print(f"{len(found)} misspelt keys, {len(bad)} wrong")
sys.exit(bool(bad) or not found)
