#!/usr/bin/env python3
"""`patchbay schema` is a JSON Schema that accepts each right machine file there is and refuses wrong ones.

usage: test_schema.py PATCHBAY BAD-FOLDER [UNITTEST-ARGUMENT...]
"""

import json
import pathlib
import re
import subprocess
import sys
import unittest

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "lib"))
import cases  # noqa: E402

try:
    import jsonschema
    import yaml
except ImportError as error:
    print(f"{error} (python3-jsonschema, python3-yaml)")
    sys.exit(77)

PATCHBAY = sys.argv.pop(1)
BAD = pathlib.Path(sys.argv.pop(1))

# Of tests/machine/bad, what an editor with the schema shows. The rest needs `patchbay check`: wires, addresses,
# expressions, what is missing.
REFUSED = """assert-incomplete bus-rule empty expression-dollar many-at-once memory-type memory-unknown-key
    name-malformed no-name not-a-mapping parameter-unknown-key parameter-unknown-type run-threads run-unknown-key
    section-is-a-list size-with-wrong-unit type-malformed type-of-another-kind unknown-plugin unknown-property
    unknown-section unknown-type-of-plugin value-is-a-list value-is-a-mapping value-no-choice value-no-number
    value-no-truth value-out-of-range""".split()


class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        done = subprocess.run([PATCHBAY, "schema"], stdout=subprocess.PIPE, check=True, timeout=60)
        cls.schema = json.loads(done.stdout)
        cls.validator = jsonschema.Draft7Validator(cls.schema)

    def errors(self, text):
        return [f"{'.'.join(map(str, error.path))}: {error.message}"
                for error in self.validator.iter_errors(yaml.safe_load(text))]

    def test_schema_itself(self):
        jsonschema.Draft7Validator.check_schema(self.schema)

    def test_machines(self):
        files = list((TREE / "machines").glob("*.yaml"))
        self.assertGreater(len(files), 1)
        for file in files:
            self.assertEqual(self.errors(file.read_bytes()), [], file.name)

    def test_machines_in_documents(self):
        found = 0
        for page in [TREE / "README.md", *(TREE / "docs").glob("*.md")]:
            for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
                if re.match("machine:|include:", block):
                    found += 1
                    self.assertEqual(self.errors(block), [], f"{page.name}:\n{block}")
        self.assertGreaterEqual(found, 3)

    def test_dumped_machine(self):
        for options in ([], ["--set", "gic=3", "--set", "cpus=9", "--drive", "x", "--net", "user"]):
            dump = subprocess.run([PATCHBAY, "run", "arm-virt", "--dump-yaml", *options],
                                  stdout=subprocess.PIPE, check=True, timeout=60)
            self.assertEqual(self.errors(dump.stdout), [])

    def test_wrong_machines(self):
        for name in REFUSED:
            self.assertNotEqual(self.errors((BAD / f"{name}.yaml").read_bytes()), [], name)

    def test_every_section(self):
        """A wrong key is refused wherever keys are known."""
        for text in ("machne: m", "parameters: { n: { typ: uint } }", "asserts: [{ that: a, say: b, x: 1 }]",
                     "cpus: { c: { type: arm64/max, x: 1 } }", "memory: { ram: { x: 1 } }",
                     "devices: { d: { type: pl011, x: 1 } }", "backends: { b: { type: chardev/null, x: 1 } }",
                     "attach: { a: { x: 1 } }", "attach: { a: { backend: { type: disk/raw, x: 1 } } }",
                     "attach: { a: { backend: [{ type: disk/raw, x: 1 }] } }",
                     "attach: { a: { devices: { d: { type: pl011, x: 1 } } } }",
                     "boot: { l: { type: linux/arm64, x: 1 } }", "accel: { type: interp, x: 1 }",
                     "fdt: { x: 1 }", "bus: { x: 1 }", "run: { x: 1 }"):
            self.assertNotEqual(self.errors("machine: m\n" + text), [], text)
        self.assertEqual(self.errors("machine: m\nattach: { a: { backend: { type: disk/raw, path: x } } }"), [])


cases.main()
