#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_backup_info
short_description: Tell which backups Supabase itself keeps of a project, and whether they are those that you expect
version_added: 0.1.0
description:
  - Asks Supabase's management API for a project's state, its daily backups, the span of its point-in-time recovery, its
    restore point and the schedule.
  - Holds them against O(expect). Each condition is one finding, whether it is good or bad.
  - These backups are Supabase's, and go with the project. They do not replace those of M(mobul.backup.pg_backup).
author:
  - The mobul.backup maintainers (@mobul)
extends_documentation_fragment:
  - mobul.backup.supabase
  - mobul.backup.changes_nothing
options:
  expect:
    description:
      - What should be there. C(daily) with a number of days wants daily backups of so many, C(pitr) with a length of
        time, for example V(7d), wants point-in-time recovery that goes back so far.
      - With point-in-time recovery Supabase makes no daily backups. With C(daily) that is no fault as long as the
        recovery goes back as far.
      - C(within) says how old the newest backup, or the last moment of the recovery, may be, V(26h) by default.
      - Of a project that is younger than that no more is expected than it can have.
    type: dict
    default: {}
seealso:
  - module: mobul.backup.supabase_restore
  - module: mobul.backup.supabase_restore_point
  - module: mobul.backup.backup_check
"""

EXAMPLES = r"""
- name: Look at the managed backups
  mobul.backup.supabase_backup_info:
    project_ref: abcdefghijklmnopqrst
    access_token: "{{ lookup('ansible.builtin.env', 'SUPABASE_ACCESS_TOKEN') }}"
    expect:
      daily: 7
  register: managed

- name: Show them
  ansible.builtin.debug:
    msg: "{{ managed.table + managed.summary }}"
"""

RETURN = r"""
project:
  description: The project, with its C(name), C(ref), C(region), C(status), C(created), C(host), C(version) and
    C(postgres_engine).
  returned: success
  type: dict
  sample:
    name: shop
    ref: abcdefghijklmnopqrst
    region: eu-central-1
    status: ACTIVE_HEALTHY
    created: "2025-03-01T09:12:44Z"
    host: db.abcdefghijklmnopqrst.supabase.co
    version: 17.6.1.063
    postgres_engine: "17"
verdict:
  description: V(passed), or V(failed) where any finding is. The module does not fail because of it.
  returned: success
  type: str
  sample: passed
findings:
  description: Every condition, the worst first, with C(check), C(subject), C(status) and C(message).
  returned: success
  type: list
  elements: dict
  sample:
    - check: supabase_newest
      subject: ""
      status: passed
      message: 4711 of 2026-11-23T04:00:00Z is 5 hours old, 26 hours are allowed
newest:
  description: The newest completed daily backup, none where there is none.
  returned: success
  type: dict
  contains:
    id:
      description: Its number, which M(mobul.backup.supabase_restore) takes.
      type: int
      returned: always
      sample: 4711
    status:
      description: V(COMPLETED).
      type: str
      returned: always
      sample: COMPLETED
    type:
      description: V(physical) or V(logical). A physical one cannot be downloaded.
      type: str
      returned: always
      sample: physical
    time:
      description: When it was made, in UTC.
      type: str
      returned: always
      sample: "2026-11-23T04:00:00Z"
    age:
      description: Seconds since then.
      type: int
      returned: always
      sample: 18000
backups:
  description: All daily backups in the same form, the newest first, whatever their status.
  returned: success
  type: list
  elements: dict
  sample: []
pitr_enabled:
  description: Whether there is point-in-time recovery.
  returned: success
  type: bool
  sample: true
pitr:
  description:
    - The first and last moment to which that can go, in UTC, and the seconds between them.
    - None where it is off.
  returned: success
  type: dict
  sample:
    earliest: "2026-11-16T04:00:00Z"
    latest: "2026-11-23T08:58:00Z"
    seconds: 622680
restore_points:
  description: The restore points that the API tells of, which is one at most, with C(name), C(status) and C(completed).
  returned: success
  type: list
  elements: dict
  sample:
    - name: mig-20261123-040000
      status: AVAILABLE
      completed: "2026-11-23T04:00:01Z"
schedule:
  description: Time of day of the daily backup in UTC. None where there is none, as with point-in-time recovery.
  returned: success
  type: str
  sample: "04:00:00"
table:
  description: The daily backups as lines of a table.
  returned: success
  type: list
  elements: str
  sample: ["backup  time  status  type"]
summary:
  description: The same in short, for a person.
  returned: success
  type: list
  elements: str
  sample:
    - "shop (abcdefghijklmnopqrst): ACTIVE_HEALTHY: 7 completed daily backups: passed: 0 failed, 0 warning, 6 passed"
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import SUPABASE
from ansible_collections.mobul.backup.plugins.module_utils._core.platforms.supabase.info import run_supabase_backup_info


def main() -> None:
    run_module({**SUPABASE, "expect": {"type": "dict", "default": {}}}, run_supabase_backup_info)


if __name__ == "__main__":
    main()
