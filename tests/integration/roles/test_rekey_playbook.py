"""``mobul.backup.rekey`` lets the recipients of today open every set, and does not end well while one is left."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.rekey import Rekey
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity
from support.age_sets import age_set
from support.playbooks import Playbooks, Run
from support.small_sets import directory_of, lay

FIRST, LAST, INCIDENT = "weekly_20261115_000000", "weekly_20261122_000000", "post_incident_20261116_000000"
OLD, NEW = X25519Identity.generate(), X25519Identity.generate()


def test_all_sets_are_rekeyed_wherever_they_lie_and_one_that_is_left_is_no_success(
    playbooks: Playbooks, tmp_path: Path
) -> None:
    (tmp_path / "old.agekey").write_text(f"{OLD}\n")
    places = {name: tmp_path / name for name in ("one", "two", "forensic", "away")}
    local = {name: {"name": name, "type": "local", "path": str(path)} for name, path in places.items()}
    sets = {set_id: age_set(set_id, OLD) for set_id in (FIRST, LAST, INCIDENT)}
    for name in ("one", "two"):
        lay(places[name], FIRST, sets[FIRST])
    lay(places["two"], LAST, sets[LAST])
    lay(places["forensic"], INCIDENT, sets[INCIDENT])
    broken = lay(places["one"], LAST, sets[LAST] | {"manifest.json": b"{}"})
    (directory_of(places["two"], LAST) / "manifest.json").write_bytes(b"{}")

    def run(*asked: str, **variables: object) -> Run:
        inventory = playbooks.inventory(
            {"shop": {"backup_locations": [local["one"], local["two"], local["away"]]}, "new": {}},
            backup_locations=[local["one"]],
            backup_recipients=[str(NEW.recipient)],
            incident_location=local["forensic"],
            **variables,
        )
        given = ["-e", f"rekey_identities={tmp_path / 'old.agekey'}"]
        return playbooks.run("mobul.backup.rekey", inventory, *given, *asked)

    def readable(name: str) -> set[str]:
        """The sets that the new recipient can decrypt in a location."""
        found = (Rekey.parse(path.read_bytes()) for path in places[name].rglob("rekeyed_*.json"))
        return {str(one.id) for one in found if one.recipients == (str(NEW.recipient),)}

    left = run()
    assert left.status == 2
    told = left.failure("shop")["msg"]
    assert told.startswith("rekey the sets: open the location: location 'away'")
    assert f"{LAST} has no good copy: mobul.backup.info shows why" in told
    assert {name: readable(name) for name in ("one", "two", "forensic")} == {
        "one": {FIRST},
        "two": {FIRST},
        "forensic": {INCIDENT},
    }
    assert "there is no backup to rekey" in left.output
    assert "rekey: 1 of 2 good" in left.output

    places["away"].mkdir()
    for path in (broken, directory_of(places["two"], LAST)):
        (path / "manifest.json").write_bytes(sets[LAST]["manifest.json"])
    done = run("--limit", "shop")
    assert done.status == 0, done.output
    assert readable("one") == readable("two") == {FIRST, LAST}
    assert f"{FIRST} can be decrypted by {NEW.recipient}" in done.output
    assert str(OLD) not in left.output + done.output
