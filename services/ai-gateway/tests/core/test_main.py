import pytest

from metaqore_ai_gateway import __main__ as program
from metaqore_ai_gateway.settings import GatewaySettings
from metaqore_governance_core.errors import MetaQoreError


def test_a_drain_has_the_time_that_it_is_given(monkeypatch):
    limits = []

    def run_service(*_, drain_timeout_s=60.0):
        limits.append(drain_timeout_s)
        return 0

    monkeypatch.setattr(program, "run_service", run_service)
    monkeypatch.setenv("METAQORE_GATEWAY__DRAIN_S", "300")
    monkeypatch.setenv("METAQORE_GATEWAY__SEAL_S", "20")
    assert program.main() == 0
    assert limits[0] > 320


def test_a_spool_that_holds_too_few_segments_is_told_by_its_settings(monkeypatch):
    monkeypatch.setenv("METAQORE_GATEWAY__SPOOL_BYTES", "20000000")
    with pytest.raises(MetaQoreError, match="four times spool_segment_bytes"):
        GatewaySettings()
