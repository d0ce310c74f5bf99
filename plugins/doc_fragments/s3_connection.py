# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of how one S3 bucket is reached."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
notes:
  - Where several tasks need how the store is reached, C(module_defaults) of C(group/mobul.backup.s3) say it once.
requirements:
  - Python >= 3.11 on the host that runs the module
  - boto3 >= 1.34
options:
  endpoint_url:
    description: Address of a store other than AWS.
    type: str
  region:
    description: Region of the bucket.
    type: str
  access_key:
    description: Access key id. By default the environment, the profile or the instance's role is used.
    type: str
  secret_key:
    description: Secret access key.
    type: str
  session_token:
    description: Session token of temporary credentials.
    type: str
  ca_bundle:
    description: File of the certificate authorities for the endpoint.
    type: path
  addressing_style:
    description: Whether the bucket is part of the path or of the host's name.
    type: str
    choices: [auto, path, virtual]
  stall_timeout:
    description:
      - Seconds without a byte after which the store is given up, V(60) by default. So is one from which, or to which,
        fewer than 16 kB a second come over five times as long.
    type: int
"""
