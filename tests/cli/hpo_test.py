#!/usr/bin/env python3
"""Runs dl-hpo over a trainer made of a few lines: trials, failures, kills, resumption, ask and tell."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HPO = sys.argv.pop(1)

TRAINER = r"""#!/usr/bin/env -S python3 -I -S
import json, os, sys, time
if "--schema" in sys.argv:
    print(json.dumps({"properties": {"train": {"type": "object", "properties": {"lr": {"type": "number"}, "how": {"type": "string"}}}}}))
    sys.exit(0)
arg = lambda name: sys.argv[sys.argv.index(name) + 1]
train = json.load(open(arg("-c")))["train"]
how = train.get("how", "")
if how == "slow" and not os.path.exists(arg("--data")):
    open(arg("-o") + ".started", "w").close()
    time.sleep(60)
if how == "diverge" and train["lr"] > 0.5: sys.exit(8)
if how == "kill" and train["lr"] > 0.5: os.kill(os.getpid(), 9)
if how == "bad": sys.exit(4)
metrics = {} if how == "mute" else {"valid.accuracy": 1 - train["lr"]}
with open(arg("--events"), "a") as f:
    print(json.dumps({"dl": 1, "event": "run_end", "metrics": metrics}), file=f)
print("seed", arg("--seed"))
"""


class Hpo(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.dir = pathlib.Path(holder.name)
        self.trainer = self.dir / "trainer"
        self.trainer.write_text(TRAINER)
        self.trainer.chmod(0o755)
        self.study = str(self.dir / "s")

    def config(self, how="", **search):
        path = self.dir / "c.json"
        search = {"space": {"train.lr": {"uniform": [0, 1]}}, "trials": 6, **search}
        path.write_text(json.dumps({"train": {"how": how}, "search": search}))
        return str(path)

    def args(self, verb, *args):
        return [HPO, verb, *args, "-o", self.study, "--trainer", str(self.trainer)]

    def hpo(self, verb, *args):
        return subprocess.run(self.args(verb, *args), capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)

    def trials(self):
        r = self.hpo("trials", "--format", "json")
        self.assertEqual(r.returncode, 0, r.stderr)
        return json.loads(r.stdout)

    def test_the_best_trial_and_its_config_come_out(self):
        best = self.dir / "best.json"
        r = self.hpo("run", "-c", self.config(), "--data", "d", "--format", "json", "--best-config", str(best), "--jobs", "2")
        self.assertEqual(r.returncode, 0, r.stderr)
        trials = self.trials()
        self.assertEqual([t["state"] for t in trials], ["complete"] * 6)
        top = max(trials, key=lambda t: t["value"])
        self.assertEqual(json.loads(r.stdout)["trial"], top["trial"])
        self.assertEqual(json.loads(best.read_text()), {"train": {"how": "", "lr": top["parameters"]["train.lr"]}})
        self.assertEqual(json.loads(self.hpo("best", "--best-config", "-").stdout), json.loads(best.read_text()))
        seeds = {(self.dir / f"s.trials/{n:04}/log").read_text() for n in range(6)}
        self.assertEqual(len(seeds), 6)
        again = self.hpo("run", "-c", self.config(trials=7), "--data", "d")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(self.trials()[:6], trials)
        self.assertEqual(len(self.trials()), 7)

    def test_parameters_do_not_depend_on_jobs(self):
        self.hpo("run", "-c", self.config(), "--data", "d")
        one = [t["parameters"] for t in self.trials()]
        self.study += "2"
        self.hpo("run", "-c", self.config(), "--data", "d", "--jobs", "4")
        self.assertEqual([t["parameters"] for t in self.trials()], one)

    def test_divergence_and_kills_are_part_of_a_search(self):
        for how, why in [("diverge", "exit 8 (numeric)"), ("kill", "killed by SIGKILL (9)")]:
            with self.subTest(how):
                self.study = str(self.dir / how)
                r = self.hpo("run", "-c", self.config(how), "--data", "d")
                self.assertEqual(r.returncode, 0, r.stderr)
                failed = [t for t in self.trials() if t["state"] == "failed"]
                self.assertTrue(failed)
                self.assertEqual({t["why"] for t in failed}, {why})

    def test_other_failures_stop_the_search_unless_asked_to_go_on(self):
        r = self.hpo("run", "-c", self.config("bad"), "--data", "d")
        self.assertEqual(r.returncode, 4, r.stderr)
        self.assertIn("exit 4 (data)", r.stderr)
        self.assertEqual(len(self.trials()), 1)
        r = self.hpo("run", "-c", self.config("bad"), "--data", "d", "--keep-going")
        self.assertEqual(r.returncode, 8, r.stderr)
        self.study += "2"
        r = self.hpo("run", "-c", self.config("mute"), "--data", "d")
        self.assertEqual(r.returncode, 3)
        self.assertIn("no finite 'valid.accuracy'", r.stderr)

    def started(self, n=0):
        for _ in range(600):
            if (self.dir / f"s.trials/{n:04}/model.h5.started").exists():
                return
            time.sleep(0.05)
        self.fail("the trainer did not start")

    def test_a_stopped_search_goes_on_with_the_same_parameters(self):
        for number, code in [(signal.SIGTERM, 143), (signal.SIGKILL, -9)]:
            with self.subTest(number):
                self.study = str(self.dir / "s")
                data = str(self.dir / f"data{code}")
                p = subprocess.Popen(self.args("run", "-c", self.config("slow"), "--data", data), stderr=subprocess.DEVNULL)
                self.started()
                p.send_signal(number)
                self.assertEqual(p.wait(timeout=60), code)
                before = self.trials()[0]["parameters"]
                pathlib.Path(data).touch()
                for _ in range(100):  # the orphan is asked to stop, and holds its lock until it has
                    r = self.hpo("run", "-c", self.config("slow"), "--data", data)
                    if len([t for t in self.trials() if t["state"] == "complete"]) == 6:
                        break
                    time.sleep(0.05)
                self.assertEqual(r.returncode, 0, r.stderr)
                self.assertEqual(self.trials()[0]["parameters"], before)
                for f in (self.dir / "s").parent.glob("s*"):
                    subprocess.run(["rm", "-rf", str(f)], check=True)

    def test_a_key_nobody_knows_is_an_error_before_the_first_trial(self):
        r = self.hpo("run", "-c", self.config(space={"train.lrr": {"uniform": [0, 1]}}), "--data", "d")
        self.assertEqual(r.returncode, 3)
        self.assertIn("'lrr' is not a key of train", r.stderr)
        self.assertIn("did you mean lr", r.stderr)
        self.assertIn("c.json:1:", r.stderr)
        self.assertFalse(os.path.exists(self.study))
        self.assertEqual(self.hpo("run", "-c", self.config(), "--dry-run").returncode, 0)
        self.assertFalse(os.path.exists(self.study))

    def test_ask_and_tell_do_it_by_hand(self):
        r = self.hpo("ask", "-c", self.config(trials=2), "--format", "json")
        self.assertEqual(r.returncode, 0, r.stderr)
        ask = json.loads(r.stdout)
        self.assertEqual(json.loads(pathlib.Path(ask["config"]).read_text())["train"]["lr"], ask["parameters"]["train.lr"])
        self.assertEqual(self.hpo("tell", "--trial", "0", "--value", "-0.5").returncode, 0)
        self.assertEqual(json.loads(self.hpo("ask", "--format", "json").stdout)["trial"], 1)
        self.assertEqual(self.hpo("tell", "--trial", "1", "--state", "failed", "--why", "rain").returncode, 0)
        self.assertEqual(self.hpo("ask").returncode, 4)
        self.assertEqual([(t["state"], t["value"]) for t in self.trials()], [("complete", -0.5), ("failed", None)])
        self.assertEqual(json.loads(self.hpo("best", "--format", "json").stdout)["value"], -0.5)
        for args in (["--trial", "0"], ["--value", "1"], ["--trial", "9", "--value", "1"]):
            self.assertEqual(self.hpo("tell", *args).returncode, 2)

    def test_wrong_words(self):
        self.assertEqual(subprocess.run([HPO], capture_output=True, timeout=60).returncode, 2)
        r = self.hpo("rnu")
        self.assertEqual(r.returncode, 2)
        self.assertIn("did you mean run", r.stderr)
        self.assertEqual(self.hpo("trials").returncode, 4)


if __name__ == "__main__":
    unittest.main()
