"""Runs every check of this folder, or of another one, and ends with "N passed, N failed".

    python -m tests [--folder NAME] [PART OF A NAME]...
"""

import argparse
import sys
import unittest
from pathlib import Path

INFRA = Path(__file__).parents[1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", default="tests")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{name}*" for name in arguments.names] or None
    suite = loader.discover(str(INFRA / arguments.folder), top_level_dir=str(INFRA))
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    # A check that could not run has not passed.
    failed = len(result.failures) + len(result.errors) + len(result.skipped) + len(result.unexpectedSuccesses)
    # What a module could not begin with is an error of no test.
    print(f"{max(result.testsRun - failed, 0)} passed, {failed} failed")
    return 0 if result.testsRun and not failed else 1


sys.exit(main())
