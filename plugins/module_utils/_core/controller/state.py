"""What a controller has, read with as few requests as tell it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .client import Client, ControllerError, Record, all_of
from .desired import DesiredObject
from .kinds import KINDS, MARKED

_SUMMARISED = {("job_templates", "credentials"): "credentials"}
_NOTIFIED = "notification_templates_"
_KINDS_OF_JOBS = ("ssh", "vault", "cloud", "net", "kubernetes")


class State:
    """The objects of an organisation, and those of the whole controller that are wanted.

    :param mark: ends the description of what is ours.
    """

    def __init__(self, client: Client, wanted: Sequence[DesiredObject], organization: str, mark: str) -> None:
        self._client = client
        self._lists: dict[str, list[Record]] = {}
        self._notified: dict[tuple[str, str], dict[int, list[int]]] = {}
        self.mark = mark
        (self.organization,) = [
            *all_of(client, "organizations/", {"name": organization}),
            None,
        ][:1]
        self.found: dict[str, Record] = {}
        for one in wanted:
            if record := self._find(one):
                self.found[one.key] = record
        self._check_credentials(wanted)

    @property
    def in_containers(self) -> bool:
        """Whether the controller's own jobs run in containers of a cluster, so that its instances run none."""
        return any(one["name"] == "default" and one["is_container_group"] for one in self.records("instance_groups"))

    def records(self, kind: str) -> list[Record]:
        """All objects of a kind; those of an organisation that is not there are none."""
        if kind == "organizations":
            return [self.organization] if self.organization else []
        if kind not in self._lists:
            asked_by = KINDS[kind].asked_by
            if asked_by and not self.organization:
                self._lists[kind] = []
            else:
                query = {asked_by: self.organization["id"]} if asked_by and self.organization else {}
                self._lists[kind] = list(all_of(self._client, f"{kind}/", query))
        return self._lists[kind]

    def id_of(self, key: str | None) -> int | None:
        """The id of a wanted object, None where it is still to be made."""
        return self.found[key]["id"] if key in self.found else None

    def _find(self, one: DesiredObject) -> Record | None:
        kind = KINDS[one.kind]
        records = self.records(one.kind)
        if one.exists and one.kind == "credentials":
            # It may be another organisation's, or nobody's.
            records = list(all_of(self._client, "credentials/", {"name": one.name}))
        matching = [record for record in records if record[kind.identity] == one.name]
        if kind.within in one.references:
            container = self.id_of(one.references[kind.within])
            matching = [record for record in matching if record[kind.within] == container]
        if len(matching) > 1:
            # Schedules of different templates may have one name.
            matching = [record for record in matching if self._is_ours(record)] or matching
        if len(matching) > 1 or (one.exists and not matching):
            named = f"{one.named_by} names the {one.title}, " if one.named_by else f"there is to be one {one.title}, "
            raise ControllerError(
                "look at the controller",
                named + ("which is not there" if not matching else f"of which there are {len(matching)}"),
                hint="make it there first, or correct the name"
                if not matching
                else "rename or remove the others there",
            )
        if matching:
            self._check_free(one, matching[0])
        return matching[0] if matching else None

    def _is_ours(self, record: Record) -> bool:
        return bool(self.mark) and (record.get("description") or "").endswith(self.mark)

    def _check_free(self, one: DesiredObject, record: Record) -> None:
        """Refuse a name that is taken, and cannot become what is wanted."""
        owner = record.get("organization")
        if "organization" in one.references and owner not in (None, (self.organization or {}).get("id")):
            raise ControllerError(
                "look at the controller",
                f"there is an {one.title} already, which belongs to another organisation",
                hint="give it another name, or only use it: leave out what it is",
            )
        if record.get("pending_deletion"):
            raise ControllerError(
                "look at the controller",
                f"the {one.title} is being removed there",
                hint="wait until it is gone, and run it again",
            )

    def _check_credentials(self, wanted: Sequence[DesiredObject]) -> None:
        """Refuse a job's credential that no job takes."""
        types = {one.key: one.references.get("credential_type") for one in wanted if one.kind == "credentials"}
        given = {key for one in wanted if one.kind == "job_templates" for key in one.links.get("credentials", ())}
        for key in sorted(given):
            kind = self.found.get(types[key] or "", {}).get("kind", "cloud")
            if kind not in _KINDS_OF_JOBS:
                raise ControllerError(
                    "look at the controller",
                    f"the credential {key.partition(':')[2]} is one of the kind {kind}, which no job takes",
                    hint="leave it out of awx_environments, or name it where it is used, for example in awx_project",
                )

    def links(self, one: DesiredObject, part: str) -> list[int]:
        """The ids of what belongs to an object, in their order."""
        record = self.found[one.key]
        if (one.kind, part) in _SUMMARISED:
            return [each["id"] for each in record["summary_fields"].get(part) or []]
        if part.endswith("_nodes"):
            return list(record[part])
        if part.startswith(_NOTIFIED):
            return self._notifications(one.kind, part).get(record["id"], [])
        return [each["id"] for each in all_of(self._client, f"{one.kind}/{record['id']}/{part}/")]

    def _notifications(self, kind: str, part: str) -> dict[int, list[int]]:
        """Template -> what it notifies; asked from the other end, of which there are few."""
        if (kind, part) not in self._notified:
            by_event: dict[int, list[int]] = {}
            for channel in self.records("notification_templates"):
                for template in all_of(self._client, f"{kind}/", {f"{part}__id": channel["id"]}):
                    by_event.setdefault(template["id"], []).append(channel["id"])
            self._notified[kind, part] = by_event
        return self._notified[kind, part]

    def survey(self, one: DesiredObject) -> Any:
        """The questions that a template asks at present."""
        return self._client.request("GET", f"{one.kind}/{self.found[one.key]['id']}/survey_spec/") or {}

    def leftovers(self) -> list[tuple[str, Record]]:
        """What has our mark and is not wanted, with its kind, in the order in which it can be removed."""
        wanted = {(key.partition(":")[0], record["id"]) for key, record in self.found.items()}
        return [
            (kind, record)
            for kind in MARKED
            for record in self.records(kind)
            if self._is_ours(record) and (kind, record["id"]) not in wanted and not record.get("pending_deletion")
        ]
