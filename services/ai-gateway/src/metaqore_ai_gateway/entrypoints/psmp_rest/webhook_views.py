"""Webhooks as REST takes and tells them, and what was sent to them."""

from __future__ import annotations

from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from metaqore_ai_gateway.domain.webhook import Delivery, DeliveryState, Webhook, WebhookState
from metaqore_ai_gateway.domain.webhook_target import MAX_URL_CHARACTERS
from metaqore_ai_gateway.entrypoints.psmp_rest.forms import Form
from metaqore_ai_gateway.service.psmp.ids import event_id
from metaqore_ai_gateway.service.psmp.watching import MOST_NAMED
from metaqore_governance_core.contracts.psmp import AggregateName
from metaqore_governance_core.contracts.psmp_command import Id, Text

Named = Annotated[list[Id], Field(max_length=MOST_NAMED)]


class WebhookForm(Form):
    """Where events are sent, and which. What is left out does not narrow it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"url": "https://ci.example.com/metaqore", "names": ["artifact.Activated"]}],
        }
    )

    url: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_URL_CHARACTERS,
            description="HTTPS, on the public internet; others where the operator allows the host.",
        ),
    ]
    description: Text = ""
    project_ids: Named = Field([], description="Only of these projects.")
    aggregate: AggregateName | None = Field(None, description="Only about these.")
    aggregate_id: Id | None = Field(None, description="Only about this one.")
    names: Named = Field([], description="Only of these names, such as `artifact.Activated`.")


class ReplayForm(Form):
    """What is sent again: one delivery, or what a project told behind an event, as far as the webhook wants it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"after_event_id": "default@120"}]})

    delivery_id: Id | None = None
    after_event_id: Id | None = Field(None, description="`<project>@0` stands before the first event.")

    @model_validator(mode="after")
    def _one(self) -> ReplayForm:
        if (self.delivery_id is None) == (self.after_event_id is None):
            raise ValueError("give either delivery_id or after_event_id")
        return self


class WebhookView(BaseModel):
    """A webhook. `reason` is why it is disabled: `gone`, for it answered 410, or `too_many_waiting`.

    A replay enables it.
    """

    id: str
    url: str
    description: str
    project_ids: list[str]
    aggregate: AggregateName | None
    aggregate_id: str | None
    names: list[str]
    state: WebhookState
    reason: str | None
    by: str
    created_us: int


class MadeWebhook(WebhookView):
    """The new webhook, with its secret."""

    secret: str = Field(description="Verifies signatures by Standard Webhooks. It is shown this once.")


class WebhookPage(BaseModel):
    """Webhooks, by id. `next_page_token` is empty on the last page."""

    webhooks: list[WebhookView]
    next_page_token: str


class AttemptView(BaseModel):
    """One sending. `error` is null where the message was taken; `status` where no answer came."""

    at_us: int
    duration_us: int
    status: int | None
    error: str | None


class DeliveryView(BaseModel):
    """An event for a webhook. `id` is the message's `webhook-id`, the same each time it is sent."""

    id: str
    event_id: str
    project_id: str
    name: str
    state: DeliveryState
    attempts: list[AttemptView] = Field(description="The last ones, oldest first.")
    due_us: int | None = Field(description="When it is sent next.")
    created_us: int
    ended_us: int | None


class DeliveryPage(BaseModel):
    """Deliveries, newest first. `next_page_token` is empty on the last page."""

    deliveries: list[DeliveryView]
    next_page_token: str


class ReplayView(BaseModel):
    """What is sent again. Where there is `more`, go on behind `last_event_id`."""

    count: int
    last_event_id: str
    more: bool


def webhook_view(webhook: Webhook) -> WebhookView:
    """The webhook as it is told, without its secret."""
    return WebhookView(
        id=webhook.id,
        url=webhook.url,
        description=webhook.description,
        project_ids=list(webhook.projects),
        aggregate=cast("AggregateName | None", webhook.aggregate or None),
        aggregate_id=webhook.aggregate_id or None,
        names=list(webhook.names),
        state=webhook.state,
        reason=webhook.reason or None,
        by=webhook.by,
        created_us=webhook.created_us,
    )


def delivery_view(delivery: Delivery) -> DeliveryView:
    """The delivery with its last attempts."""
    waits = delivery.state is DeliveryState.WAITING
    return DeliveryView(
        id=delivery.id,
        event_id=event_id(delivery.project, delivery.version),
        project_id=delivery.project,
        name=delivery.name,
        state=delivery.state,
        attempts=[
            AttemptView(at_us=one.at_us, duration_us=one.duration_us, status=one.status, error=one.error or None)
            for one in delivery.attempts
        ],
        due_us=delivery.due_us if waits else None,
        created_us=delivery.created_us,
        ended_us=delivery.ended_us,
    )
