#!/usr/bin/env python3
"""Every relative link in the tree's pages leads to a file, and to a heading of it where it names one.

usage: test_links.py TREE [UNITTEST-ARGUMENT...]
"""

import pathlib
import re
import sys
import unittest

TREE = pathlib.Path(sys.argv.pop(1)).resolve()
sys.path.insert(0, str(TREE / "tests" / "lib"))
import cases  # noqa: E402

LINK = re.compile(r"\[[^][]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|^(?: {4}).*?$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:")


def pages(tree):
    """The pages of the source, not those in build trees."""
    return [page for page in sorted(tree.rglob("*.md"))
            if not any(part.startswith((".", "build")) for part in page.relative_to(tree).parts)]


def anchor(heading):
    """What GitHub and others make of a heading."""
    text = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return text.replace(" ", "-")


def headings(text):
    return {anchor(h) for h in re.findall(r"^#+ +(.+?) *$", CODE.sub("", text), re.MULTILINE)}


def broken(page):
    """The links of a page that lead nowhere."""
    for target in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        if ELSEWHERE.match(target):
            continue
        path, _, place = target.partition("#")
        file = page.parent / path if path else page
        if not file.exists():
            yield target
        elif place and place not in headings(file.read_text(encoding="utf-8")):
            yield target


class Links(unittest.TestCase):
    def test_links(self):
        found = pages(TREE)
        self.assertIn(TREE / "README.md", found)
        wrong = {str(page.relative_to(TREE)): list(broken(page)) for page in found}
        self.assertEqual({page: links for page, links in wrong.items() if links}, {})

    def test_every_page_is_in_the_index(self):
        index = (TREE / "docs" / "README.md").read_text(encoding="utf-8")
        for page in (TREE / "docs").glob("*.md"):
            if page.name != "README.md":
                self.assertIn(f"({page.name})", index)


class Lists(unittest.TestCase):
    """What pages list is what there is."""

    def text(self, page):
        return (TREE / page).read_text(encoding="utf-8")

    def headers(self):
        return [path.relative_to(TREE / "abi" / "patchbay") for path in (TREE / "abi" / "patchbay").rglob("*.h")]

    def test_decisions(self):
        for page in (TREE / "docs" / "decisions").glob("0*.md"):
            number, _, title = page.read_text(encoding="utf-8").splitlines()[0][2:].partition(": ")
            self.assertIn(f"| [{number}]({page.name}) | {title} |", self.text("docs/decisions/README.md"))

    def test_folders_of_the_core(self):
        folders = {path.parent.name for path in (TREE / "core").glob("*/meson.build")}
        self.assertEqual(set(re.findall(r"(?m)^\| `core/(\w+)/`", self.text("docs/design.md"))), folders)

    def test_headers_of_the_abi(self):
        self.assertIn(pathlib.Path("arm/gic.h"), self.headers())
        told = re.findall(r"(?m)^\| `([\w/]+\.h)`", self.text("abi/CHANGELOG.md"))
        self.assertEqual(sorted(told), sorted(map(str, self.headers())))

    def test_extensions(self):
        found = {name for header in self.headers()
                 for name in re.findall(r'#define PB_\w+ "(pb\.[^"]+)"', self.text(f"abi/patchbay/{header}"))}
        self.assertIn("pb.fp/1", found)
        self.assertEqual(set(re.findall(r"(?m)^ +\| `(pb\.[^`]+)`", self.text("abi/ABI.md"))), found)


class Check(unittest.TestCase):
    """That broken links are found."""

    def test_broken(self):
        page = TREE / "tests" / "docs" / "links.sample"
        self.assertEqual(list(broken(page)), ["nowhere.md", "#no-such-heading", "../../README.md#nothing"])


cases.main()
