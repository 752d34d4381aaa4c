#!/usr/bin/env python3
"""hpo_search_test.py DL_HPO [KILLS]: searches that learn and prune give the same trials for any number of jobs; folds, launchers,
constraints; and trials survive KILLS kills of workers and of the program itself, which leave no process behind."""
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

KILLS = int(sys.argv.pop(2)) if len(sys.argv) > 2 else 10
HPO = sys.argv.pop(1)

# Reports an accuracy for each epoch: better for rates near 0.3, for later epochs, and for some folds and seeds.
TRAINER = r"""#!/usr/bin/env -S python3 -I -S
import json, os, sys, time
if "--schema" in sys.argv:
    print(json.dumps({"properties": {"train": {}, "model": {}}}))
    sys.exit(0)
arg = lambda name: sys.argv[sys.argv.index(name) + 1]
config = json.load(open(arg("-c")))
train, state = config["train"], arg("-o") + ".state"
fold = int(arg("-s").split("=")[1]) if "-s" in sys.argv else 0
time.sleep(train.get("sleep", 0) * (1 + int(arg("--seed")) % 5))
os.makedirs(state, exist_ok=True)
done = int(open(state + "/epoch").read()) if os.path.exists(state + "/epoch") else 0
out = open(arg("--events"), "a")
say = lambda **e: print(json.dumps({"dl": 1, **e}), file=out, flush=True)
say(event="run_start", parameters=int(1000 * train["lr"]))
value = lambda epoch: 1 - (train["lr"] - 0.3) ** 2 - 0.1 / epoch + 0.001 * fold
for epoch in range(done + 1, train["epochs"] + 1):
    say(event="epoch", epoch=epoch, metrics={"valid.accuracy": value(epoch)})
    time.sleep(train.get("pace", 0))
    with open(state + "/epoch.part", "w") as f: f.write(str(epoch))
    os.replace(state + "/epoch.part", state + "/epoch")
say(event="run_end", metrics={"valid.accuracy": value(train["epochs"]), "latency": 5})
"""


def processes(word):
    """Numbers and states of processes that have a word in their command line."""
    out = {}
    for p in pathlib.Path("/proc").iterdir():
        try:
            if p.name.isdigit() and word in (p / "cmdline").read_bytes().decode(errors="replace"):
                out[int(p.name)] = (p / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            pass
    return out


class HpoSearch(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="dl-hpo-test-")
        self.addCleanup(holder.cleanup)
        self.dir = pathlib.Path(holder.name)
        self.trainer = self.dir / "trainer"
        self.trainer.write_text(TRAINER)
        self.trainer.chmod(0o755)

    def config(self, train={}, **search):
        path = self.dir / "c.json"
        search = {"space": {"train.lr": {"uniform": [0, 1]}}, "trials": 12, **search}
        path.write_text(json.dumps({"train": {"lr": 0.1, "epochs": 3, **train}, "model": {"width": 4}, "search": search}))
        return str(path)

    def command(self, verb, study, *args):
        return [HPO, verb, *args, "-o", str(self.dir / study), "--trainer", str(self.trainer)]

    def hpo(self, verb, study, *args, code=0):
        r = subprocess.run(self.command(verb, study, *args), capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
        self.assertEqual(r.returncode, code, r.stderr)
        return r

    def search(self, study, *args, jobs=1, code=0, **config):
        self.hpo("run", study, "-c", self.config(**config), "--data", "d", "--jobs", str(jobs), *args, code=code)
        return self.trials(study)

    def trials(self, study):
        all = json.loads(self.hpo("trials", study, "--format", "json").stdout)
        return [{k: v for k, v in t.items() if k != "seconds"} for t in all]

    def test_any_number_of_jobs_gives_the_same_trials(self):
        for name, config in {
            "tpe": {"sampler": {"type": "tpe", "startup": 4}},
            "gp": {"sampler": {"type": "gp", "startup": 4}},
            "asha": {"pruner": "asha", "train": {"epochs": 9, "sleep": 0.01}},
            "hyperband": {"pruner": {"type": "hyperband", "max_epochs": 3}, "sampler": "tpe"},
            "pbt": {"sampler": {"type": "pbt", "population": 4}},
        }.items():
            with self.subTest(name):
                one = self.search(name + "1", **config)
                self.assertEqual(self.search(name + "4", jobs=4, **config), one)
                self.assertEqual(len(one), 12)

    def test_pruned_trials_end_early(self):
        trials = self.search("p", pruner={"type": "median", "startup": 3}, train={"epochs": 40, "pace": 0.02}, batch=1)
        pruned = [t for t in trials if t["state"] == "pruned"]
        self.assertTrue(2 <= len(pruned) <= 8, trials)
        self.assertRegex(pruned[0]["why"], "worse than the median of [0-9]+ trials after 1 epoch")
        for t in pruned:  # stopped, not left to run on
            events = (self.dir / f"p.trials/{t['trial']:04}/events.jsonl").read_text().splitlines()
            self.assertLess(len(events), 35)

    def test_rungs_and_populations_go_on_from_states(self):
        trials = self.search("h", pruner={"type": "successive_halving", "size": 9, "factor": 3}, trials=13)
        best = [t for t in trials if t.get("epochs") == 9]
        self.assertEqual(len(best), 1)
        events = [json.loads(e) for e in (self.dir / f"h.trials/{best[0]['trial']:04}/events.jsonl").read_text().splitlines()]
        self.assertEqual([e["epoch"] for e in events if e["event"] == "epoch"], [4, 5, 6, 7, 8, 9])  # 1 to 3 are those of its parents
        self.assertEqual(json.loads(self.hpo("best", "h", "--format", "json").stdout)["trial"], best[0]["trial"])

    def test_folds_and_repeats_give_their_mean(self):
        trials = self.search("f", folds=3, repeats=2, trials=2)
        r = json.loads(self.hpo("best", "f", "--format", "json").stdout)
        self.assertEqual(len(r["metrics"]["runs"]), 6)
        self.assertAlmostEqual(r["value"], sum(r["metrics"]["runs"]) / 6)
        self.assertGreater(r["metrics"]["standard_deviation"], 0)
        self.assertEqual({t["state"] for t in trials}, {"complete"})
        self.assertTrue((self.dir / "f.trials/0001/run_5/log").exists())

    def test_constraints_on_metrics_rule_out_the_best(self):
        trials = self.search("k", constraints=["parameters <= 250", "latency < 10"], trials=20)
        best = json.loads(self.hpo("best", "k", "--format", "json").stdout)
        self.assertLess(best["parameters"]["train.lr"], 0.251)
        broken = [t for t in trials if t.get("feasible") is False]
        self.assertEqual(broken[0]["why"], "breaks parameters <= 250")
        r = self.hpo("run", "k2", "-c", self.config(constraints=["memory < 1"], trials=2), "--data", "d", code=8)
        self.assertIn("no metric 'memory'", r.stderr)
        r = self.hpo("run", "k3", "-c", self.config(constraints=["train.lr <"]), "--data", "d", code=3)
        self.assertIn("c.json:1:", r.stderr)

    def test_a_launcher_starts_trainers_and_its_failures_are_told_apart(self):
        args = ["--launcher", "sh -c 'echo slot {job} of trial {trial}; exec {sh}'"]
        self.assertEqual({t["state"] for t in self.search("l", *args, trials=3)}, {"complete"})
        self.assertIn("slot 0 of trial 1", (self.dir / "l.trials/0001/log").read_text())
        self.assertEqual({t["state"] for t in self.search("n", "--launcher", "nice -n 1 {}", trials=2)}, {"complete"})
        flaky = self.dir / "flaky"
        flaky.write_text('#!/bin/sh\n[ -e "$0.once" ] || { touch "$0.once"; exit 255; }\nexec "$@"\n')
        flaky.chmod(0o755)
        r = self.hpo("run", "m", "-c", self.config(trials=2), "--data", "d", "--launcher", f"{flaky} {{}}")
        self.assertIn("trial 0: lost, exit 255; it runs again", r.stderr)
        r = self.hpo("run", "o", "-c", self.config(trials=2), "--data", "d", "--launcher", "false {}", code=1)
        self.assertIn("the launcher failed: exit 1", r.stderr)
        for bad in ("srun", "srun 'x {}", "srun {host} {}"):
            self.hpo("run", "q", "-c", self.config(), "--data", "d", "--launcher", bad, code=2)

    def test_ask_waits_for_results_and_tell_says_when_to_stop(self):
        c = self.config(sampler="tpe", batch=2, pruner={"type": "threshold", "min": 0.5}, trials=9)
        asked = json.loads(self.hpo("ask", "a", "-c", c, "--count", "5", "--format", "json").stdout)
        self.assertEqual([t["trial"] for t in asked], [0, 1])
        self.assertIn("depends on the result of trial 0", self.hpo("ask", "a", code=4).stderr)
        self.assertEqual(json.loads(self.hpo("tell", "a", "--trial", "0", "--step", "1", "--value", "0.6", "--format", "json").stdout)["prune"], False)
        self.assertIn("prune: 0.4 is below 0.5", self.hpo("tell", "a", "--trial", "0", "--step", "2", "--value", "0.4").stdout)
        self.hpo("tell", "a", "--trial", "0", "--state", "pruned")
        self.hpo("ask", "a")

    def test_only_the_best_model_stays_when_asked(self):
        self.search("b", "--keep", "best", trials=5)
        best = json.loads(self.hpo("best", "b", "--format", "json").stdout)["trial"]
        self.assertEqual([p.parent.name for p in self.dir.glob("b.trials/*/model.h5.state")], [f"{best:04}"])

    def test_a_report_holds_all_it_shows(self):
        self.search("r", "--report", str(self.dir / "r.html"), trials=8, pruner="median", sampler="tpe")
        page = (self.dir / "r.html").read_text()
        for part in ("History", "Importance", "Parallel coordinates", "Slices", "Curves", "<svg"):
            self.assertIn(part, page)
        self.assertNotRegex(page, "<script|https?:|src=")
        share = json.loads(self.hpo("importance", "r", "--format", "json").stdout)
        self.assertEqual([i["key"] for i in share], ["train.lr"])
        self.assertGreater(share[0]["share"], 0.99)

    def test_a_live_search_takes_over_the_trials_of_a_dead_one(self):
        c = self.config(train={"epochs": 3, "pace": 0.1}, trials=8)
        both = [subprocess.Popen(self.command("run", "t", "-c", c, "--data", "d", "--jobs", "2"), stderr=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL) for _ in range(2)]
        for _ in range(200):
            if (self.dir / "t").exists() and len(self.trials("t")) >= 4:
                break
            time.sleep(0.02)
        both[0].kill()
        both[0].wait()
        self.assertEqual(both[1].wait(timeout=120), 0)
        self.assertEqual([t["state"] for t in self.trials("t")], ["complete"] * 8)

    def test_kills_lose_no_finished_trial_and_leave_no_process(self):
        rng = random.Random(1)
        c = self.config(train={"epochs": 4, "pace": 0.03}, trials=100000, retries=1000)
        begin = time.monotonic()
        subprocess.run([self.trainer, "--schema"], check=True, stdout=subprocess.DEVNULL)
        start = time.monotonic() - begin  # of one trainer, on a machine as busy as this one is
        kills, finished, p = 0, {}, None
        while kills < KILLS or not finished:
            if p is None:
                p = subprocess.Popen(self.command("run", "z", "-c", c, "--data", "d", "--jobs", "3", "-q"), stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            time.sleep(rng.uniform(0.05, 0.4 + 5 * start))
            if p.poll() is not None:
                self.fail(f"exit {p.returncode}: {p.communicate()[1]}")
            workers = [n for n, s in processes(f"{self.dir}/z.trials").items() if s != "Z"]
            if rng.random() < 0.5 and workers:
                try:
                    os.kill(rng.choice(workers), signal.SIGKILL)
                except ProcessLookupError:
                    continue
            else:
                p.kill()
                p.wait()
                p.stderr.close()
                p = None
                for _ in range(100):
                    left = {n: s for n, s in processes(str(self.dir)).items() if s != "Z"}
                    if not left:
                        break
                    time.sleep(0.05)
                self.assertEqual(left, {}, "processes outlive the search")
            kills += 1
            if not (self.dir / "z").exists():
                continue
            now = {t["trial"]: t for t in self.trials("z") if t["state"] == "complete"}
            for n, t in finished.items():
                self.assertEqual(now.get(n), t)
            finished = now
        if p is not None:
            zombies = [n for n, s in processes("").items() if s == "Z" and f" {p.pid} " in pathlib.Path(f"/proc/{n}/stat").read_text()]
            time.sleep(0.5)
            self.assertEqual([n for n in zombies if pathlib.Path(f"/proc/{n}").exists()], [])
            p.send_signal(signal.SIGTERM)
            self.assertEqual(p.wait(timeout=60), 143)
            p.stderr.close()
        self.assertEqual({n: s for n, s in processes(str(self.dir)).items() if s != "Z"}, {})


if __name__ == "__main__":
    unittest.main()
