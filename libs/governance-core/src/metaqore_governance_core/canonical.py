"""The canonical form of JSON (RFC 8785), the bytes under every hash and signature."""

from __future__ import annotations

from typing import Any

import rfc8785


def canonical(value: Any) -> bytes:
    """`value` as RFC 8785 bytes. Raises `rfc8785.CanonicalizationError` for what JSON cannot hold exactly."""
    return rfc8785.dumps(value)
