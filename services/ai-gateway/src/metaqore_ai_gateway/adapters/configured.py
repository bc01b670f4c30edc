"""The configuration file as the gateway's rulebook, and the providers that it names."""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from metaqore_ai_gateway.adapters.provider_inference import InferenceProvider
from metaqore_ai_gateway.adapters.provider_openai import OpenAIProvider
from metaqore_ai_gateway.domain.rulebook import Route, Rulebook
from metaqore_ai_gateway.service.ports import Provider
from metaqore_mesh.config import MeshConfig, ProviderConfig


def rulebook_of(config: MeshConfig, policy: str | None = None) -> Rulebook:
    """The rules of `config`; `policy` names another residency policy than it does."""
    runs = {provider.name: provider.runs for provider in config.providers}
    return Rulebook(
        policy=config.governing(policy),
        models={
            model.name: tuple(Route(route.provider, route.model, runs[route.provider]) for route in model.routes)
            for model in config.models
        },
        default_model=config.default_model,
    )


def providers_of(config: MeshConfig, inference: grpc.aio.Channel, environ: Mapping[str, str]) -> dict[str, Provider]:
    """Each provider of `config` by its name. Its API key is read from `environ`, here and nowhere else."""
    return {provider.name: _provider(provider, inference, environ) for provider in config.providers}


def _provider(provider: ProviderConfig, inference: grpc.aio.Channel, environ: Mapping[str, str]) -> Provider:
    if provider.kind == "inference":
        return InferenceProvider(provider.name, inference)
    key = environ.get(provider.api_key_env, "").strip() if provider.api_key_env else ""
    return OpenAIProvider(provider.name, provider.base_url or "", key)
