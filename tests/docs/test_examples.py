#!/usr/bin/env python3
"""The code of the guides for plugin authors is that of the samples which the tests build and run.

usage: test_examples.py TREE [UNITTEST-ARGUMENT...]
"""

import pathlib
import re
import sys
import unittest

TREE = pathlib.Path(sys.argv.pop(1)).resolve()
sys.path.insert(0, str(TREE / "tests" / "lib"))
import cases  # noqa: E402


class Examples(unittest.TestCase):
    maxDiff = None

    def test_write_a_device(self):
        folder = TREE / "tests" / "plugin" / "sample-device"
        samples = {"c": (folder / "sample_timer.c").read_text(encoding="utf-8"),
                   "yaml": (folder / "test_timer.yaml").read_text(encoding="utf-8")}
        page = (TREE / "docs" / "write-a-device.md").read_text(encoding="utf-8")
        blocks = re.findall(r"^```(c|yaml)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
        self.assertGreater(len(blocks), 10)
        self.assertEqual([block for language, block in blocks if block not in samples[language]], [])


cases.main()
