"""What stands behind the webhooks of REST in its tests: a store in memory, a project, and a policy that permits."""

from dataclasses import replace

from metaqore_ai_gateway.service.authenticate import missing_scope
from metaqore_ai_gateway.service.psmp.decide_command import Recorded
from metaqore_ai_gateway.service.psmp.governed import CommandRefusedError, not_found
from metaqore_governance_core.decision import lacking
from metaqore_governance_core.sensitivity import Sensitivity


class MemoryWebhooks:
    """Webhooks and deliveries in memory."""

    def __init__(self):
        self.webhooks, self.kept, self.again = {}, [], []

    async def create(self, webhook, most):
        if sum(organization == webhook.organization for organization, _ in self.webhooks) >= most:
            return None
        made = replace(webhook, created_us=1_700)
        self.webhooks[webhook.organization, webhook.id] = made
        return made

    async def find(self, organization, webhook):
        return self.webhooks.get((organization, webhook))

    async def page(self, organization, after, size):
        mine = sorted(id_ for of, id_ in self.webhooks if of == organization and id_ > after)
        return [self.webhooks[organization, id_] for id_ in mine[:size]]

    async def delete(self, organization, webhook):
        return self.webhooks.pop((organization, webhook), None) is not None

    async def deliveries(self, organization, webhook, *, state, before, size):
        assert (organization, webhook) in self.webhooks
        found = [one for one in self.kept if one.webhook == webhook and state in {None, one.state}]
        found.sort(key=lambda one: (one.created_us, one.id), reverse=True)
        return [one for one in found if before is None or (one.created_us, one.id) < before][:size]

    async def find_delivery(self, organization, webhook, delivery):
        assert (organization, webhook) in self.webhooks
        return next((one for one in self.kept if (one.webhook, one.id) == (webhook, delivery)), None)

    async def send_again(self, organization, webhook, events, now_us):
        self.again.append((organization, webhook, list(events), now_us))


class GardenReadings:
    """A project `garden` of `acme`, with events 1 to 9."""

    def __init__(self, relayed):
        self.relayed = relayed

    async def project(self, caller, project):
        if (caller.organization, project) != ("acme", "garden"):
            raise not_found("project")

    async def events(self, caller, project, after, size=100):
        await self.project(caller, project)
        return tuple(self.relayed(version).past() for version in range(after + 1, 10))[:size]


async def recorded(question, text, raw):
    assert text == raw
    scope = lacking(question.caller, question.needs)
    if scope is not None:
        of = f"{question.tool}.{question.verb} {' '.join(question.target)}".strip()
        raise CommandRefusedError(missing_scope(scope), state="denied", receipt=of, receipt_token="token")
    return Recorded(f"{question.tool}.{question.verb}", "token", Sensitivity.PUBLIC)
