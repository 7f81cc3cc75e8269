"""The template as its own tools see it, before and after it is expanded."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from tests.template import SOURCE, expanded

BIN = Path(sys.executable).parent


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


class Lint(unittest.TestCase):
    def test_sam_validate(self):
        done = run(BIN / "sam", "validate", "--lint", "--template", SOURCE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def lint(self, template):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(template, file)
            file.flush()
            return run(BIN / "cfn-lint", "--regions", "eu-central-1", "us-east-1", "--template", file.name)

    def test_expanded_template(self):
        done = self.lint(expanded())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
