"""What the page of invariants names as shown is a test that there is."""

from __future__ import annotations

import re

from support.programs import PROJECT

_PAGE = PROJECT / "docs" / "invariants.md"
_NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def test_every_invariant_names_tests_that_there_are() -> None:
    sentences = re.split(r"^\d+\. ", _PAGE.read_text(), flags=re.MULTILINE)[1:]
    assert len(sentences) > 30
    paths = list((PROJECT / "tests").rglob("test_*.py"))
    files = {path.name: path.read_text() for path in paths}
    assert len(files) == len(paths), "two files of tests have one name"
    for sentence in sentences:
        assert re.search(r"\*\*(must|should)", sentence), sentence
        named = _NAMED.findall(sentence)
        assert named, sentence
        for file, test in named:
            assert f"def {test}(" in files.get(file, ""), (file, test)
