#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_summary
short_description: Say how a procedure went, of one host and of all
version_added: 0.1.0
description:
  - With O(state=host) it shows what the tasks of a host have reported, and fails if they have failed. Roles call it as
    their last task, so that a failure is shown once, after what is done in any case.
  - With O(state=run) it says how it went for all hosts of the play, those that failed and those that could not be
    reached first. The run's statistics have it as C(backup_run), with the numbers of C(hosts) and of those that are
    C(good), and the names of those that C(failed), are C(unreachable) or C(not_reached). It never fails. The playbooks
    call it at their end.
  - It runs where C(ansible-playbook) does, and asks no host for anything.
requirements:
  - Python >= 3.11 on the host that runs the module
author:
  - The mobul.backup maintainers (@mobul)
attributes:
  check_mode:
    support: full
    description: It only tells.
  diff_mode:
    support: none
    description: It changes nothing.
options:
  state:
    description:
      - What to say.
      - With V(noted) it says nothing. A host that comes so far has done all that it was to do.
    type: str
    choices: [host, noted, run]
    default: host
  lines:
    description: What is said of a host before the summaries of what O(registered) names.
    type: list
    elements: str
    default: []
  failure:
    description: Line of a failure that the results do not tell. The task fails with it, unless it is empty.
    type: str
    default: ''
  registered:
    description:
      - Names of variables with what the tasks in question have returned, the most important one first.
      - Those of which a host has none are left out.
    type: list
    elements: str
    default: []
  title:
    description: What the run was about, with O(state=run).
    type: str
    default: run
  noted:
    description: Name of the variable that the task with O(state=noted) has registered, with O(state=run).
    type: str
    default: run__noted
"""

EXAMPLES = r"""
- name: Check, and say how it went
  block:
    - name: Check
      ansible.builtin.import_role:
        name: mobul.backup.daily_check

    - name: Record the success
      mobul.backup.run_summary:
        state: noted
      register: run__noted
  always:
    - name: Say how it went
      mobul.backup.run_summary:
        state: run
        title: daily check
        registered: [daily_check_result]
      run_once: true
"""

RETURN = r"""
msg:
  description: What is said; of a failure its one line.
  returned: with O(state=host) and O(state=run)
  type: raw
  sample: ["daily check: 1 of 2 good", "crm   failed  check the backups"]
summary:
  description: What is said beside the line of a failure.
  returned: failure, where there is more to say
  type: list
  elements: str
  sample: ["shop: weekly_20261123_000000, 1 of 2 copies good"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import only_by_action, run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import RUN_SUMMARY


def main() -> None:
    run_module(RUN_SUMMARY, only_by_action("sum the run up"))


if __name__ == "__main__":
    main()
