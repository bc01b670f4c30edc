import pytest

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.embedded.mesh import supervised, with_free_ports
from metaqore_mesh.embedded.plan import Plan
from metaqore_mesh.embedded.settings import Backoff, UpSettings
from metaqore_mesh.run_directory import RunDirectory


@pytest.fixture(autouse=True)
def variables(monkeypatch, tmp_path):
    monkeypatch.setenv("METAQORE_RUN_DIR", str(tmp_path / "run"))
    return monkeypatch


def planned():
    settings = UpSettings()
    return Plan(settings, RunDirectory(settings.run_dir))


def environment(plan, name):
    return next(part.environment for part in plan.parts() if part.name == name)


def test_all_parts_in_the_order_of_their_start():
    assert [part.name for part in planned().parts()] == [
        "postgres",
        "broker",
        "compliance-auditor",
        "inference",
        "ai-gateway",
    ]


def test_the_default_endpoints():
    assert planned().endpoints() == {
        "rest": "http://127.0.0.1:8001",
        "grpc": "127.0.0.1:8002",
        "kafka": "127.0.0.1:9092",
        "metrics": "127.0.0.1:8003",
    }


def test_ones_own_servers_take_the_place_of_the_embedded_ones(variables):
    variables.setenv("METAQORE_KAFKA__BOOTSTRAP_SERVERS", "k1:9092,k2:9092")
    variables.setenv("METAQORE_DATABASE__URL", "postgresql://u:p@db/any?sslmode=require")
    plan = planned()
    assert [part.name for part in plan.parts()] == ["compliance-auditor", "inference", "ai-gateway"]
    gateway = environment(plan, "ai-gateway")
    assert gateway["METAQORE_DATABASE__URL"] == "postgresql://u:p@db/metaqore_gateway?sslmode=require"
    assert gateway["METAQORE_KAFKA__BOOTSTRAP_SERVERS"] == "k1:9092,k2:9092"
    assert gateway["METAQORE_KAFKA__EMBEDDED"] == "false"
    assert "metaqore_auditor" in environment(plan, "compliance-auditor")["METAQORE_DATABASE__URL"]
    assert "METAQORE_DATABASE__URL" not in environment(plan, "inference")


def test_a_part_gets_its_own_variables_and_no_others(variables):
    variables.setenv("METAQORE_INFERENCE__SLOTS", "2")
    variables.setenv("METAQORE_GATEWAY__METRICS_PORT", "9003")
    variables.setenv("METAQORE_GATEWAY__REST_PORT", "9001")
    plan = planned()
    gateway, inference = environment(plan, "ai-gateway"), environment(plan, "inference")
    assert inference["METAQORE_INFERENCE__SLOTS"] == "2"
    assert "METAQORE_INFERENCE__SLOTS" not in gateway
    assert gateway["METAQORE_INFERENCE__ENDPOINT"] == "127.0.0.1:8011"
    assert gateway["METAQORE_GATEWAY__REST_PORT"] == "9001"
    assert gateway["METAQORE_TELEMETRY__METRICS_PORT"] == "9003"
    assert "METAQORE_GATEWAY__METRICS_PORT" not in gateway
    assert plan.endpoints()["rest"] == "http://127.0.0.1:9001"


def test_foreign_programs_see_none_of_our_variables(variables):
    variables.setenv("OPENAI_API_KEY", "secret")
    plan = planned()
    assert "OPENAI_API_KEY" in environment(plan, "ai-gateway")
    assert "OPENAI_API_KEY" not in {**environment(plan, "postgres"), **environment(plan, "broker")}


def test_free_ports_are_all_different():
    placed = with_free_ports(UpSettings())
    parts = Plan(placed, RunDirectory(placed.run_dir)).parts()
    ports = [port for part in parts for port in part.ports.values()]
    assert len(set(ports)) == len(ports) == 8
    assert 8001 not in ports


def test_a_server_on_all_addresses_is_reached_on_this_machine(variables):
    variables.setenv("METAQORE_GATEWAY__HOST", "0.0.0.0")  # noqa: S104 - a test of that very address
    assert planned().endpoints()["rest"] == "http://127.0.0.1:8001"


def test_a_bad_configuration_is_refused_before_anything_starts(variables, tmp_path):
    (tmp_path / "metaqore.yaml").write_text("policy: default\n")
    variables.setenv("METAQORE_CONFIG", str(tmp_path / "metaqore.yaml"))
    with pytest.raises(MetaQoreError, match=r"metaqore\.yaml:1: models"):
        supervised(UpSettings(), lambda _: None)


def test_a_port_is_a_port(variables):
    variables.setenv("METAQORE_GATEWAY__REST_PORT", "80000")
    with pytest.raises(MetaQoreError, match="METAQORE_GATEWAY__REST_PORT"):
        UpSettings()


def test_the_wait_doubles_up_to_its_limit():
    backoff = Backoff(first_s=0.2, most_s=10)
    assert [backoff.delay_s(deaths) for deaths in (1, 2, 3, 7, 5000)] == [0.2, 0.4, 0.8, 10, 10]


def test_a_policy_that_does_not_exist_is_refused_before_anything_starts(variables):
    variables.setenv("METAQORE_SECURE_GATEWAY_POLICY", "lenient")
    with pytest.raises(MetaQoreError, match="enterprise_residency"):
        supervised(UpSettings(), lambda _: None)


def test_a_durability_that_the_embedded_broker_cannot_keep_is_refused_before_anything_starts(variables):
    variables.setenv("METAQORE_GATEWAY__DURABILITY", "broker")
    with pytest.raises(MetaQoreError, match="METAQORE_KAFKA__BOOTSTRAP_SERVERS") as raised:
        supervised(UpSettings(), lambda _: None)
    assert raised.value.code == "durability_not_kept"
    variables.setenv("METAQORE_KAFKA__BOOTSTRAP_SERVERS", "kafka:9092")
    supervised(UpSettings(), lambda _: None)
