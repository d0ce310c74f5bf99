"""Write the JSON Schemas of manifests and of procedures' documents into docs/, from the classes that read them."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.mobul.backup.plugins.module_utils._core.backupset import manifest
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures import document

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> None:
    for name, schema in (("manifest", manifest.SCHEMA), ("procedure", document.SCHEMA)):
        (DOCS / f"{name}.schema.json").write_text(schema.to_text())


if __name__ == "__main__":
    main()
