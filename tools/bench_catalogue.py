"""How long does it take to look at a catalogue of many sets in an S3 bucket?

The module runs as Ansible would start it: cold, with nothing kept from before, and warm. The floor is what the S3
client library takes to list the same keys, page after page. Requests are counted by a proxy in runs of their own,
which are not timed. Prints a table and writes ``.bench/catalogue.json``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from bench import BENCH, BUCKET, DRIVER, ROOT, Measure, Step, measure

sys.path.insert(0, str(ROOT / "tests"))

from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from support.lab import S3Server
from support.s3_proxy import S3Proxy
from support.small_sets import lay, small_set

LABEL = "shop"
HOURS = 6
RUNS = (("backup_info", False), ("backup_prune", True))
STATES = ("cold", "warm")
LISTING = """
import json, sys
import botocore.session
where = json.load(sys.stdin)
client = botocore.session.get_session().create_client(
    "s3", endpoint_url=where["endpoint_url"], region_name="us-east-1",
    aws_access_key_id=where["access_key"], aws_secret_access_key=where["secret_key"],
)
pages = client.get_paginator("list_objects_v2").paginate(Bucket=where["bucket"])
print(sum(len(page.get("Contents", ())) for page in pages))
"""


def fill(root: Path, count: int) -> int:
    """Lay *count* sets below *root*, one every few hours until now; return the number of objects."""
    now = datetime.now(timezone.utc).replace(microsecond=0)
    objects = 0
    for number in range(count):
        set_id = str(SetId(now - timedelta(hours=HOURS * number), "daily"))
        files = {**small_set(set_id, dump=b"dump"), "manifest.json.sig": bytes(64)}
        lay(root, set_id, files, LABEL)
        objects += len(files)
    return objects


def module(name: str, location: dict[str, Any], cache: Path, *, check: bool = False) -> list[Step]:
    """One run of a module."""
    policy = {"daily": "6y"}  # A part of the sets goes, as in a clean-up that is run now and then.
    options = {"label": LABEL, "locations": [location], "cache_dir": str(cache), "policy": policy}
    options["_ansible_check_mode"] = check
    stdin = json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode()
    return [Step([sys.executable, "-c", DRIVER.format(module=name)], {}, stdin)]


def count_requests(name: str, location: dict[str, Any], *, check: bool) -> dict[str, int]:
    """How many requests a cold and then a warm run make, by their titles."""
    cache, counted = BENCH / "cache", {}
    shutil.rmtree(cache, ignore_errors=True)
    with S3Proxy(location["endpoint_url"]) as proxy:
        for state in STATES:
            proxy.clear()
            measure(module(name, {**location, "endpoint_url": proxy.endpoint_url}, cache, check=check), log())
            counted[title_of(name, state, check=check)] = len(proxy.requests)
    return counted


def title_of(name: str, state: str, *, check: bool) -> str:
    """The title of a run."""
    return f"{name}{', check mode' if check else ''}, {state}"


def log() -> Path:
    """The file that gets the programs' output."""
    return BENCH / "log.txt"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the median counts")
    arguments = parser.parse_args()
    stores, cache = BENCH / "catalogue", BENCH / "cache"
    shutil.rmtree(stores, ignore_errors=True)
    # Asked for ETags this server reads every object at every listing, which no real store does.
    with S3Server(stores, etags=False) as s3:
        objects = fill(stores / BUCKET, arguments.sets)
        location = s3.location(BUCKET)
        found: dict[str, list[Measure]] = {}
        for _round in range(arguments.repeat):
            listing = Step([sys.executable, "-c", LISTING], {}, json.dumps(location).encode())
            found.setdefault("listing the keys (the floor)", []).append(measure([listing], log()))
            for name, check in RUNS:
                shutil.rmtree(cache, ignore_errors=True)
                for state in STATES:
                    one = measure(module(name, location, cache, check=check), log())
                    found.setdefault(title_of(name, state, check=check), []).append(one)
        counted: dict[str, int] = {}
        for name, check in RUNS:
            counted |= count_requests(name, location, check=check)
    shutil.rmtree(stores, ignore_errors=True)
    show(arguments.sets, objects, found, counted)
    return 0


def show(sets: int, objects: int, found: dict[str, list[Measure]], counted: dict[str, int]) -> None:
    """Print the medians, with the ratios to the floor of the same round."""
    print(f"\n{f'{sets} sets, {objects} objects':40} {'wall s':>8} {'x floor':>8} {'peak MiB':>9} {'requests':>9}")
    floors = next(iter(found.values()))
    results = {}
    for title, measures in found.items():
        wall = statistics.median(one.wall for one in measures)
        ratio = statistics.median(one.wall / floor.wall for one, floor in zip(measures, floors, strict=True))
        peak = statistics.median(one.peak for one in measures)
        print(f"{title:40} {wall:8.2f} {ratio:8.2f} {peak:9.0f} {counted.get(title, -(-objects // 1000)):9}")
        results[title] = {"wall": wall, "ratio": ratio, "peak": peak, "requests": counted.get(title)}
    (BENCH / "catalogue.json").write_text(json.dumps({"sets": sets, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
