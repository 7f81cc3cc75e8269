"""Runs every check of this folder and ends with "N passed, N failed"."""

import sys
import unittest
from pathlib import Path

HERE = Path(__file__).parent


def main():
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{name}*" for name in sys.argv[1:]] or None
    suite = loader.discover(str(HERE), top_level_dir=str(HERE.parent))
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    # A check that could not run has not passed.
    failed = len(result.failures) + len(result.errors) + len(result.skipped) + len(result.unexpectedSuccesses)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 0 if result.testsRun and not failed else 1


sys.exit(main())
