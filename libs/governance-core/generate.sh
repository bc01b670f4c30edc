#!/usr/bin/env bash
# Writes the event schemas into schemas/ and each service's AsyncAPI document beside it. schemas/baseline/ holds the
# contracts as last released; copy schemas/*.json there with a release, and never to make a test pass.
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-../../.venv/bin/python}
contracts=metaqore_governance_core.contracts
for event in $("$python" -m $contracts.schemas); do
  "$python" -m $contracts.schemas "$event" > "schemas/$event.json"
done
for service in $("$python" -m $contracts.asyncapi); do
  "$python" -m $contracts.asyncapi "$service" > "../../services/$service/asyncapi.yaml"
done
