#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_check
short_description: Refuse a run that would do nothing, or something else than was meant
version_added: 0.1.0
description:
  - Fails where C(--tags) or C(--skip-tags) select nothing of the playbook, which would end well and do nothing.
  - Fails where a variable of a host has almost the name of one of the collection's, for example C(backup_recipient).
    What it is to set is not set then. Names that are a letter or two away are refused, and all others are the user's
    own.
  - Fails where a variable of a host has a value that cannot be meant, for example C(no) for a port, which would count
    as not given.
  - Fails where O(that) is false, in one line.
  - The playbooks call it first. It runs where C(ansible-playbook) does, and needs the tag C(always).
requirements:
  - Python >= 3.11 on the host that runs the module
author:
  - The mobul.backup maintainers (@mobul)
attributes:
  check_mode:
    support: full
    description: It only looks.
  diff_mode:
    support: none
    description: It changes nothing.
options:
  hosts:
    description: Hosts whose variables are looked at.
    type: list
    elements: str
    default: []
  own:
    description: Names of variables that are the user's own although they are close to one of the collection's.
    type: list
    elements: str
    default: []
  that:
    description: Whether all is as it has to be.
    type: bool
    default: true
  fail_msg:
    description: What is said where it is not, beginning with the step and a colon.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Check how the run was started
  mobul.backup.run_check:
    hosts: "{{ ansible_play_hosts_all }}"
  run_once: true
  tags: [always]
"""

RETURN = r"""
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import only_by_action, run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import RUN_CHECK


def main() -> None:
    run_module(RUN_CHECK, only_by_action("check the run"))


if __name__ == "__main__":
    main()
