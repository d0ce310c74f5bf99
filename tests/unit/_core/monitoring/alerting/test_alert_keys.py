"""A condition has one name for as long as it is looked at, and shares it with no other."""

from __future__ import annotations

from ansible_collections.mobul.backup.plugins.module_utils._core.findings import STATUSES, Finding
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.alerting.alert import Alert, merge
from hypothesis import example, given
from hypothesis import strategies as st

names = st.text(st.sampled_from("ab/%_. :é\udcff\n"), max_size=6) | st.text(max_size=300)
conditions = st.tuples(names, names, names, names)


def key(label: str, environment: str, check: str, subject: str, *, source: str = "weekly", **changes: str) -> str:
    finding = Finding(check=check, subject=subject, **{"status": "failed", "message": "it broke", **changes})
    return Alert(label, environment, source, (finding,)).key(finding)


@given(conditions, conditions)
@example(("a", "b/c", "d", ""), ("a/b", "c", "d", ""))
@example(("a", "", "b", "c" * 300), ("a", "", "b", "c" * 301))
def test_two_conditions_have_two_keys(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (key(*one) == key(*other)) == (one == other)


@given(conditions, st.sampled_from(STATUSES), st.text(min_size=1), st.text())
def test_a_condition_keeps_its_key_however_it_is(
    condition: tuple[str, ...], status: str, message: str, source: str
) -> None:
    assert key(*condition, status=status, message=message, source=source) == key(*condition)


@given(conditions)
def test_a_key_is_what_pagerduty_takes(condition: tuple[str, ...]) -> None:
    found = key(*condition)
    assert 0 < len(found) <= 255
    assert found.isascii()
    assert found.isprintable()


def test_a_key_can_be_read_by_a_person() -> None:
    assert key("shop", "production", "upload", "gdrive") == "mobul.backup/shop/production/upload/gdrive"


def finding(check: str, subject: str, status: str, message: str = "m") -> Finding:
    return Finding(check=check, subject=subject, status=status, message=message)


def test_of_one_condition_the_worst_counts_and_the_worst_come_first() -> None:
    merged = merge(
        [
            finding("a", "x", "passed"),
            finding("b", "", "warning", "soon"),
            finding("a", "x", "failed", "first"),
            finding("a", "y", "passed"),
            finding("a", "x", "failed", "second"),
            finding("a", "x", "failed", "first"),
        ]
    )
    assert [(one.check, one.subject, one.status, one.message) for one in merged] == [
        ("a", "x", "failed", "first\nsecond"),
        ("b", "", "warning", "soon"),
        ("a", "y", "passed", "m"),
    ]
