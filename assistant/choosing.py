"""Which models could answer here, and the choice among them; it holds from the backend's next start on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from assistant import wire
from assistant.config import AssistantConfig
from assistant.errors import AttuneError, ConflictError, ModelNotFoundError
from assistant.models.auto import choose, chosen, found
from assistant.models.starter import STARTER, Fetched, fetch

DOWNLOAD = f"download/{STARTER.model}"

Fetch = Callable[[str], AsyncGenerator[Fetched, None]]


async def offers(config: AssistantConfig, answering: str) -> wire.ModelOffers:
    """List what could answer: what was found on this machine, and the small model that could be downloaded."""
    listed = [
        wire.ModelOffer(name=one.name, description=one.description, leaves_machine=one.leaves_machine)
        for one in await found(config)
    ]
    if f"local/{STARTER.model}" not in {one.name for one in listed}:
        words = f"{STARTER.model}, a small instruct model, downloaded from huggingface.co; it then runs in this program"
        listed.append(
            wire.ModelOffer(name=DOWNLOAD, description=words, leaves_machine=False, download_bytes=STARTER.about_bytes)
        )
    return wire.ModelOffers(
        data=listed,
        answering=answering,
        chosen=chosen(config.memory_config.home),
        configured=_configured(config),
    )


async def pick(config: AssistantConfig, choice: wire.ModelChoice) -> wire.ModelOffer:
    """Return what was chosen.

    Raises:
        ModelNotFoundError: there is no such model here.
        ConflictError: the configuration names the model, or text would leave the machine and nobody agreed to that.
    """
    if _configured(config):
        raise ConflictError("the configuration names the model that answers; change its section [policy]")
    listed = (await offers(config, "")).data
    offer = next((one for one in listed if one.name == choice.name), None)
    if offer is None:
        raise ModelNotFoundError(f"there is no model {choice.name!r} here; GET /v1/admin/models lists them")
    if offer.leaves_machine and not choice.agree:
        raise ConflictError(f"{offer.description}; say agree: true if that is meant")
    return offer


async def take(
    config: AssistantConfig, offer: wire.ModelOffer, fetch: Fetch = fetch
) -> AsyncGenerator[wire.ModelStep, None]:
    """Download what has to be downloaded, note the choice, and say how far that is; the last step says how it ended."""
    name = offer.name
    try:
        if offer.name == DOWNLOAD:
            async for step in fetch(STARTER.model):
                yield wire.ModelStep(type="downloading", done=step.done, total=step.total or STARTER.about_bytes)
            name = f"local/{STARTER.model}"
        choose(config.memory_config.home, name)
    except AttuneError as error:
        yield wire.ModelStep(type="error", message=error.message)
        return
    yield wire.ModelStep(type="chosen", message=f"{name} answers from the backend's next start on")


def _configured(config: AssistantConfig) -> bool:
    policy = config.policy
    return policy.engine != "auto" or policy.base_url is not None or policy.model is not None
