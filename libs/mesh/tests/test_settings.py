import os
import traceback
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.settings import MeshSettings, SettingsGroup, TelemetrySettings
from metaqore_mesh.variables import misspelt


class Group(SettingsGroup):
    port: int = 1
    hosts: tuple[str, ...] = ()


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


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        pytest.param("GATEWAY__PROT", "s3cret", "no such variable; use one of: METAQORE_GATEWAY__PORT", id="name"),
        pytest.param("GATEWAY__PORT", "s3cret", "input should be a valid integer", id="type"),
        pytest.param("TELEMETRY__LOG_LEVEL", "s3cret", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'", id="choice"),
        pytest.param("GATEWAY__HOSTS", "s3cret", "is written in JSON", id="list"),
    ],
)
def test_a_wrong_variable_is_told_by_its_name_and_never_by_its_value(monkeypatch, name, value, says):
    monkeypatch.setenv(f"METAQORE_{name}", value)
    with pytest.raises(MetaQoreError, match=f"METAQORE_{name.partition('__')[0]}") as refused:
        ServiceSettings()
    assert refused.value.code == "settings_invalid"
    assert says in refused.value.message
    assert value not in refused.value.message
    assert refused.value.__suppress_context__  # a traceback would show the value


def test_each_variable_that_is_wrong_is_told(monkeypatch):
    monkeypatch.setenv("METAQORE_DATABASE__PASSWORD", "secret-1")
    monkeypatch.setenv("METAQORE_TELEMETRY__LOG_LEVEL", "secret-2")
    with pytest.raises(MetaQoreError) as refused:
        MeshSettings()
    told = "".join(traceback.format_exception(refused.value))
    assert "METAQORE_DATABASE__PASSWORD: " in told
    assert "METAQORE_TELEMETRY__LOG_LEVEL: " in told
    assert "secret" not in told


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("METAQORE_SECURE_GATEWAY_POLCY", "METAQORE_SECURE_GATEWAY_POLICY"),
        ("METAQORE_GATEWAY_PORT", "METAQORE_GATEWAY__PORT"),
        ("METAQORE_API_KYE", "METAQORE_API_KEY"),
        ("METAQORE_GATEWAY__PROT", None),  # its service refuses it
        ("METAQORE_API_KEY", None),
        ("METAQORE_CLOUD_KEY", None),  # somebody's own
        ("METAQORE_TEST_KAFKA", None),
    ],
)
def test_a_misspelt_variable_is_told_with_the_one_that_is_meant(name, meant):
    assert misspelt({name: "x"}, ServiceSettings, ["METAQORE_API_KEY"]) == ({name: meant} if meant else {})


def test_settings_are_frozen_and_show_no_password(monkeypatch):
    monkeypatch.setenv("METAQORE_DATABASE__URL", "postgresql://u:secret@h/d")
    settings = MeshSettings()
    assert "secret" not in repr(settings)
    assert isinstance(settings.database, BaseModel)
    with pytest.raises(ValidationError):
        settings.run_dir = Path("/")
