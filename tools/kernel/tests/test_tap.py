# SPDX-License-Identifier: GPL-2.0
"""What tap.py tells of tests: each verdict on a line, and a process that dies as a failure."""

import subprocess
import sys
import textwrap

from .common import TOOLS, Scratch

RUN = f"""
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, {str(TOOLS)!r})
from lib import tap
sys.exit(tap.run(sys.argv[1], sys.argv[3:], jobs=int(sys.argv[2])))
"""


class Tap(Scratch):
    """Tests of tests, each run in a process of its own."""

    def run_tests(self, body, *words, jobs=1):
        """The lines said and the exit status of tests with these methods."""
        text = "import os, unittest\n\n\nclass Some(unittest.TestCase):\n"
        (self.top / "test_some.py").write_text(text + textwrap.indent(textwrap.dedent(body), "    "))
        ran = subprocess.run([sys.executable, "-c", RUN, self.top, str(jobs), *words], text=True,
                             stdin=subprocess.DEVNULL, capture_output=True, check=False)
        self.assertEqual(ran.stderr, "")
        return ran.stdout.splitlines(), ran.returncode

    def test_each_verdict_is_a_line(self):
        body = """
            def test_a(self):
                pass

            def test_b(self):
                self.assertEqual(1, 2)

            @unittest.skip("not here")
            def test_c(self):
                pass

            def test_d(self):
                os.no_such_name()
            """
        for jobs in (1, 2):
            with self.subTest(jobs=jobs):
                lines, status = self.run_tests(body, jobs=jobs)
                self.assertEqual(lines[:2], ["TAP version 13", "1..4"])
                verdicts = {line.split("Some.")[1]: line.split(" ")[0]
                            for line in lines if line.startswith(("ok", "not ok"))}
                self.assertEqual(verdicts, {"test_a": "ok", "test_b": "not",
                                            "test_c # SKIP not here": "ok", "test_d": "not"})
                self.assertIn("# AssertionError: 1 != 2", lines)
                self.assertEqual(lines[-1], "# 1 passed, 2 failed, 1 skipped")
                self.assertEqual(status, 1)

    def test_all_is_well(self):
        self.assertEqual(self.run_tests("def test_a(self): pass"),
                         (["TAP version 13", "1..1", "ok 1 - Some.test_a",
                           "# 1 passed, 0 failed, 0 skipped"], 0))

    def test_no_test_is_not_well(self):
        lines, status = self.run_tests("def test_a(self): pass", "elsewhere")
        self.assertEqual(lines[1:], ["1..0", "# 0 passed, 0 failed, 0 skipped"])
        self.assertEqual(status, 1)

    def test_a_process_that_dies(self):
        lines, status = self.run_tests("def test_a(self): os._exit(0)", jobs=2)
        self.assertEqual(lines[2:], ["Bail out! a process that ran a test has died",
                                     "# 0 passed, 0 failed, 0 skipped"])
        self.assertEqual(status, 1)
