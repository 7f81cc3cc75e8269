"""What the documents say of the tree: every file and folder that they name is there."""

import re
import unittest

from tests.template import ROOT

NAMED = re.compile(r"`((?:crates|docs|functions|infra|listener|local|programs|tests|benches)/[\w./-]*)`")


class Documents(unittest.TestCase):
    def test_every_path_exists(self):
        documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("programs/*.md"), *ROOT.glob("infra/*.md")]
        self.assertIn(ROOT / "README.md", documents)
        missing = [
            f"{document.relative_to(ROOT)}: {path}"
            for document in documents
            for path in NAMED.findall(document.read_text())
            if "/target/" not in path and not (ROOT / path).exists()
        ]
        self.assertEqual(missing, [])
