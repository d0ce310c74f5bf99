#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_alert
short_description: Tell people by email, Slack, PagerDuty and others what went wrong with the backups
version_added: 0.1.0
description:
  - Makes alerts of what a task of this collection has registered (O(result)), or of findings that others made
    (O(findings)), and sends them by every channel that wants to know.
  - A condition is named by its check and its subject, for example C(upload) and C(gdrive). What failed is critical, a
    warning is a warning, and of what passed nothing is sent.
  - An email, a message to Slack and one by C(apprise) tell of all conditions at once. PagerDuty gets an event for each.
    Its deduplication key is made of O(label), O(environment), the check and the subject alone, so that PagerDuty takes
    an alert that comes again for the same one, and the next run that finds the condition good resolves it.
  - All channels are tried at the same time. One that fails stops no other.
  - A server that is out of reach, is busy (429) or has failed (5xx) is tried again for up to 30 seconds. Certificates
    are always verified.
author:
  - The mobul.backup maintainers (@mobul)
requirements:
  - Python >= 3.11 on the host that runs the module
  - apprise, for channels of that type
notes:
  - Run it where the services can be reached from, on the host that runs the playbook say (C(delegate_to)), for the host
    that the backup runs on may be what has failed.
  - HTTP proxies are taken from the environment (E(https_proxy), E(no_proxy)).
  - Secrets of the channels are hidden in what is sent and reported, should they ever stand in a message.
attributes:
  check_mode:
    support: full
    description: Says what would be sent, and by which channels.
  diff_mode:
    support: full
    description: Shows the messages.
options:
  label:
    description: Label of the database that it is about.
    type: str
    required: true
  environment:
    description: Environment that the database belongs to, for example V(production).
    type: str
    default: ""
  source:
    description: Name of the procedure, for example V(weekly) or V(daily_check).
    type: str
    required: true
  result:
    description:
      - What a task of this collection has registered, or a list of several such results, failed or not.
      - The check C(job) with the subject O(source) tells whether the tasks came to their end, the check C(upload) of a
        backup's copies by location, and the check C(damaged_copies) of those that a replication found. Where a result
        has findings of its own, they are sent as they are.
      - A copy that is missing is a failure where it made the backup fail, and a warning where there were enough others.
      - An empty result is that of a task that never ended, which is a failure. One that was skipped tells
        nothing.
    type: raw
  findings:
    description:
      - What checks have found, as other modules return it. Each has C(check), what was looked at, C(subject), the
        object or location that it is about, C(status), V(passed), V(warning) or V(failed), and C(message), for people.
      - A status that is none of these counts as failed.
    type: list
    elements: dict
    default: []
  announcement:
    description:
      - What is said of a procedure, that it begins and how it ended, whether or not anything is wrong.
      - Email, Slack and C(apprise) say it in one message with what is wrong. PagerDuty does not get it, as nobody
        is to be paged for it; it gets the conditions as ever.
    type: dict
    suboptions:
      state:
        description: V(begun), and at the end V(go) or V(no_go).
        type: str
        required: true
        choices: [begun, go, no_go]
      subject:
        description: The procedure and what it is for, for example V(pre_deploy v1.2).
        type: str
        required: true
      lines:
        description: What else there is to say.
        type: list
        elements: str
        default: []
      thread:
        description:
          - A name that all announcements of one run have in common. Email is tied to a thread by it.
          - A webhook of Slack cannot answer a message, so that there the name stands in the text.
        type: str
        required: true
  channels:
    description: The ways to people. With none, nothing is sent.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the channel, for reports. By default its type.
        type: str
      type:
        description: Kind of service.
        type: str
        required: true
        choices: [email, slack, pagerduty, apprise]
      severities:
        description:
          - What is sent to the channel.
          - By default V(critical) alone for O(channels[].type=pagerduty), and all for the others.
          - V(announcement) is what procedures announce, which PagerDuty does not take.
        type: list
        elements: str
        choices: [critical, warning, announcement]
      host:
        description: Name of the mail server, for O(channels[].type=email).
        type: str
      port:
        description: Port of the mail server. By default V(587), with O(channels[].tls=tls) V(465), without TLS V(25).
        type: int
      tls:
        description:
          - How the connection to the mail server is encrypted, by the command C(STARTTLS) or from its beginning.
          - By default V(starttls). With V(none) there can be no login.
        type: str
        choices: [starttls, tls, none]
      ca_cert:
        description: File of the certificate authorities to trust, where they are not those of the system.
        type: path
      username:
        description: Name for the login to the mail server.
        type: str
      password:
        description: Password for the login to the mail server.
        type: str
      from:
        description: Address that the email comes from.
        type: str
      to:
        description: Addresses that get the email.
        type: list
        elements: str
      webhook_url:
        description: Address of the incoming webhook, for O(channels[].type=slack). It is a secret.
        type: str
      routing_key:
        description: Integration key of the service's integration Events API v2, for O(channels[].type=pagerduty).
        type: str
      events_url:
        description:
          - Where PagerDuty takes events. By default V(https://events.pagerduty.com/v2/enqueue).
          - Accounts in its European region have V(https://events.eu.pagerduty.com/v2/enqueue).
        type: str
      apprise_url:
        description: Address in the form of the library apprise, for O(channels[].type=apprise). It is a secret.
        type: str
  must_deliver:
    description:
      - Whether the module fails when a channel fails. With V(false) that is a warning, for a task that must not hide
        another failure or spoil a good backup.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Back up, and tell if it fails
  block:
    - name: Back up the database
      mobul.backup.pg_backup:
        login_db: shop
        label: shop
        locations: "{{ backup_locations }}"
        recipients: "{{ backup_recipients }}"
      register: backup_result
  always:
    - name: Send alerts
      mobul.backup.backup_alert:
        label: shop
        environment: production
        source: weekly
        result: "{{ backup_result | default({}) }}"
        channels: "{{ backup_alerts }}"
        must_deliver: false
      delegate_to: localhost

- name: Tell what a check of the store's own has found
  mobul.backup.backup_alert:
    label: shop
    environment: production
    source: quota_check
    findings:
      - check: quota
        subject: gdrive
        status: "{{ 'warning' if used_percent | int > 80 else 'passed' }}"
        message: "{{ used_percent }} % of the space are used"
    channels:
      - type: email
        host: smtp.example.com
        username: backups
        password: "{{ vault_smtp_password }}"
        from: Backups <backups@example.com>
        to: [ops@example.com]
      - type: slack
        webhook_url: "{{ vault_slack_webhook }}"
      - type: pagerduty
        routing_key: "{{ vault_pagerduty_key }}"
  delegate_to: localhost
"""

RETURN = r"""
channels:
  description: What became of the alert in every channel.
  returned: success, and when channels failed
  type: list
  elements: dict
  contains:
    name:
      description: Name of the channel.
      type: str
      sample: slack
    type:
      description: Kind of service.
      type: str
      sample: slack
    status:
      description: V(sent), V(failed), V(nothing_to_send), or V(planned) in check mode.
      type: str
      sample: sent
    sent:
      description: Number of messages or events that the service took.
      type: int
      sample: 1
    messages:
      description: What was, or would be, sent, a line for each.
      type: list
      elements: str
      sample: ["shop (production): job weekly: failed"]
    error:
      description: Why it failed, null where it did not.
      type: str
      sample: null
findings:
  description: The conditions, the worst first, each with its deduplication key.
  returned: success, and when channels failed
  type: list
  elements: dict
  sample:
    - check: job
      subject: weekly
      status: failed
      message: "connect to the database: the server refused the password"
      key: mobul.backup/shop/production/job/weekly
summary:
  description: What was done, for a person.
  returned: success, and when channels failed
  type: list
  elements: str
  sample: ["slack (slack): sent: shop (production): job weekly: failed"]
warnings:
  description: The channels that failed, with O(must_deliver=false).
  returned: when there are any
  type: list
  elements: str
  sample: ["shop (production): no alert by slack (slack): send the alert: hooks.slack.com answered 404: no_service"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.alerting.run import run_backup_alert

CHANNEL = {
    "name": {"type": "str"},
    "type": {"type": "str", "required": True, "choices": ["email", "slack", "pagerduty", "apprise"]},
    "severities": {"type": "list", "elements": "str", "choices": ["critical", "warning", "announcement"]},
    "host": {"type": "str"},
    "port": {"type": "int"},
    "tls": {"type": "str", "choices": ["starttls", "tls", "none"]},
    "ca_cert": {"type": "path"},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "from": {"type": "str"},
    "to": {"type": "list", "elements": "str"},
    "webhook_url": {"type": "str", "no_log": True},
    "routing_key": {"type": "str", "no_log": True},
    "events_url": {"type": "str"},
    "apprise_url": {"type": "str", "no_log": True},
}

ANNOUNCEMENT = {
    "state": {"type": "str", "required": True, "choices": ["begun", "go", "no_go"]},
    "subject": {"type": "str", "required": True},
    "lines": {"type": "list", "elements": "str", "default": []},
    "thread": {"type": "str", "required": True},
}


def main() -> None:
    run_module(
        {
            "label": {"type": "str", "required": True},
            "environment": {"type": "str", "default": ""},
            "source": {"type": "str", "required": True},
            "result": {"type": "raw"},
            "findings": {"type": "list", "elements": "dict", "default": []},
            "announcement": {"type": "dict", "options": ANNOUNCEMENT},
            "channels": {"type": "list", "elements": "dict", "required": True, "options": CHANNEL},
            "must_deliver": {"type": "bool", "default": True},
        },
        run_backup_alert,
    )


if __name__ == "__main__":
    main()
