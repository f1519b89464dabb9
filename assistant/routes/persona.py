"""What is believed about the person, and their word in it: see, correct, freeze, delete, answer a questionnaire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BeforeValidator

from assistant import wire
from assistant.auth import PersonId, Runtimes
from assistant.errors import ConflictError, InvalidRequestError
from assistant.runtime import Runtime
from memory.persona.history import history, strongest
from memory.persona.levels import interval, level_t_score, shown
from memory.persona.posterior import TEXT, encode
from memory.persona.profile import persona as persona_of
from memory.persona.questionnaire import form, instructions, scale, t_scores
from memory.types import Trait, TraitEstimate, TraitEvidence

router = APIRouter(prefix="/v1/me/persona", tags=["persona"])

INTERVAL = 0.80
NOTE = (
    "Estimated from what you wrote, with much uncertainty: words and questionnaires agree only weakly. It changes how"
    " replies are worded, never what is true of you; your own word counts more than any inference."
)
NORMS = (
    "Compared with adults of the Eugene-Springfield community sample on the 100-item form of the same markers;"
    " that the shorter forms have the same averages, and that you are like those adults, is our assumption."
)

Items = Annotated[
    Literal[20, 50], BeforeValidator(int), Query(description="How many statements: 20 (Mini-IPIP) or 50.")
]


@router.get("")
async def get(runtime: Runtimes, person: PersonId) -> wire.PersonaView:
    """Return the five traits with what they rest on."""
    return await _view(runtime, person)


@router.patch("")
async def change(body: wire.TraitChange, runtime: Runtimes, person: PersonId) -> wire.PersonaView:
    """Correct a trait, or let it stand still or move again."""
    trait, now = Trait(body.trait), datetime.now(UTC)
    t_score = level_t_score(body.level) if body.level is not None else body.t_score
    if t_score is not None:
        await _require_enabled(runtime, person)
        item = body.level or "t_score"
        await runtime.ledger.traits.tell(person, [(trait, *encode(t_score))], "correction", item, now)
    if body.frozen is not None:
        if body.frozen:
            await runtime.ledger.trait_controls.freeze(person, trait, now)
        else:
            await runtime.ledger.trait_controls.unfreeze(person, trait)
    return await _view(runtime, person)


@router.delete("")
async def withdraw(
    runtime: Runtimes,
    person: PersonId,
    trait: Annotated[wire.TraitName | None, Query(description="Only this trait; all five without it.")] = None,
) -> wire.PersonaForgotten:
    """Delete what is known of the traits, corrections and questionnaires too; the same messages teach it no more."""
    traits = list(Trait) if trait is None else [Trait(trait)]
    withdrawn = await runtime.ledger.trait_controls.withdraw(person, traits)
    return wire.PersonaForgotten(traits=[one.value for one in traits], withdrawn=withdrawn)


@router.get("/questionnaire")
async def questionnaire(person: PersonId, items: Items = 20) -> wire.Questionnaire:  # noqa: ARG001
    """Return the statements of a questionnaire; answering one is optional."""
    asked = form(items)
    return wire.Questionnaire(
        name=asked.name,
        title=asked.title,
        instructions=instructions(),
        scale=list(scale()),
        questions=[wire.Question(id=question.id, text=question.text) for question in asked.questions],
        reliability={trait.value: alpha for trait, alpha in asked.reliability.items()},
        norms=NORMS,
    )


@router.post("/questionnaire")
async def answer_questionnaire(
    body: wire.QuestionnaireAnswers, runtime: Runtimes, person: PersonId, items: Items = 20
) -> wire.PersonaView:
    """Store the result of a questionnaire, in place of an older one; the answers themselves are not kept."""
    await _require_enabled(runtime, person)
    asked = form(items)
    try:
        scores = t_scores(asked, body.answers)
    except ValueError as error:
        raise InvalidRequestError(str(error), param="answers") from None
    told = [(trait, *encode(score)) for trait, score in scores.items()]
    await runtime.ledger.traits.tell(person, told, "questionnaire", asked.name, datetime.now(UTC))
    return await _view(runtime, person)


async def _require_enabled(runtime: Runtime, person: str) -> None:
    if not (await runtime.ledger.settings.get(person)).persona:
        raise ConflictError("your persona is turned off; turn on `persona` in the settings first")


async def _view(runtime: Runtime, person: str) -> wire.PersonaView:
    now = datetime.now(UTC)
    evidence = await runtime.ledger.traits.list(person)
    frozen = await runtime.ledger.trait_controls.frozen(person)
    known = persona_of(evidence, now, frozen=frozen)
    return wire.PersonaView(
        enabled=(await runtime.ledger.settings.get(person)).persona,
        version=known.version,
        traits=[_trait(known.estimates[trait], evidence, now, frozen.get(trait)) for trait in Trait],
        note=NOTE,
    )


def _trait(
    estimate: TraitEstimate, evidence: list[TraitEvidence], now: datetime, frozen: datetime | None
) -> wire.TraitView:
    found, (low, high) = shown(estimate), interval(estimate, INTERVAL)
    return wire.TraitView(
        trait=estimate.trait.value,
        mean=round(estimate.mean, 2),
        sd=round(estimate.sd, 2),
        interval=(round(low, 1), round(high, 1)),
        level=found.level,
        label=found.label,
        probability=round(found.probability, 3),
        leaning=found.leaning,
        source=_source(estimate, evidence),
        evidence_count=estimate.evidence_count,
        frozen=estimate.frozen,
        frozen_at=frozen,
        quotes=[_quote(one) for one in strongest(evidence, estimate.trait, now, frozen=frozen)],
        history=[
            wire.TraitPoint(at=at, mean=round(then.mean, 2), sd=round(then.sd, 2))
            for at, then in history(evidence, estimate.trait, frozen=frozen)
        ],
    )


def _source(
    estimate: TraitEstimate, evidence: list[TraitEvidence]
) -> Literal["nothing", "conversations", "questionnaire", "correction"]:
    """The newest thing the person told, else their conversations."""
    if not estimate.evidence_count:
        return "nothing"
    told = [one for one in evidence if one.trait == estimate.trait and one.source not in TEXT]
    if not told:
        return "conversations"
    newest = max(told, key=lambda one: (one.observed_at, one.id))
    return "correction" if newest.source == "correction" else "questionnaire"


def _quote(one: TraitEvidence) -> wire.TraitQuote:
    return wire.TraitQuote(
        quote=one.evidence.quote,
        at=one.observed_at,
        direction=one.direction,
        strength=round(one.strength, 3),
        item=one.item,
        message_id=one.evidence.message_id,
        conversation_id=one.conversation_id,
    )
