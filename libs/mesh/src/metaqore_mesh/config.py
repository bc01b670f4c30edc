"""The configuration file metaqore.yaml: policy, allowpaths, providers and models."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from metaqore_governance_core.allowpaths import ANY, AllowpathMatrix, Effect, Rule, model_tool, tool_family
from metaqore_governance_core.contracts.psmp_commands import COMMAND_NAMES
from metaqore_governance_core.decision import GENERATE, Policy, make_policy
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.residency import Locality, residency_policy
from metaqore_governance_core.sensitivity import Sensitivity
from metaqore_mesh.yaml_marks import Location, Marked, parse

Name = Annotated[str, Field(min_length=1, max_length=200)]

_MODEL_TOOL = "model."
_FAMILIES: Final = ("model.*", "psmp.*")
_ORGANIZATION: Final = re.compile(r"org_[a-z2-7]{26}")

# What is done with PSMP's tools beside its commands.
_MORE_VERBS: Final = {"psmp.artifact": ("upload",), "psmp.webhook": ("create", "delete", "replay")}


def _psmp_verbs() -> dict[str, frozenset[str]]:
    found = {tool: set(verbs) for tool, verbs in _MORE_VERBS.items()}
    for name in COMMAND_NAMES:
        aggregate, _, verb = name.partition(".")
        found.setdefault(f"psmp.{aggregate}", set()).add(verb)
    return {tool: frozenset(verbs) for tool, verbs in found.items()}


PSMP_VERBS: Final[Mapping[str, frozenset[str]]] = _psmp_verbs()
"""Each tool of PSMP, and what policy is asked about it."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class AllowpathConfig(_Section):
    """One rule of the allowpath matrix; see `metaqore_governance_core.allowpaths.Rule`."""

    effect: Literal["allow", "forbid"]
    organization: Name = ANY
    caller: Name
    tool: Name
    verb: Name

    @property
    def rule(self) -> Rule:
        """The rule as the matrix takes it."""
        return Rule(Effect(self.effect), self.caller, self.tool, self.verb, self.organization)


class ProviderConfig(_Section):
    """Who runs models: the Inference service, or any server that speaks OpenAI's HTTP API.

    The API key is named by its environment variable, so that the file holds no secret.
    """

    name: Name
    kind: Literal["inference", "openai"]
    locality: Literal["local", "cloud"]
    base_url: Name | None = None
    api_key_env: Name | None = None

    @property
    def runs(self) -> Locality:
        """Where it runs."""
        return Locality(self.locality)


class RouteConfig(_Section):
    """A provider of a model, and the name that the provider has for it."""

    provider: Name
    model: Name


class ModelConfig(_Section):
    """A model that callers may name, and its routes in order of preference."""

    name: Name
    routes: Annotated[list[RouteConfig], Field(min_length=1)]


class LabelsConfig(_Section):
    """The sensitivity that a project's tasks have at least."""

    projects: dict[Name, Literal["PUBLIC", "INTERNAL", "SENSITIVE", "CRITICAL"]] = {}


class MeshConfig(_Section):
    """The whole file. Its references hold: every provider, model and policy that it names is there."""

    policy: Name = "default"
    default_model: Name
    allowpaths: list[AllowpathConfig]
    providers: Annotated[list[ProviderConfig], Field(min_length=1)]
    models: Annotated[list[ModelConfig], Field(min_length=1)]
    labels: LabelsConfig = LabelsConfig()

    def governing(self, override: str | None = None) -> Policy:
        """The policy that decides. `override` names another residency policy (METAQORE_SECURE_GATEWAY_POLICY)."""
        rules = (allowpath.rule for allowpath in self.allowpaths)
        labels = {project: Sensitivity[level] for project, level in self.labels.projects.items()}
        runs = {provider.name: provider.runs for provider in self.providers}
        localities = {model_tool(model.name): {runs[route.provider] for route in model.routes} for model in self.models}
        return make_policy(
            residency_policy(override or self.policy), AllowpathMatrix.compile(rules), labels, localities
        )


BUILT_IN: Final = MeshConfig(
    default_model="smollm2-135m",
    allowpaths=[
        AllowpathConfig(effect="allow", caller=ANY, tool="model.*", verb=GENERATE),
        AllowpathConfig(effect="allow", caller=ANY, tool="psmp.*", verb=ANY),
    ],
    providers=[ProviderConfig(name="local", kind="inference", locality="local")],
    models=[ModelConfig(name="smollm2-135m", routes=[RouteConfig(provider="local", model="smollm2-135m")])],
)
"""What holds without a file: everyone may use the model that ships with Inference, and work on projects."""

_SECTIONS: Final[Mapping[tuple[str, ...], type[BaseModel]]] = {
    (): MeshConfig,
    ("allowpaths",): AllowpathConfig,
    ("providers",): ProviderConfig,
    ("models",): ModelConfig,
    ("models", "routes"): RouteConfig,
    ("labels",): LabelsConfig,
}


def load_config(path: Path | None, environ: Mapping[str, str] = os.environ) -> MeshConfig:
    """The configuration in `path`, or the built-in one. `environ` must hold the providers' API keys.

    Raises `MetaQoreError` `config_invalid` whose message has a line `file:line: key: what to do` for each error.
    """
    if path is None:
        return BUILT_IN
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MetaQoreError("config_unreadable", f"{path} cannot be read: {error}. Check METAQORE_CONFIG.") from error
    marked = parse(text, str(path))
    try:
        config = MeshConfig.model_validate(marked.value)
    except ValidationError as error:
        raise _invalid(marked, _shape_errors(error)) from error
    if wrong := list(_reference_errors(config, environ)):
        raise _invalid(marked, wrong)
    return config


def _invalid(marked: Marked, errors: list[tuple[Location, str]]) -> MetaQoreError:
    lines = sorted((marked.line(location), marked.place(location), message) for location, message in errors)
    return MetaQoreError("config_invalid", "\n".join(f"{place}: {message}" for _, place, message in lines))


def _shape_errors(error: ValidationError) -> list[tuple[Location, str]]:
    return [(found["loc"], _sentence(found["type"], found["loc"], found["msg"])) for found in error.errors()]


def _sentence(kind: str, location: Location, message: str) -> str:
    section = _SECTIONS.get(tuple(step for step in location[:-1] if isinstance(step, str)))
    match kind:
        case "extra_forbidden" if section:
            return f"this key is not known here; use one of: {', '.join(section.model_fields)}."
        case "missing":
            return "this key is missing; add it."
        case _:
            return f"{message[:1].lower()}{message[1:]}."


def _reference_errors(config: MeshConfig, environ: Mapping[str, str]) -> Iterator[tuple[Location, str]]:
    yield from _repeated("providers", [provider.name for provider in config.providers])
    yield from _repeated("models", [model.name for model in config.models])
    models = {model.name for model in config.models}
    if config.default_model not in models:
        yield ("default_model",), _unknown("model", config.default_model, models)
    try:
        residency_policy(config.policy)
    except MetaQoreError as error:
        yield ("policy",), error.message
    for number, provider in enumerate(config.providers):
        yield from ((("providers", number, key), message) for key, message in _provider_errors(provider, environ))
    providers = {provider.name for provider in config.providers}
    for number, model in enumerate(config.models):
        for turn, route in enumerate(model.routes):
            if route.provider not in providers:
                message = _unknown("provider", route.provider, providers)
                yield ("models", number, "routes", turn, "provider"), message
    for number, allowpath in enumerate(config.allowpaths):
        yield from ((("allowpaths", number, key), message) for key, message in _allowpath_errors(allowpath, models))


def _provider_errors(provider: ProviderConfig, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if provider.kind == "inference":
        for key in ("base_url", "api_key_env"):
            if getattr(provider, key) is not None:
                yield key, "a provider of kind inference is the mesh's own service; take this key away."
        return
    url = urlsplit(provider.base_url or "")
    if url.scheme not in ("http", "https") or not url.hostname:
        yield "base_url", "a provider of kind openai needs its URL here, such as https://api.example.com/v1."
    if provider.api_key_env and not environ.get(provider.api_key_env):
        yield (
            "api_key_env",
            f"the variable {provider.api_key_env} is not set; put the provider's key there.",
        )


def _allowpath_errors(allowpath: AllowpathConfig, models: set[str]) -> Iterator[tuple[str, str]]:
    """What a rule names and is not there: where it forbids, it would forbid nothing."""
    try:
        AllowpathMatrix.compile([allowpath.rule])
    except MetaQoreError as error:
        yield "tool", error.message
        return
    if allowpath.organization != ANY and not _ORGANIZATION.fullmatch(allowpath.organization):
        yield "organization", "this is no organization's id (org_…); see: metaqore key list --json."
    tool = allowpath.tool
    verbs = _verbs(tool, models)
    if verbs:
        if allowpath.verb not in (ANY, *verbs):
            known = ", ".join(sorted({ANY, *verbs}))
            yield "verb", f"{tool} has no verb {allowpath.verb!r}; use one of: {known}."
    elif tool.startswith(_MODEL_TOOL):
        yield "tool", _unknown("model", tool.removeprefix(_MODEL_TOOL), models)
    else:
        yield "tool", _unknown("tool", tool, {ANY, "model.<name>", *_FAMILIES, *PSMP_VERBS})


def _verbs(tool: str, models: set[str]) -> frozenset[str]:
    """The verbs of a tool, of a family or of all; none where there is no such tool."""
    known = {**{model_tool(name): frozenset({GENERATE}) for name in models}, **PSMP_VERBS}
    within = (verbs for name, verbs in known.items() if tool in (ANY, name, tool_family(name)))
    return frozenset().union(*within)


def _repeated(section: str, names: list[str]) -> Iterator[tuple[Location, str]]:
    for number, name in enumerate(names):
        if name in names[:number]:
            yield (section, number, "name"), f"there is a {name!r} above; give each its own name."


def _unknown(what: str, name: str, known: set[str]) -> str:
    return f"there is no {what} {name!r}; use one of: {', '.join(sorted(known))}."
