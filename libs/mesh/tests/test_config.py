from pathlib import Path

import pytest

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.residency import Locality
from metaqore_mesh.config import BUILT_IN, load_config

EXAMPLE = Path(__file__).parents[3] / "examples" / "metaqore.yaml"

GOOD = """\
policy: enterprise
default_model: small
allowpaths:
  - {effect: allow, caller: "*", tool: "model.*", verb: generate}
providers:
  - name: local
    kind: inference
    locality: local
  - name: cloud
    kind: openai
    locality: cloud
    base_url: https://api.example.com/v1
    api_key_env: CLOUD_KEY
models:
  - name: small
    routes:
      - {provider: local, model: tiny}
      - {provider: cloud, model: big}
labels:
  projects: {payroll: SENSITIVE}
"""
ENVIRON = {"CLOUD_KEY": "k"}


def loaded(tmp_path, text, environ=ENVIRON):
    path = tmp_path / "metaqore.yaml"
    path.write_text(text)
    return load_config(path, environ)


def test_a_whole_file(tmp_path):
    config = loaded(tmp_path, GOOD)
    policy = config.governing()
    assert policy.residency.name == "enterprise_residency"
    assert policy.project_labels["payroll"].name == "SENSITIVE"
    assert [provider.runs for provider in config.providers] == [Locality.LOCAL, Locality.CLOUD]
    assert config.governing("compliance").residency.alias == "compliance"


def test_where_a_model_runs_decides_too(tmp_path):
    """A task that was decided when its model was local must not run on, elsewhere, as if nothing had changed."""
    moved = GOOD.replace("locality: local", "locality: cloud")
    versions = {loaded(tmp_path, text).governing().version for text in (GOOD, moved)}
    assert len(versions) == 2


def test_no_file_means_the_built_in_configuration():
    config = load_config(None)
    assert config is BUILT_IN
    assert config.governing().allowpaths.permits("org", "who", "model.smollm2-135m", "generate").value


def test_the_example_is_good():
    assert load_config(EXAMPLE, {}).default_model == BUILT_IN.default_model


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        pytest.param("policy: enterprise", "policy: lax", 1, "no policy 'lax'; use one of:", id="policy"),
        pytest.param("default_model: small", "default_model: x", 2, "no model 'x'; use one of: small", id="default"),
        pytest.param("default_model: small\n", "", 1, "missing; add it", id="missing key"),
        pytest.param("kind: openai", "kind: opena", 10, "should be 'inference' or 'openai'", id="kind"),
        pytest.param(
            "    kind: openai", "    kind: openai\n    kid: x", 11, "not known here; use one of: name, kind", id="key"
        ),
        pytest.param("name: cloud", "name: local", 9, "a 'local' above", id="repeated name"),
        pytest.param("provider: cloud", "provider: clod", 18, "no provider 'clod'; use one of: cloud, local", id="ref"),
        pytest.param("https://api.example.com/v1", "api.example.com", 12, "needs its URL", id="base_url"),
        pytest.param("CLOUD_KEY", "OTHER_KEY", 13, "OTHER_KEY is not set", id="key variable"),
        pytest.param('"model.*"', "model.gpt", 4, "no model 'gpt'", id="allowpath to a model that is not there"),
        pytest.param(
            '"model.*"', "psmp.artefact", 4, "no tool 'psmp.artefact'; use one of:", id="allowpath to no tool"
        ),
        pytest.param('"model.*"', '"models.*"', 4, "no tool 'models.*'", id="allowpath to no family"),
        pytest.param('"model.*"', '"mo*"', 4, "tool is a name, a family", id="allowpath pattern"),
        pytest.param(
            "verb: generate", "verb: generat", 4, "model.* has no verb 'generat'; use one of: *, gen", id="verb"
        ),
        pytest.param(
            '"model.*", verb: generate',
            "psmp.artifact, verb: activat",
            4,
            "psmp.artifact has no verb 'activat'",
            id="command",
        ),
        pytest.param(
            "effect: allow", "effect: forbid, organization: acme", 4, "no organization's id", id="organization's name"
        ),
        pytest.param("payroll: SENSITIVE", "payroll: SECRET", 20, "should be 'PUBLIC'", id="label"),
        pytest.param("    kind: openai", "    name: openai", 10, "'name' is repeated", id="repeated key"),
        pytest.param("    kind: openai", "   kind: openai", 10, "", id="indentation"),
        pytest.param("policy: enterprise", "1: x", 1, "must be a text", id="key type"),
        pytest.param("policy: enterprise", "policy: 3", 1, "valid string", id="strict types"),
        pytest.param("kind: inference", "kind: inference\n    base_url: http://x", 8, "take this key away", id="own"),
    ],
)
def test_an_error_names_its_line_and_the_way_out(tmp_path, old, new, line, says):
    assert old in GOOD
    with pytest.raises(MetaQoreError) as refused:
        loaded(tmp_path, GOOD.replace(old, new, 1))
    first = refused.value.message.splitlines()[0]
    assert first.startswith(f"{tmp_path}/metaqore.yaml:{line}: ")
    assert says in first


def test_every_error_is_told_at_once(tmp_path):
    with pytest.raises(MetaQoreError) as refused:
        loaded(tmp_path, GOOD.replace("effect: allow", "effect: permit").replace("locality: cloud", "locality: sky"))
    assert len(refused.value.message.splitlines()) == 2


@pytest.mark.parametrize("text", ["", "- a\n", "a: &a [*a]\n", "\tx: 1\n", "a: 1\n---\nb: 2\n"])
def test_what_is_no_configuration_is_refused(tmp_path, text):
    with pytest.raises(MetaQoreError, match=r"metaqore\.yaml:\d"):
        loaded(tmp_path, text)


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(MetaQoreError, match="METAQORE_CONFIG"):
        load_config(tmp_path / "none.yaml")
