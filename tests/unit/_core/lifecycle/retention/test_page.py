"""The page about retention tells the default policy as it is."""

from __future__ import annotations

import re

import yaml
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.retention import DEFAULT, Policy
from support.programs import PROJECT

PAGE = (PROJECT / "docs" / "retention.md").read_text()


def test_the_table_has_every_kind_with_its_default() -> None:
    told = {}
    for kinds, period in re.findall(r"^\| (`.*`) \| `(\w+)` \|", PAGE, re.MULTILINE):
        told |= dict.fromkeys(re.findall(r"`(\w+)`", kinds), period)
    assert told == dict(DEFAULT)


def test_the_example_is_a_policy() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    policy = Policy.parse(yaml.safe_load(block)["backup_retention"])
    assert policy.to_dict() == {**DEFAULT, "weekly": "26w", "yearly": "10y", "pre_deploy": "14d", "monthly": None}
