#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: awx_objects
short_description: Bring the objects of an AWX or Tower to their state
version_added: 0.1.0
description:
  - Looks at what an organisation of the controller has, plans what is missing and what differs, and carries the plan
    out. In check mode it only tells the plan, also for a controller that has nothing yet.
  - The role P(mobul.backup.awx#role) works the objects out and calls it.
  - Each object is whole before the next is begun, so that a run that was cut off is made good by the next one.
author:
  - The mobul.backup maintainers (@mobul)
requirements:
  - Python >= 3.11 on the host that runs the module
  - the collection C(awx.awx), whose client is used
attributes:
  check_mode:
    support: full
    description: Tells what would be made, changed and removed.
  diff_mode:
    support: full
    description: Shows the plan, a line for each object. Secrets are not in it.
options:
  controller_host:
    description: Address of the controller, for example V(https://awx.example.com).
    type: str
    required: true
  controller_oauthtoken:
    description: Token of somebody who may make all of it.
    type: str
  controller_username:
    description: Name, where there is no O(controller_oauthtoken). A token is made for the run, and given back.
    type: str
  controller_password:
    description: Password of O(controller_username).
    type: str
  validate_certs:
    description: Whether the controller's certificate is checked.
    type: bool
    default: true
  organization:
    description: Organisation that all of it belongs to.
    type: str
    required: true
  objects:
    description:
      - Each has C(kind), the endpoint of the API, and C(name). What it has beside that is C(fields), C(references) and
        C(links), which name other objects by their keys (the kind, a colon and the name), a C(survey) or an
        C(approval).
      - One with C(exists) is only looked up.
    type: list
    elements: dict
    required: true
  mark:
    description: Ends the description of what was made here. Empty where nothing is to be known again.
    type: str
    default: ""
  remove:
    description: Whether to remove what has O(mark) and is not among O(objects).
    type: bool
    default: false
  update_secrets:
    description:
      - Whether secrets are sent again. A controller never shows one, so that such a run always changes something.
    type: bool
    default: false
  project_timeout:
    description: Seconds that the controller has for fetching the project.
    type: float
    default: 300
"""

EXAMPLES = r"""
- name: Have an organisation and an inventory
  mobul.backup.awx_objects:
    controller_host: https://awx.example.com
    controller_oauthtoken: "{{ lookup('ansible.builtin.env', 'CONTROLLER_OAUTH_TOKEN') }}"
    organization: Databases
    objects:
      - kind: organizations
        name: Databases
      - kind: inventories
        name: production
        references: {organization: "organizations:Databases"}
"""

RETURN = r"""
changes:
  description: What was done or, in check mode, would be, a line for each object.
  returned: success, and when the controller refused one
  type: list
  elements: str
  sample: ["make organisation Databases", "make inventory production"]
leftovers:
  description: What has the mark and is not wanted any more, where O(remove=false).
  returned: success
  type: list
  elements: str
  sample: ["schedule production monthly"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.awx_client import CONNECTION, AwxClient
from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._core.controller.run import run_awx_objects


def main() -> None:
    run_module(
        {
            **CONNECTION,
            "organization": {"type": "str", "required": True},
            "objects": {"type": "list", "elements": "dict", "required": True},
            "mark": {"type": "str", "default": ""},
            "remove": {"type": "bool", "default": False},
            "update_secrets": {"type": "bool", "default": False, "no_log": False},
            "project_timeout": {"type": "float", "default": 300},
        },
        lambda params, check_mode: run_awx_objects(params, check_mode, connect=lambda: AwxClient(params)),
    )


if __name__ == "__main__":
    main()
