"""Webhooks over REST: where events are sent, and what came of it."""

from __future__ import annotations

from typing import Annotated, Final, cast

from fastapi import Depends, FastAPI, Query, Request, Response
from pydantic import BaseModel

from metaqore_ai_gateway.domain.webhook import DeliveryState
from metaqore_ai_gateway.entrypoints.psmp_rest.forms import NoneAsked, WebhookPath
from metaqore_ai_gateway.entrypoints.psmp_rest.paging import PageQuery, cut
from metaqore_ai_gateway.entrypoints.psmp_rest.sent import IdempotencyKey
from metaqore_ai_gateway.entrypoints.psmp_rest.strict_bodies import strict_router
from metaqore_ai_gateway.entrypoints.psmp_rest.webhook_views import (
    DeliveryPage,
    MadeWebhook,
    ReplayForm,
    ReplayView,
    WebhookForm,
    WebhookPage,
    WebhookView,
    delivery_view,
    webhook_view,
)
from metaqore_ai_gateway.entrypoints.slow.caller import KnownCaller
from metaqore_ai_gateway.entrypoints.slow.problem import receipt_headers
from metaqore_ai_gateway.entrypoints.slow.refusals import RECEIPTS, refusals
from metaqore_ai_gateway.service.ports import StoredAnswer
from metaqore_ai_gateway.service.psmp.decide_command import Recorded
from metaqore_ai_gateway.service.psmp.page_tokens import Question
from metaqore_ai_gateway.service.psmp.webhooks import NewWebhook, Webhooks

router = strict_router("webhooks")

_READ: Final = refusals(400, 401, 403, 404, 500, 503)
_KEYED: Final = _READ | refusals(409, 413, 415, 422)


class DeliveryQuery(PageQuery):
    """Which deliveries."""

    state: DeliveryState | None = None


def with_webhooks(app: FastAPI, webhooks: Webhooks) -> None:
    """Serve webhooks."""
    app.state.webhooks = webhooks
    app.include_router(router)


def _webhooks(request: Request) -> Webhooks:
    return cast("Webhooks", request.app.state.webhooks)


Door = Annotated[Webhooks, Depends(_webhooks)]


async def _sent(request: Request) -> bytes:
    return await request.body()


Sent = Annotated[bytes, Depends(_sent)]


@router.post(
    "/webhooks",
    responses=_KEYED | refusals(429) | {201: {"headers": RECEIPTS}},
    response_model=MadeWebhook,
    status_code=201,
)
async def create_webhook(
    door: Door, caller: KnownCaller, body: WebhookForm, sent: Sent, key: IdempotencyKey, _: NoneAsked
) -> Response:
    """Send events to an address from now on. The answer holds the secret that signs them, once.

    Messages and their signatures are those of Standard Webhooks: `type` is the event's name, `data` the event. What is
    not taken, with a status from 200 to 299 within 15 seconds, is sent again for about a day, ever more rarely, under
    the same `webhook-id`; their order may differ from that of the project, which `data.version` tells.
    """
    asked = NewWebhook(
        body.url,
        body.description,
        tuple(dict.fromkeys(body.project_ids)),
        body.aggregate or "",
        body.aggregate_id or "",
        tuple(dict.fromkeys(body.names)),
    )

    async def make() -> StoredAnswer:
        webhook, secret, recorded = await door.create(caller, asked, sent, key)
        told = MadeWebhook(**webhook_view(webhook).model_dump(), secret=secret)
        named = {"location": f"/api/v1/webhooks/{webhook.id}", "cache-control": "no-store"}
        return _answer(201, told, recorded, named)

    return _response(*await door.once(caller, "create", key, sent, make))


@router.get("/webhooks", responses=_READ)
async def list_webhooks(door: Door, caller: KnownCaller, query: Annotated[PageQuery, Query()]) -> WebhookPage:
    """The organization's webhooks."""
    question = Question("webhooks", (caller.organization,))
    (after,) = question.place(query.page_token, str) or ("",)
    found, more = cut(await door.page(caller, after, query.page_size + 1), query.page_size)
    return WebhookPage(
        webhooks=[webhook_view(one) for one in found], next_page_token=question.token(found[-1].id) if more else ""
    )


@router.get("/webhooks/{webhook_id}", responses=_READ)
async def get_webhook(door: Door, caller: KnownCaller, webhook_id: WebhookPath, _: NoneAsked) -> WebhookView:
    """One webhook."""
    return webhook_view(await door.get(caller, webhook_id))


@router.delete("/webhooks/{webhook_id}", responses=_READ | {204: {"headers": RECEIPTS}}, status_code=204)
async def delete_webhook(
    door: Door, caller: KnownCaller, webhook_id: WebhookPath, response: Response, _: NoneAsked
) -> None:
    """Send nothing more to it, and forget what was sent."""
    recorded = await door.delete(caller, webhook_id)
    response.headers.update(receipt_headers(recorded.receipt, recorded.receipt_token))


@router.get("/webhooks/{webhook_id}/deliveries", responses=_READ)
async def list_deliveries(
    door: Door, caller: KnownCaller, webhook_id: WebhookPath, query: Annotated[DeliveryQuery, Query()]
) -> DeliveryPage:
    """What was sent to it, is, or will be, newest first; those that have ended for 30 days."""
    question = Question("deliveries", (caller.organization, webhook_id, query.state))
    read = question.place(query.page_token, int, str)
    before = (read[0], read[1]) if read else None
    found, more = cut(
        await door.deliveries(caller, webhook_id, state=query.state, before=before, size=query.page_size + 1),
        query.page_size,
    )
    return DeliveryPage(
        deliveries=[delivery_view(one) for one in found],
        next_page_token=question.token(found[-1].created_us, found[-1].id) if more else "",
    )


@router.post(
    "/webhooks/{webhook_id}/replay",
    responses=_KEYED | {202: {"headers": RECEIPTS}},
    response_model=ReplayView,
    status_code=202,
)
async def replay_webhook(
    door: Door,
    caller: KnownCaller,
    webhook_id: WebhookPath,
    *,
    body: ReplayForm,
    sent: Sent,
    key: IdempotencyKey,
    _: NoneAsked,
) -> Response:
    """Send a delivery again, or what came behind an event. A webhook that is disabled is active again."""

    async def replay() -> StoredAnswer:
        if body.delivery_id is not None:
            replayed, recorded = await door.replay(caller, webhook_id, body.delivery_id, sent)
        else:
            replayed, recorded = await door.replay_after(caller, webhook_id, body.after_event_id or "", sent)
        told = ReplayView(count=replayed.count, last_event_id=replayed.last_event_id, more=replayed.more)
        return _answer(202, told, recorded, {})

    return _response(*await door.once(caller, f"replay {webhook_id}", key, sent, replay))


def _answer(status: int, told: BaseModel, recorded: Recorded, named: dict[str, str]) -> StoredAnswer:
    headers = receipt_headers(recorded.receipt, recorded.receipt_token) | named
    return StoredAnswer(status, headers, told.model_dump_json().encode())


def _response(answer: StoredAnswer, again: bool) -> Response:  # noqa: FBT001 - as `once` gives it
    """`again` marks what a repeat is told."""
    headers = {**answer.headers, **({"idempotent-replayed": "true"} if again else {})}
    return Response(answer.body, answer.status, headers, "application/json")
