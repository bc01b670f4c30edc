"""The sealed log of a mesh, and the receipts that it has to keep."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from metaqore_governance_core.merkle import leaf_hash
from metaqore_governance_core.receipts import parse_token, verify, verify_record
from metaqore_mesh.keys import load_public_key
from running_mesh import RunningMesh, eventually


def sealed_records(mesh: RunningMesh) -> list[dict[str, Any]]:
    """Every record of the log."""
    lines = mesh.run("audit", "tail", "-n", "10000000", "--json", timeout=300).stdout.splitlines()
    return list(map(json.loads, lines))


def settle(mesh: RunningMesh) -> None:
    """Return once everything that was decided has its outcome in the log."""
    eventually(lambda: mesh.json("audit", "verify", "--all")["without_outcome"] == 0, within_s=90, every_s=1)


def check_receipts(mesh: RunningMesh, tokens: Iterable[str], records: Sequence[dict[str, Any]]) -> None:
    """Each verifies by the public key of its writer alone, and the record that it promises is in the log."""
    canonical = {one["receipt"]: _raw(one) for one in records if one["kind"] != "outcome"}
    keys = {file.stem: load_public_key(file) for file in (mesh.run_dir / "public" / "writers").glob("*.pub")}
    for token in set(tokens):
        receipt = parse_token(token)
        verify(receipt, keys[receipt.writer])
        assert receipt.id in canonical, "a receipt was given whose record is not in the log"
        verify_record(receipt, canonical[receipt.id])
        assert leaf_hash(canonical[receipt.id]).hex() == receipt.leaf_hash


def _raw(record: dict[str, Any]) -> bytes:
    shown = {name: value for name, value in record.items() if name != "index"}
    return json.dumps(shown, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
