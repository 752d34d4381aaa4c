#!/usr/bin/env python3
"""Runs the sample tool from outside: options, streams, config errors, exit codes, signals, generated texts."""
import json
import os
import pathlib
import pty
import random
import signal
import subprocess
import sys
import tempfile
import unittest

TOOL = os.path.abspath(sys.argv.pop(1))


def run(*args, stdin=subprocess.DEVNULL, env=None, **kw):
    return subprocess.run([TOOL, *args], stdin=stdin, capture_output=True, text=True, timeout=60,
                          env={**os.environ, **(env or {})}, **kw)


class Folder(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.dir = pathlib.Path(holder.name)

    def write(self, name, text):
        (self.dir / name).write_text(text)
        return str(self.dir / name)


class Options(Folder):
    def record(self, *args):
        r = run("--format", "json", "in", *args)
        self.assertEqual(r.returncode, 0, r.stderr)
        return json.loads(r.stdout)

    def test_long_options_take_their_value_in_both_forms(self):
        self.assertEqual(self.record("--seed=7")["seed"], 7)
        self.assertEqual(self.record("--seed", "7")["seed"], 7)

    def test_options_stand_anywhere_and_two_dashes_end_them(self):
        r = run("a", "--seed", "1", "b", "--format=json", "--", "--seed", "-x")
        self.assertEqual(json.loads(r.stdout)["inputs"], ["a", "b", "--seed", "-x"])

    def test_negative_numbers_are_values(self):
        for v in ("-20", "-0.5", "-1e-3", "-.5"):
            with self.subTest(v):
                self.assertEqual(self.record("--shift", v)["shift"], float(v))
                self.assertEqual(self.record("--shift=" + v)["shift"], float(v))

    def test_booleans_have_a_negative_form(self):
        self.assertTrue(self.record()["shuffle"])
        self.assertFalse(self.record("--no-shuffle")["shuffle"])
        self.assertTrue(self.record("--no-shuffle", "--shuffle")["shuffle"])

    def test_odd_positionals_pass_through(self):
        self.assertEqual(self.record("[a,b]", "", "x=y")["inputs"], ["in", "[a,b]", "", "x=y"])

    def test_a_number_that_is_not_finite_is_null_and_listed(self):
        r = self.record()
        self.assertIsNone(r["loss"])
        self.assertEqual(r["nonfinite"], {"loss": "inf"})

    def test_usage_errors_exit_2_with_a_hint(self):
        for args, words in [
            (["--epoch", "3"], ["unknown option '--epoch'", "did you mean --epochs"]),
            (["--see=3"], ["unknown option '--see'", "--seed"]),
            (["-z"], ["unknown option '-z'"]),
            (["--seed", "x"], ["--seed: 'x' is not an integer"]),
            (["--seed", "-1"], ["--seed: -1 is negative"]),
            (["--seed", "99999999999999999999"], ["is not an integer"]),
            (["--seed"], ["--seed needs a value: --seed N"]),
            (["--seed", "1", "--seed", "2"], ["--seed is given 2 times"]),
            (["--format", "jsn"], ["--format: 'jsn' is not one of human, json, jsonl, csv", "did you mean json"]),
            (["--max-time", "1x"], ["--max-time: '1x' is not a time"]),
            (["--threads", "0"], ["--threads: 0 is out of range"]),
            (["--print-config=all"], ["is not one of full, minimal"]),
            (["--device", "gpu"], ["expected cpu, cuda, cuda:N or auto"]),
            (["-", "--data", "-"], ["standard input is asked for 2 times"]),
            (["-", "-c", "-"], ["standard input is asked for 2 times"]),
            (["--init=big"], ["no template is called 'big'", "templates: small"]),
            (["--events", "fd:77"], ["not an open file descriptor"]),
            (["--depfile", "x.d"], ["--depfile needs an output file"]),
        ]:
            with self.subTest(args):
                r = run("in", *args)
                self.assertEqual(r.returncode, 2, r.stderr)
                self.assertEqual(r.stdout, "")
                for w in words:
                    self.assertIn(w, r.stderr)
                self.assertEqual(r.stderr.count("error:"), 1)
                for line in r.stderr.splitlines():
                    self.assertTrue(line.startswith("dl-sample: "), line)


class Streams(Folder):
    def test_missing_input_means_stdin_when_that_is_no_terminal(self):
        self.assertEqual(json.loads(run("--format", "json").stdout)["inputs"], ["-"])

    def on_terminal(self, *args):
        control, terminal = pty.openpty()
        try:
            p = subprocess.run([TOOL, *args], stdin=terminal, stdout=terminal, stderr=subprocess.PIPE, text=True, timeout=60)
        finally:
            os.close(terminal)
            os.close(control)
        return p

    def test_a_terminal_is_never_waited_for_nor_fed_with_bytes(self):
        for args, words in [([], "no INPUT... is given"), (["in", "--pack"], "-o PATH is required"),
                            (["in", "--pack", "-o", "-"], "not written to a terminal")]:
            with self.subTest(args):
                p = self.on_terminal(*args)
                self.assertEqual(p.returncode, 2)
                self.assertIn(words, p.stderr)
                self.assertIn("usage: dl-sample", p.stderr)

    def test_stdout_carries_the_artifact_alone(self):
        for args in ([], ["-o", "-"], ["--format", "json"], ["-v"], ["--progress", "bar"], ["-q"]):
            self.assertEqual(run("in", "--pack", *args).stdout, "artifact")
        self.assertEqual(run("in", "--pack", "-o", "x").stdout, "packed\n")

    def test_a_reader_that_goes_away_is_exit_141_without_a_word(self):
        read, write = os.pipe()
        os.close(read)
        r = subprocess.run([TOOL, "--help"], stdout=write, stderr=subprocess.PIPE, timeout=60)
        os.close(write)
        self.assertEqual((r.returncode, r.stderr), (141, b""))

    def test_a_full_disk_is_exit_5(self):
        with open("/dev/full", "w") as full:
            r = subprocess.run([TOOL, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(r.returncode, 5)
        self.assertIn("cannot write to standard output", r.stderr)

    def test_verbosity_and_log_file(self):
        log = str(self.dir / "log")
        self.assertEqual(run("in").stderr, "")
        self.assertIn("verbose words", run("in", "-v", "--log-file", log).stderr)
        self.assertEqual(run("in", "-v", "-q").stderr, "")
        self.assertIn("dl-sample: verbose words\n", pathlib.Path(log).read_text())

    def test_colour_only_where_asked(self):
        self.assertNotIn("\x1b", run("in", "--seed", "x").stderr)
        self.assertIn("\x1b", run("in", "--fail", "3", "--color", "always").stderr)

    def test_events_are_json_lines(self):
        path = self.dir / "events"
        self.assertEqual(run("in", "--events", str(path)).returncode, 0)
        e = json.loads(path.read_text())
        self.assertEqual((e["dl"], e["event"], e["loss"], e["nonfinite"]), (1, "run_start", None, {"loss": "nan"}))
        self.assertLess(e["time"], 60)
        r = subprocess.run(["bash", "-c", f"exec 3>{path}.fd; '{TOOL}' in --events fd:3"], timeout=60, capture_output=True)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual(json.loads(pathlib.Path(f"{path}.fd").read_text())["dl"], 1)


class Configs(Folder):
    def test_errors_have_file_line_column_and_hint(self):
        path = self.write("net.json", '{\n  "train": {\n    "epoch": 3}}')
        r = run("in", "-c", path)
        self.assertEqual(r.returncode, 3)
        self.assertEqual(r.stderr, "dl-sample: error: train.epoch: unknown key 'epoch'\n"
                                   f"dl-sample:   at: {path}:3:5\n"
                                   "dl-sample:   hint: did you mean epochs (integer, default 10)?\n")
        self.assertEqual(r.stdout, "")

    def complaint(self, *args):
        r = run("in", *args)
        self.assertEqual(r.returncode, 3, r.stderr)
        return r.stderr

    def test_each_kind_of_error(self):
        for args, words in [
            (["-c", '{"trian": {}}'], ["unknown key 'trian'", "at: -c #1:1:2", "did you mean train"]),
            (["-c", '{"train": {"epochs": "x"}}'], ['train.epochs: expected integer, got string "x"', "at: -c #1:1:22"]),
            (["-c", '{"train": {"epochs": 0}}'], ["0 is out of range, expected at least 1"]),
            (["-s", "train.optimizer.typ=sgd"], ["at: flag -s #1"]),
            (["-s", "train.optimizer.type=sdg"], ["unknown optimizer 'sdg'", "did you mean sgd", "at: flag -s #1"]),
            (["-s", "train.optimizer.type=adam", "-s", "train.optimizer.momentum=0.9"], ["unknown key 'momentum'", "at: flag -s #2"]),
            (["--epochs", "0"], ["train.epochs: 0 is out of range", "at: --epochs"]),
            (["-c", '{"train": {}, }'], ["expected a key in double quotes, got '}'", "at: -c #1:1:15"]),
            (["-c", "/nowhere.json"], ["cannot read '/nowhere.json'"]),
            (["-c", "/"], ["cannot read '/'"]),
            (["-s", "train"], ["has no '='"]),
            (["--explain=train.epoch"], ["unknown key 'epoch' in train", "did you mean epochs"]),
        ]:
            with self.subTest(args):
                text = self.complaint(*args)
                for w in words:
                    self.assertIn(w, text)

    def test_flags_beat_set_beats_files(self):
        base = self.write("base.json", '{"train": {"epochs": 1}}')
        top = self.write("top.json", '{"extends": "base.json", "train": {"batch_size": 2}}')
        out = run("in", "-c", top, "-s", "train.epochs=3", "--epochs", "4", "--explain", "train.epochs").stdout
        self.assertEqual(out, f"train.epochs = 4  (--epochs; was 3 from flag -s #1; was 1 from {base}:1; default 10)\n")

    def test_printed_configs(self):
        minimal = run("-c", '{"train": {"optimizer": "adam"}}', "--print-config=minimal")
        self.assertEqual(json.loads(minimal.stdout), {"train": {"optimizer": "adam"}})
        full = json.loads(run("-c", '{"train": {"optimizer": "adam"}}', "--print-config").stdout)
        self.assertEqual(full["train"]["optimizer"], {"type": "adam", "lr": 0.001, "beta1": 0.9})
        self.assertEqual(full["train"]["save"]["keep"], 2)

    def test_config_from_stdin(self):
        r = subprocess.run([TOOL, "in", "-c", "-", "--format=json"], input='{"train": {"epochs": 9}}', capture_output=True, text=True, timeout=60)
        self.assertEqual(json.loads(r.stdout)["epochs"], 9)
        r = subprocess.run([TOOL, "in", "-c", "-"], input='{"train": 9}', capture_output=True, text=True, timeout=60)
        self.assertIn("at: <stdin>:1:11", r.stderr)

    def test_notes_pass_and_unused_sections_are_said(self):
        r = run("in", "-v", "-c", '{"_why": 1, "train": {"x-note": 2, "save": {"_n": 1}}, "search": {"space": {}}}')
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn("'search' is not used", r.stderr)

    def test_templates_are_valid(self):
        r = run("--init")
        self.assertEqual(run("in", "-c", r.stdout).returncode, 0)

    def test_depfile_lists_every_file_read(self):
        base, a = self.write("base.json", "{}"), self.write("a b", "")
        top = self.write("top.json", '{"extends": "base.json"}')
        dep = self.dir / "x.d"
        self.assertEqual(run("-c", top, a, "-o", "out.h5", "--depfile", str(dep)).returncode, 0)
        text = dep.read_text()
        self.assertTrue(text.startswith("out.h5:"))
        for name in (top, base, a.replace(" ", "\\ ")):
            self.assertIn(name, text)


class Exits(unittest.TestCase):
    def test_every_code(self):
        for how, code in [("0", 0), ("internal", 1), ("memory", 7), ("pipe", 141), *((str(i), i) for i in range(2, 11))]:
            with self.subTest(how):
                r = run("in", "--fail", how)
                self.assertEqual(r.returncode, code)
                self.assertEqual(r.stderr.count("error"), 2 if how == "internal" else how not in ("0", "pipe"))

    def test_a_device_is_absent_in_words(self):
        r = run("in", "--device", "cuda:99")
        self.assertEqual(r.returncode, 6)
        self.assertIn("'cuda:99' is not there: ", r.stderr)

    def test_signals_end_a_graceful_run_in_order(self):
        for number, code in [(signal.SIGINT, 130), (signal.SIGTERM, 143)]:
            p = subprocess.Popen([TOOL, "in", "--wait", "--max-time", "30"], stderr=subprocess.PIPE)
            self.assertIn(b"waiting", p.stderr.readline())
            p.send_signal(number)
            self.assertEqual(p.wait(timeout=60), code)
            p.stderr.close()

    def test_help_and_the_like_exit_0_on_stdout_alone(self):
        for args in (["--help"], ["-h"], ["--version"], ["--man"], ["--schema"], ["--init"], ["--completion", "bash"],
                     ["--completion", "zsh"], ["--completion", "fish"], ["--print-config"], ["--explain"]):
            with self.subTest(args):
                r = run(*args)
                self.assertEqual((r.returncode, r.stderr), (0, ""))
                self.assertTrue(r.stdout)


class Anything(Folder):
    def test_no_arguments_whatever_end_the_tool_by_a_signal_or_a_bug(self):
        dice = random.Random(1)
        words = ["--seed", "--shift", "-c", "-s", "-o", "--data", "--format", "--print-config", "--explain", "--threads", "--device",
                 "--epochs", "--no-shuffle", "--progress", "-v", "-q", "-vq", "-", "--", "", "=", "--=", "---", "-=1", "x", "train.epochs=2",
                 "train.optimizer=adam", "{}", "{", "[1]", "-1", "1e9", "99999999999999999999", "--seed=", "--set=", "json", "/", "\xff", "train"]
        for _ in range(60):
            args = dice.choices(words, k=dice.randrange(7))
            with self.subTest(args):
                r = subprocess.run([TOOL, *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, cwd=self.dir)
                self.assertIn(r.returncode, (0, 2, 3, 6), r.stderr)
                self.assertEqual(r.returncode != 0, b"error:" in r.stderr)


class Texts(Folder):
    def test_help_man_and_completion_name_every_option(self):
        names = [w for line in run("--help").stdout.splitlines() if line.startswith(("  -", "      --"))
                 for w in line.split("[")[0].split() if w.startswith("--")]
        names = [n.rstrip(",") for n in names]
        self.assertGreater(len(names), 25)
        man = run("--man").stdout.replace("\\-", "-")
        for shell in ("bash", "zsh", "fish"):
            script = run("--completion", shell).stdout
            for n in names:
                self.assertIn(n if shell != "fish" else "-l " + n[2:], script)
        for n in names:
            self.assertIn(n, man)
        for head in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"):
            self.assertIn(".SH " + head, man)

    def test_bash_completes_options_and_choices(self):
        script = self.write("c", run("--completion", "bash").stdout)
        ask = f"source {script}; COMP_WORDS=(dl-sample {{}}); COMP_CWORD=$((${{{{#COMP_WORDS[@]}}}}-1)); _dl_sample; echo ${{{{COMPREPLY[@]}}}}"
        for words, answer in [("--see", "--seed"), ("--format js", "json jsonl"), ("--no-sh", "--no-shuffle")]:
            out = subprocess.run(["bash", "-c", ask.format(words)], capture_output=True, text=True, timeout=60)
            self.assertEqual(out.stdout.strip(), answer, out.stderr)

    def test_version_tells_how_it_was_built(self):
        self.assertEqual(json.loads(run("--version", "--format", "json").stdout)["tool"], "dl-sample")


if __name__ == "__main__":
    unittest.main()
