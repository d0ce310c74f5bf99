# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
notes:
  - Where several tasks need the keys, C(module_defaults) of C(group/mobul.backup.decryption) say it once.
requirements:
  - Python >= 3.11 on the host that runs the module
  - cryptography >= 41
  - gpg >= 2.2, for OpenPGP
  - zstandard >= 0.22, for what zstd has compressed
options:
  identities:
    description:
      - Secret keys to decrypt with, each as text or as the path of a file on the host that runs the module.
      - age identities (C(AGE-SECRET-KEY-1...)), OpenPGP secret keys, or the 64 hexadecimal digits of an envelope's
        key.
    type: list
    elements: str
    default: []
  passphrase:
    description: Passphrase of an age or gpg file or of C(openssl enc), or of a protected secret key.
    type: str
  gnupghome:
    description: GnuPG home directory that holds the OpenPGP keys. By default gpg's own choice.
    type: path
  openssl_kdf:
    description:
      - How the key of a file of C(openssl enc) was derived, V(pbkdf2) with C(-pbkdf2) and V(legacy) without.
      - By default what OpenSSL does by default is tried - V(legacy) with SHA-256 (since 1.1.0) and with MD5 (before),
        and V(pbkdf2) with SHA-256 and 10000 iterations.
    type: str
    choices: [legacy, pbkdf2]
  openssl_md:
    description: What was given to C(openssl enc) as C(-md).
    type: str
  openssl_iter:
    description: What was given to C(openssl enc) as C(-iter).
    type: int
  max_expansion:
    description:
      - How many times its size a file that is no part of a set may have inside once it is decrypted and unpacked. 1 GiB
        is always allowed.
      - A file that somebody made to expand without end is refused then. Of a set the manifest tells what is inside.
    type: int
    default: 2000
  max_toc_size:
    description:
      - How much memory in MiB the table of contents of a dump may take while it is read. The default is enough for some
        100,000 objects. Definitions of more than 1 MiB each do not count.
      - A dump that somebody made to exhaust the memory is refused then.
    type: int
    default: 128
"""
