"""What the stand-in for a controller shows of its objects, and how it finds them."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from . import awx_rules as rules
from .awx_rules import Refusal
from .awx_server import ROOT
from .awx_tables import APPROVAL, ASSOCIATED, EDGES, REFERENCES, Record, specification


class Answers:
    """Builds the answers of a controller from its tables."""

    tables: dict[str, dict[int, Record]]
    associations: dict[tuple[str, int, str], list[int]]
    page_size: int
    largest_page: int

    def find(self, table: str, number: str) -> Record:
        """Return one object as its record."""
        raise NotImplementedError

    def page(self, path: str, found: list[Record], query: Mapping[str, str]) -> Record:
        """Return one page of a list, with its count and links."""
        size, page = min(int(query.get("page_size", self.page_size)), self.largest_page), int(query.get("page", 1))
        more = f"{ROOT}{path}/?" + urlencode({**query, "page": page + 1}) if len(found) > size * page else None
        shown = [self.shown(one) for one in found[size * (page - 1) : size * page]]
        return {"count": len(found), "next": more, "previous": None, "results": shown}

    def shown(self, record: Record) -> Record:
        """Return an object in the form of the API's answers."""
        table = record.get("_table", "")
        if not table:
            return record
        url = f"{ROOT}{table}/{record['id']}/"
        parts = [name for name, _url in specification(table).get("related", [])]
        related = {name: f"{url}{name}/" for name in parts}
        if number := record.get("unified_job_template"):
            related["unified_job_template"] = (
                f"{ROOT}{self.find('unified_job_templates', str(number))['_table']}/{number}/"
            )
        shown = dict.fromkeys(specification(table).get("fields", APPROVAL))
        hidden = {name for name, spec in specification(table).get("POST", {}).items() if spec.get("write_only")}
        if "managed" in shown:
            shown["managed"] = False
        shown |= {name: value for name, value in record.items() if not name.startswith("_") and name not in hidden}
        kind = "inventory" if table == "inventories" else table.removesuffix("s")
        shown |= {"type": kind, "url": url, "related": related, "summary_fields": self._summary(table, record)}
        if table == "job_templates" and record["project"] is None:
            shown["playbook"] = ""
        if table == "credentials":
            secret = self._secret_inputs(record)
            shown["inputs"] = rules.encrypt(record["inputs"], lambda name: name in secret)
        if table == "notification_templates":
            given = record["notification_configuration"]
            shown["notification_configuration"] = rules.encrypt(given, rules.NOTIFICATION_SECRETS.__contains__)
        if table == "workflow_job_template_nodes":
            shown |= {edge: self.associations[table, record["id"], edge] for edge in EDGES}
        return shown

    def _summary(self, table: str, record: Record) -> Record:
        """What a list tells of the objects that belong to one."""
        if table == "job_templates":
            numbers = self.associations[table, record["id"], "credentials"]
            names = ("id", "name", "description")
            known = self.tables["credentials"]
            return {"credentials": [{name: known[number][name] for name in names} for number in numbers]}
        approval = self.tables["workflow_approval_templates"].get(record.get("unified_job_template") or 0)
        if table == "workflow_job_template_nodes" and approval:
            told = {name: approval[name] for name in ("id", "name", "description", "timeout")}
            return {"unified_job_template": {**told, "unified_job_type": "workflow_approval"}}
        return {}

    def matches(self, record: Record, query: Mapping[str, str]) -> bool:
        """Whether a record is what a query asks for."""
        told, either = [], []
        for name, value in query.items():
            field, _separator, how = name.removeprefix("or__").partition("__")
            if field in ("page", "page_size"):
                continue
            table = record.get("_table", "")
            if ASSOCIATED.get(field) == "notification_templates" and how == "id":
                good = int(value) in self.associations[table, record["id"], field]
            elif field in REFERENCES and how in specification(REFERENCES[field]).get("fields", ["organization"]):
                number = record.get(field)
                good = number is not None and str(self.find(REFERENCES[field], str(number)).get(how)) == value
            elif how or field not in {*record, "organization"}:
                raise Refusal("detail", f"{name} is no field to search by")
            else:
                good = str(record.get(field)) == value
            (either if name.startswith("or__") else told).append(good)
        return all(told) and (not either or any(either))

    def _secret_inputs(self, record: Record) -> set[str]:
        fields = self.tables["credential_types"][record["credential_type"]]["inputs"].get("fields", [])
        return {one["id"] for one in fields if one.get("secret")}
