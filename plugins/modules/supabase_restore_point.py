#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_restore_point
short_description: Give this moment of a project of Supabase a name, to which it can be taken back
version_added: 0.1.0
description:
  - Makes a restore point, and waits until it can be used. M(mobul.backup.supabase_restore) takes the project back to
    it.
  - One that is there already is left as it is.
  - The platform offers restore points to projects with point-in-time recovery, and to some of them only.
author:
  - The mobul.backup maintainers (@mobul)
extends_documentation_fragment:
  - mobul.backup.supabase
attributes:
  check_mode:
    support: full
    description: Tells whether one would be made.
  diff_mode:
    support: none
    description: There is nothing to show.
options:
  name:
    description:
      - Its name, of 20 characters at most.
    type: str
    required: true
  must_be_offered:
    description:
      - Whether it is an error that the project cannot have restore points. Otherwise RV(not_needed) tells why.
    type: bool
    default: true
  wait_timeout:
    description:
      - How long to wait for it, as V(90s) or V(10m).
    type: str
    default: 10m
seealso:
  - module: mobul.backup.supabase_restore
"""

EXAMPLES = r"""
- name: Be able to go back to before the upgrade
  mobul.backup.supabase_restore_point:
    project_ref: abcdefghijklmnopqrst
    access_token: "{{ lookup('ansible.builtin.env', 'SUPABASE_ACCESS_TOKEN') }}"
    name: before-upgrade
"""

RETURN = r"""
restore_point:
  description: Its C(name), C(status) and when it was C(completed), in UTC. None where it was not made.
  returned: success
  type: dict
  sample: {name: before-upgrade, status: AVAILABLE, completed: "2026-11-23T04:00:01Z"}
not_needed:
  description: Why the project cannot have restore points.
  returned: where it cannot, and O(must_be_offered) is false
  type: str
  sample: point-in-time recovery is off in project shop (abcdefghijklmnopqrst), and restore points need it
summary:
  description: What was done, for a person.
  returned: success
  type: list
  elements: str
  sample: ["shop (abcdefghijklmnopqrst): restore point 'before-upgrade' made"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import SUPABASE
from ansible_collections.mobul.backup.plugins.module_utils._core.platforms.supabase.restore_points import (
    run_supabase_restore_point,
)


def main() -> None:
    run_module(
        {
            **SUPABASE,
            "name": {"type": "str", "required": True},
            "must_be_offered": {"type": "bool", "default": True},
            "wait_timeout": {"type": "str", "default": "10m"},
        },
        run_supabase_restore_point,
    )


if __name__ == "__main__":
    main()
