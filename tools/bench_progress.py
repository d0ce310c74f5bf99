"""What it costs a module to say how far it is: CPU seconds with and without, in turn, in one run.

The work is that of a backup without its server: a file is read, compressed, encrypted and hashed by a pipeline that
counts, while a thread keeps the progress in a file once a second.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from ansible_collections.mobul.backup.plugins.module_utils._ansible.progress import VARIABLE, written_down  # noqa: E402
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity  # noqa: E402
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.recipients import (  # noqa: E402
    parse_encryption,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.progress import expect, stage  # noqa: E402
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.files import (  # noqa: E402
    FileSource,
    RegularFile,
    ReplacingFileSink,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.pipeline import Pipeline  # noqa: E402
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.transforms import (  # noqa: E402
    Sha256,
    compressors,
)

_MIB = 1024 * 1024


def work(source: Path, dest: Path, *, told: bool) -> float:
    """CPU seconds, of user and system, that the work takes this process.

    :param told: whether its progress is counted and written down.
    """
    encryption = parse_encryption([str(X25519Identity.generate().recipient)])
    if told:
        os.environ[VARIABLE] = str(dest.with_name(f".progress-{random.getrandbits(64):x}"))
    before = time.process_time()
    with written_down(), RegularFile(str(source), step="bench") as file, stage("bench"):
        expect(file.size)
        transforms = [*compressors("gzip"), *encryption.transforms(), Sha256()]
        sink = ReplacingFileSink(str(dest), step="bench")
        Pipeline(FileSource(file), transforms, [sink], counted=told).run_apart()
    return time.process_time() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--size", type=int, default=64, help="MiB that each of them reads")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        source, dest = Path(directory, "source"), Path(directory, "dest")
        block = b"".join(b"%d,%d\n" % (number, number * 7919 % 10007) for number in range(100_000))
        source.write_bytes((block * (arguments.size * _MIB // len(block) + 1))[: arguments.size * _MIB])
        work(source, dest, told=True)
        spent = {True: 0.0, False: 0.0}
        for number in range(arguments.repetitions):
            for told in (number % 2 == 0, number % 2 == 1):
                spent[told] += work(source, dest, told=told)
    ratio = spent[True] / spent[False] - 1
    print(
        f"{arguments.repetitions} repetitions of {arguments.size} MiB in turn, CPU s of the module: "
        f"{spent[False]:.2f} without progress, {spent[True]:.2f} with it, {ratio:+.2%}"
    )


if __name__ == "__main__":
    main()
