"""Whoever writes to one location, and what that does to another: forged records, through the modules themselves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.manifest import digest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.set_records import (
    Drill,
    Hold,
    Release,
    SetRecord,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.hold.run import run_backup_hold
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.info import run_backup_info
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.prune.run import run_backup_prune
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.replicate.run import run_backup_replicate
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.metrics import run_backup_metrics
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.run import run_backup_check
from ansible_collections.mobul.backup.plugins.modules import (
    backup_check,
    backup_hold,
    backup_info,
    backup_metrics,
    backup_prune,
    backup_replicate,
)
from support.module_parameters import parameters
from support.module_runs import start_module
from support.small_sets import contents, directory_of, lay, small_set

NOW = datetime.now(timezone.utc).replace(microsecond=0)
HOUR = timedelta(hours=1)
OLD, NEW = str(SetId(NOW - timedelta(days=400), "manual")), str(SetId(NOW - timedelta(days=1), "daily"))
KEY, ATTACKER = SigningKey.generate(), SigningKey.generate()
PUBLIC = {"record_verify_key": [KEY.verify_key.to_pem()]}
CHECK = {"schedule": {"daily": "2d"}, "read": "none", "drill_within": "8d"}

MODULES: dict[str, tuple[ModuleType, Callable[..., Any]]] = {
    "backup_check": (backup_check, run_backup_check),
    "backup_hold": (backup_hold, run_backup_hold),
    "backup_info": (backup_info, run_backup_info),
    "backup_metrics": (backup_metrics, run_backup_metrics),
    "backup_prune": (backup_prune, run_backup_prune),
    "backup_replicate": (backup_replicate, run_backup_replicate),
}
Result = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """The location ``a``, which nobody else writes to, and ``b``, which is the attacker's, too."""

    directory: Path
    places: dict[str, Path]
    locations: list[dict[str, Any]]

    def put(self, place: str, set_id: str, name: str, record: SetRecord, key: SigningKey | None = None) -> None:
        files = {name: record.to_bytes()}
        if key is not None:
            files[f"{name}.sig"] = key.sign(record.to_bytes())
        lay(self.places[place], set_id, files)

    def drill(self, place: str, days: float, verdict: str, key: SigningKey | None = None, **changes: Any) -> None:
        finished = NOW - timedelta(days=days)
        given = {
            "id": SetId.parse(NEW),
            "label": "shop",
            "manifest": digest(small_set(NEW)["manifest.json"]),
            "started": finished,
            "finished": finished,
            "verdict": verdict,
            "location": place,
            "server_version": "17.10",
            "restore_seconds": 3,
            "findings": (),
        }
        record = Drill(**{**given, **changes})
        self.put(place, NEW, f"verified_{record.finished:%Y%m%d_%H%M%S}.json", record, key)

    def names(self, place: str, set_id: str = OLD) -> set[str]:
        return set(contents(directory_of(self.places[place], set_id)))

    def run(self, name: str, *, check_mode: bool = False, **options: Any) -> Result:
        """What a module's operation returns, given what the module would give it."""
        module, operation = MODULES[name]
        given = {"label": "shop", "locations": self.locations, **options}
        if name != "backup_hold":
            given["cache_dir"] = str(self.directory / "cache")
        found: Result = operation(parameters(module, **given), check_mode)
        return found

    def check(self, **options: Any) -> dict[str, Result]:
        """The findings of the daily check by check and subject."""
        told = self.run("backup_check", **CHECK, **{"fail": False, **options})
        return {f"{one['check']} {one['subject']}".strip(): one for one in told["findings"]}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    places = {name: tmp_path / name for name in "ab"}
    for root in places.values():
        root.mkdir(mode=0o700)
        for set_id in (OLD, NEW):
            lay(root, set_id, small_set(set_id))
    described = [{"name": name, "type": "local", "path": str(root)} for name, root in places.items()]
    return Bench(tmp_path, places, described)


def release(hours: float = 1) -> Release:
    return Release(id=SetId.parse(OLD), label="shop", released_at=NOW - hours * HOUR, reason="not needed any more")


@pytest.mark.parametrize(("keys", "signer"), [({}, None), (PUBLIC, None), (PUBLIC, ATTACKER)])
def test_a_forged_release_takes_no_copy_but_the_one_that_it_lies_beside_and_is_not_spread(
    bench: Bench, keys: dict[str, Any], signer: SigningKey | None
) -> None:
    bench.put("b", OLD, "released.json", release(), signer)
    planned = bench.run("backup_prune", check_mode=True, **keys)
    (told,) = [one for one in planned["plan"] if one["id"] == OLD]
    assert (told["keep"], told["goes_from"]) == (True, ["b"])
    assert any("released there, by a record that no record_verify_key vouches for" in line for line in planned["table"])
    if keys:
        assert any("released.json" in warning for warning in planned["warnings"])
    # What lacks the set gets it without the forged record, from whichever of the two.
    third = {"name": "c", "type": "local", "path": str(bench.directory / "c")}
    first, second = bench.locations
    assert bench.run("backup_replicate", **keys, locations=[second, first, third])["changed"]
    assert contents(directory_of(bench.directory / "c", OLD)) == small_set(OLD)
    done = bench.run("backup_prune", **keys)
    assert [(one["location"], one["id"]) for one in done["deleted"]] == [("b", OLD)]
    assert bench.names("a") == set(small_set(OLD))
    assert bench.names("b") == set()


def test_a_release_of_the_future_and_one_that_a_hold_took_back_let_nothing_go(bench: Bench) -> None:
    bench.put("b", OLD, "released.json", release(hours=-2), KEY)
    planned = bench.run("backup_prune", check_mode=True, **PUBLIC)
    assert planned["deleted"] == []
    assert any("from the future" in warning for warning in planned["warnings"])
    # Held after it was released, and the hold has ended: whoever kept the signed release plays it again.
    ended = Hold(id=SetId.parse(OLD), label="shop", held_at=NOW - HOUR, reason="INC-7", until=NOW - HOUR / 2)
    bench.put("a", OLD, "hold.json", ended, KEY)
    bench.put("b", OLD, "released.json", release(hours=3), KEY)
    assert bench.run("backup_prune", **PUBLIC)["deleted"] == []


def test_what_the_module_signed_counts_everywhere_and_travels_with_its_signature(bench: Bench) -> None:
    given = {"backup": OLD, "record_signing_key": KEY.to_pem("long"), "record_signing_key_passphrase": "long", **PUBLIC}
    whole = set(small_set(OLD))
    process = start_module("backup_hold", {"label": "shop", "locations": bench.locations, "reason": "INC-7", **given})
    output, errors = process.communicate(timeout=120)
    assert not json.loads(output).get("failed"), output + errors
    assert "PRIVATE KEY" not in output + errors
    assert bench.names("a") == bench.names("b") == {*whole, "hold.json", "hold.json.sig"}
    shutil.rmtree(directory_of(bench.places["b"], OLD))
    bench.run("backup_replicate", **PUBLIC)
    assert bench.names("b") == {*whole, "hold.json", "hold.json.sig"}
    assert bench.check(**PUBLIC)["integrity b"]["status"] == "passed"
    bench.run("backup_hold", reason="closed", state="released", **given)
    assert bench.names("a") == bench.names("b") == {*whole, "released.json", "released.json.sig"}
    assert not bench.run("backup_hold", reason="closed", state="released", **given)["changed"]
    # In a the release is lost; b's alone speaks for both.
    for name in ("released.json", "released.json.sig"):
        (directory_of(bench.places["a"], OLD) / name).unlink()
    done = bench.run("backup_prune", **PUBLIC)
    assert {(one["location"], one["id"]) for one in done["deleted"]} == {("a", OLD), ("b", OLD)}


@pytest.mark.parametrize("signer", [None, ATTACKER])
def test_an_unsigned_hold_keeps_all_copies_and_is_told(bench: Bench, signer: SigningKey | None) -> None:
    for place in "ab":
        bench.put(place, OLD, "released.json", release(), KEY)
    bench.put("b", OLD, "hold.json", Hold(id=SetId.parse(OLD), label="shop", held_at=NOW, reason="INC-7"), signer)
    assert bench.run("backup_prune", **PUBLIC)["deleted"] == []
    finding = bench.check(**PUBLIC)["integrity b"]
    assert finding["status"] == "warning"
    assert f"{OLD}/hold.json" in finding["message"] and "signed" in finding["message"]
    assert bench.check(**PUBLIC)["integrity a"]["status"] == "passed"


@pytest.mark.parametrize("keys", [{}, PUBLIC])
def test_no_forged_drill_silences_the_failed_one_of_another_location(bench: Bench, keys: dict[str, Any]) -> None:
    bench.drill("a", 1, "failed", KEY)
    assert bench.check(**keys)["drill"]["status"] == "failed"
    in_2099 = {"finished": datetime(2099, 1, 1, tzinfo=timezone.utc)}
    bench.drill("b", 0.5, "passed", location="a")
    bench.drill("b", 0.4, "passed", ATTACKER, location="a")
    bench.drill("b", 0.3, "passed")
    bench.drill("b", 0, "passed", location="a", **in_2099)
    found = bench.check(**keys)
    assert found["drill"]["status"] == "failed"
    assert "from location 'a'" in found["drill"]["message"]
    assert found["integrity b"]["status"] == "warning"
    assert "from the future" in found["integrity b"]["message"]
    assert "is about location 'a'" in found["integrity b"]["message"]
    # Nor does it get into a: its own drill alone makes up for the failed one.
    shutil.rmtree(directory_of(bench.places["a"], NEW))
    bench.run("backup_replicate", **keys)
    assert not [name for name in bench.names("a", NEW) if name.startswith("verified")]
    bench.drill("a", 0.1, "passed", KEY)
    assert bench.check(**keys)["drill"]["status"] == "passed"


def test_a_signed_drill_travels_with_its_signature_and_still_speaks_of_its_own_location(bench: Bench) -> None:
    bench.drill("a", 1, "passed", KEY)
    shutil.rmtree(directory_of(bench.places["b"], NEW))
    bench.run("backup_replicate", **PUBLIC)
    assert bench.names("b", NEW) == bench.names("a", NEW)
    assert len([name for name in bench.names("b", NEW) if name.startswith("verified")]) == 2
    assert bench.check(**PUBLIC)["drill"]["status"] == "passed"
    directory = bench.directory / "metrics"
    directory.mkdir()
    bench.run("backup_metrics", directory=str(directory), environment="production", **PUBLIC)
    text = (directory / "mobul_backup_shop.prom").read_text()
    assert 'last_drill_passed{environment="production",label="shop",location="a"} 1.0' in text
    assert 'location="b"} 1.0' not in "\n".join(line for line in text.splitlines() if "last_drill_passed" in line)


def test_with_keys_a_drill_that_nobody_signed_proves_nothing_in_other_locations(bench: Bench) -> None:
    for set_id in (OLD, NEW):
        for place in "ab":
            for name, data in small_set(set_id).items():
                lay(bench.places[place], set_id, {name: data})
    bench.drill("b", 0.3, "passed")
    assert bench.check()["drill"]["status"] == "passed"
    finding = bench.check(**PUBLIC)["drill"]
    assert finding["status"] == "failed"
    assert "proves nothing in a" in finding["message"]
    bench.drill("b", 0.2, "passed", KEY)
    assert bench.check(**PUBLIC)["drill"]["status"] == "passed"


def test_a_key_for_manifests_vouches_for_no_record_and_one_for_records_for_no_manifest(bench: Bench) -> None:
    sets = SigningKey.generate()
    for place in "ab":
        for set_id in (OLD, NEW):
            lay(bench.places[place], set_id, small_set(set_id, key=sets))
    both = {"verify_key": [sets.verify_key.to_pem()], **PUBLIC}
    bench.put("b", OLD, "released.json", release(), sets)
    assert [one["location"] for one in bench.run("backup_prune", check_mode=True, **both)["deleted"]] == ["b"]
    lay(bench.places["a"], NEW, small_set(NEW, key=KEY))
    told = bench.run("backup_info", **both)
    (one,) = [one for one in told["sets"] if one["id"] == NEW]
    assert one["copies"] == {"a": "damaged", "b": "good"}


def test_of_the_newest_verified_sets_no_forged_drill_takes_the_protection(bench: Bench) -> None:
    """An old set passed its drill in a; in b somebody writes that a newer one did, which is not true."""
    expired, newer = (str(SetId(NOW - timedelta(days=days), "daily")) for days in (40, 30))
    for place in "ab":
        for set_id in (expired, newer):
            lay(bench.places[place], set_id, small_set(set_id))
    for place, set_id in (("a", expired), ("b", newer)):
        manifest = digest(small_set(set_id)["manifest.json"])
        record = Drill(
            id=SetId.parse(set_id),
            label="shop",
            manifest=manifest,
            started=NOW,
            finished=NOW,
            verdict="passed",
            location=place,
            server_version="17.10",
            restore_seconds=3,
            findings=(),
        )
        bench.put(place, set_id, "verified_20261124_0600.json", record)
    done = bench.run("backup_prune")
    assert expired not in [one["id"] for one in done["deleted"]]
