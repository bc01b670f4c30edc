import os
import traceback
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.settings import MeshSettings, SettingsGroup, TelemetrySettings


class Group(SettingsGroup):
    port: int = 1


class ServiceSettings(MeshSettings):
    telemetry: TelemetrySettings = TelemetrySettings(metrics_port=8003)
    gateway: Group = Group()


@pytest.fixture(autouse=True)
def no_variables(monkeypatch, tmp_path):
    for name in os.environ:
        if name.startswith("METAQORE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_the_defaults_need_no_variable(tmp_path):
    settings = MeshSettings()
    assert settings.run_dir == tmp_path / ".local/state/metaqore"
    assert settings.mesh_token_file == settings.run_dir / "keys" / "mesh-token"
    assert settings.kafka.bootstrap_servers == "127.0.0.1:9092"


def test_variables_reach_nested_groups(monkeypatch):
    monkeypatch.setenv("METAQORE_GATEWAY__PORT", "7")
    monkeypatch.setenv("METAQORE_SECURE_GATEWAY_POLICY", "compliance")
    settings = ServiceSettings()
    assert (settings.gateway.port, settings.secure_gateway_policy) == (7, "compliance")


def test_an_empty_variable_is_as_if_it_were_not_set(monkeypatch, tmp_path):
    monkeypatch.setenv("METAQORE_RUN_DIR", "")
    assert MeshSettings().run_dir == tmp_path / ".local/state/metaqore"


def test_one_field_of_a_group_leaves_the_services_other_defaults(monkeypatch):
    monkeypatch.setenv("METAQORE_TELEMETRY__LOG_LEVEL", "DEBUG")
    settings = ServiceSettings()
    assert (settings.telemetry.log_level, settings.telemetry.metrics_port) == ("DEBUG", 8003)


def test_the_token_lies_in_the_run_directory_that_was_given(monkeypatch):
    monkeypatch.setenv("METAQORE_RUN_DIR", "somewhere")
    assert MeshSettings().mesh_token_file == Path.cwd() / "somewhere/keys/mesh-token"


@pytest.mark.parametrize(("embedded", "idempotent"), [("true", False), ("false", True)])
def test_the_producer_is_idempotent_where_the_broker_can(monkeypatch, embedded, idempotent):
    monkeypatch.setenv("METAQORE_KAFKA__EMBEDDED", embedded)
    assert MeshSettings().kafka.idempotent is idempotent


def test_a_misspelt_field_is_an_error(monkeypatch):
    monkeypatch.setenv("METAQORE_KAFKA__BOOTSTRAP_SERVER", "x")
    with pytest.raises(MetaQoreError, match="METAQORE_KAFKA__BOOTSTRAP_SERVER: Extra inputs are not permitted"):
        MeshSettings()


def test_each_variable_that_is_wrong_is_told_without_its_value(monkeypatch):
    monkeypatch.setenv("METAQORE_DATABASE__PASSWORD", "secret-1")
    monkeypatch.setenv("METAQORE_TELEMETRY__LOG_LEVEL", "secret-2")
    with pytest.raises(MetaQoreError) as refused:
        MeshSettings()
    told = "".join(traceback.format_exception(refused.value))
    assert refused.value.code == "settings_invalid"
    assert "METAQORE_DATABASE__PASSWORD: " in told
    assert "METAQORE_TELEMETRY__LOG_LEVEL: Input should be 'DEBUG', " in told
    assert "secret" not in told


def test_settings_are_frozen_and_show_no_password(monkeypatch):
    monkeypatch.setenv("METAQORE_DATABASE__URL", "postgresql://u:secret@h/d")
    settings = MeshSettings()
    assert "secret" not in repr(settings)
    assert isinstance(settings.database, BaseModel)
    with pytest.raises(ValidationError):
        settings.run_dir = Path("/")
