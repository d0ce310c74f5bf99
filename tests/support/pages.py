"""Blocks of code of the pages for people, and what is compared with them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .programs import PROJECT

_FENCE = re.compile(r"```(\w*)$")
_ENTRY = re.compile(r"([-*]|\d+\.) ")
_VARIES = re.compile(r"\d[\d,.]*\d|\d|[KMG]iB|(?<=\d )B\b")


@dataclass(frozen=True)
class Block:
    """One block.

    :param page: its path below the project.
    :param line: of the block's first line in the page.
    :param language: what its fence says; empty for an indented one.
    :param section: the heading above it.
    """

    page: str
    line: int
    language: str
    text: str
    section: str

    def paragraphs(self) -> list[Block]:
        """The parts of the block between empty lines."""
        return [dataclasses.replace(self, text=text) for text in self.text.split("\n\n")]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str) -> list[Block]:
    """All blocks of a page in their order, those within fences and those that are indented by four."""
    found: list[Block] = []
    section, before = "", ""
    lines = iter(enumerate((PROJECT / page).read_text().splitlines(), 1))
    pending = next(lines, None)
    listed = False
    while pending is not None:
        number, line = pending
        pending = next(lines, None)
        if fence := _FENCE.match(line):
            text = []
            while pending is not None and pending[1] != "```":
                text.append(pending[1])
                pending = next(lines, None)
            if pending is None:
                raise ValueError(f"{page}:{number}: this block has no end")
            pending = next(lines, None)
            found.append(Block(page, number + 1, fence[1], "\n".join(text) + "\n", section))
        elif line.startswith("    ") and not before and not listed:
            text = [line]
            while pending is not None and (pending[1].startswith("    ") or not pending[1]):
                text.append(pending[1])
                pending = next(lines, None)
            content = "\n".join(one[4:] for one in text).rstrip("\n") + "\n"
            found.append(Block(page, number, "", content, section))
        if line.startswith("#"):
            section = line.lstrip("# ")
        if line and not line.startswith(" "):
            listed = bool(_ENTRY.match(line))
        before = line
    return found


def pages() -> list[str]:
    """All pages for people, as paths below the project."""
    places = [PROJECT, PROJECT / "docs", *sorted((PROJECT / "roles").iterdir())]
    found = [path for place in places for path in sorted(place.glob("*.md")) if not _is_generated(path)]
    return [str(path.relative_to(PROJECT)) for path in found]


def _is_generated(path: Path) -> bool:
    """Whether a tool writes the page, as it does the changelog."""
    return path.name == "CHANGELOG.md"


def shown_block(page: str, begins: str) -> Block:
    """The block of a page that begins with these words."""
    (found,) = (block for block in blocks(page) if block.text.startswith(begins))
    return found


def not_told(block: Block, output: str, names: Mapping[str, str] | None = None) -> list[str]:
    """The lines of a block that a run has not told.

    Numbers and units of sizes are those of the run; *names* has what else of the page has another name in it.
    """
    missing = []
    for line in filter(str.strip, block.text.splitlines()):
        here = line.strip()
        for name, other in (names or {}).items():
            here = here.replace(name, other)
        pattern = r"(?:[\d,.]*\d|[KMG]?i?B)".join(map(re.escape, _VARIES.split(here)))
        # Columns are as wide as what is in them.
        if re.search(re.sub(r"(?:\\ ){2,}", r"\\s+", pattern), output) is None:
            missing.append(line)
    return missing
