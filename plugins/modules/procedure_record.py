#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: procedure_record
short_description: Keep the checklist of a procedure, and end it in go or no go
version_added: 0.1.0
description:
  - Keeps the document of a procedure, in which every step is done, failed, skipped or pending, with what proves it. The
    role P(mobul.backup.procedure#role) calls it between its steps.
  - It runs where C(ansible-playbook) does, on whatever host the task is, so that the document lies where a pipeline can
    read it.
  - With O(state=asked) it checks what the caller gave, and with O(state=begun) it writes a document that says no go. So
    does that of a run that is killed. Only O(state=finished) can make it go, where every required step is done.
  - With O(state=sealed) an incident's details are encrypted, for M(mobul.backup.pg_backup) to keep them in a set. They
    are given to nobody else, and lie in the open on no other host.
  - The caller's values (C(deployment_id), C(migration_id), C(incident_reference), C(procedure_result_path) and others)
    are read by their names from the variables, or from environment variables such as E(MOBUL_DEPLOYMENT_ID). What comes
    from the command line or a survey is taken as it stands, and never as a template.
  - The document is described by C(docs/procedure.schema.json). It is in the run's statistics, too, as
    C(procedure_result), under the name of the host.
author:
  - The mobul.backup maintainers (@mobul)
requirements:
  - Python >= 3.11 on the host that runs the playbook
  - cryptography >= 41, for O(recipients) and O(document_key)
  - gpg >= 2.2, for O(recipients) of OpenPGP
attributes:
  check_mode:
    support: full
    description: Returns the document, and writes nothing.
  diff_mode:
    support: none
    description: The document is returned.
options:
  state:
    description: What to do.
    type: str
    required: true
    choices: [asked, sealed, begun, recorded, finished]
  procedure:
    description:
      - Name of the procedure, with O(state=asked) and O(state=begun).
      - V(backup) and those after it are playbooks without a checklist, which only ask what the caller gave.
    type: str
    choices:
      - pre_deploy
      - pre_migration
      - post_incident
      - restore
      - restore_table
      - backup
      - export
      - hold
      - info
      - maintenance
      - rekey
      - supabase_restore
      - verify
  host:
    description: The database's host in the inventory.
    type: str
    default: ''
  hosts:
    description: How many databases the run has.
    type: int
    default: 1
  label:
    description: Label of the database.
    type: str
    default: ''
  environment:
    description: Environment that the database belongs to.
    type: str
    default: ''
  told:
    description: Whether there is anybody to tell.
    type: bool
    default: false
  must_tell:
    description: Whether there is no go without an announcement that arrived.
    type: bool
    default: false
  left_out:
    description: Steps that nobody asked for, with the reason. An empty reason leaves the step in.
    type: dict
    default: {}
  record:
    description: What the call before has returned, with O(state=recorded) and O(state=finished).
    type: dict
  step:
    description:
      - Name of the step that has ended. The module fails where that is required and failed.
      - By default the one that the procedure is at, which is recorded as it is.
    type: str
  result:
    description: What the step's task has registered.
    type: dict
  reused:
    description: Whether the set that O(result) tells of was there before the procedure.
    type: bool
    default: false
  recipients:
    description: To whom details are encrypted, with O(state=sealed), as M(mobul.backup.pg_backup) takes them.
    type: list
    elements: str
    default: []
  gnupghome:
    description: Home directory of GnuPG with the public keys, where O(recipients) are OpenPGP keys.
    type: path
  document_key:
    description:
      - Ed25519 private key that signs the document, with O(state=finished), as PEM text or the path of a file with it.
      - The signature lies beside the document, under its name with C(.sig). Where the key cannot be read the document
        says so.
    type: str
  document_key_passphrase:
    description: Passphrase of O(document_key), where it has one.
    type: str
"""

EXAMPLES = r"""
- name: Begin
  mobul.backup.procedure_record:
    state: begun
    procedure: pre_deploy
    host: "{{ inventory_hostname }}"
    label: shop
  register: record

- name: Record the backup
  mobul.backup.procedure_record:
    state: recorded
    step: backup
    record: "{{ record }}"
    result: "{{ backup_result }}"
  register: record
"""

RETURN = r"""
document:
  description: The document so far.
  returned: success, but with O(state=asked)
  type: dict
  sample: {procedure: pre_deploy, verdict: no_go, reason: "it has not ended: it is at step 'prove'"}
path:
  description: Where it was written to; null where nobody asked for a file.
  returned: success, but with O(state=asked)
  type: str
  sample: /builds/shop/result.json
verdict:
  description: V(go), V(no_go), or V(checked) at the end in check mode.
  returned: success, but with O(state=asked)
  type: str
  sample: go
given:
  description: What the caller gave, as texts; empty ones for what was not given.
  returned: success
  type: dict
  sample: {deployment_id: v1.2, reuse_within: "", procedure_result_path: result.json}
announcement:
  description: What is to be sent to the team, as M(mobul.backup.backup_alert) takes it.
  returned: success, but with O(state=asked)
  type: dict
  sample: {state: begun, subject: pre_deploy v1.2, lines: [], thread: mobul.backup/shop/pre_deploy/v1.2}
findings:
  description: What an alert is to tell of the run, as M(mobul.backup.backup_alert) takes it.
  returned: success, but with O(state=asked)
  type: list
  elements: dict
  sample: [{check: job, subject: pre_deploy, status: passed, message: "pre_deploy v1.2: go"}]
attachments:
  description: The details as M(mobul.backup.pg_backup) takes them.
  returned: with O(state=sealed)
  type: list
  elements: dict
  sample: [{name: incident.txt, content: YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOQ==}]
summary:
  description: What was done, for a person.
  returned: at the end
  type: list
  elements: str
  sample: ["pre_deploy v1.2 of shop: GO"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import only_by_action, run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import PROCEDURE_RECORD


def main() -> None:
    run_module(PROCEDURE_RECORD, only_by_action("record the procedure"))


if __name__ == "__main__":
    main()
