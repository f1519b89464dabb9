"""What the scripted backend believes of its one person, and what that person allows; ids and times are fixed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assistant import wire

DAY = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
LEVELS = {"low": 40.3, "medium": 50.0, "high": 59.7}
SCALE = ["very inaccurate", "rather inaccurate", "neither", "rather accurate", "very accurate"]


def unknown(trait: wire.TraitName) -> wire.TraitView:
    """A trait of which nothing is known."""
    return wire.TraitView(
        trait=trait,
        mean=50.0,
        sd=10.0,
        interval=(37.2, 62.8),
        label="not yet known",
        probability=1 / 3,
        source="nothing",
        evidence_count=0,
    )


def told(trait: wire.TraitView, mean: float, level: wire.TraitLevel | None, source: str) -> wire.TraitView:
    """The same trait after the person's word."""
    known = {"mean": mean, "sd": 3.0, "interval": (round(mean - 3.8, 1), round(mean + 3.8, 1)), "level": level}
    return trait.model_copy(
        update={**known, "label": level or "not yet known", "probability": 0.95, "source": source, "evidence_count": 1}
    )


def lively() -> list[wire.TraitView]:
    """Five traits as they are after some weeks of talk: one known, one leaning, one frozen, two unknown."""
    quote = wire.TraitQuote(
        quote="I plan every week on Sunday evening",
        at=DAY,
        direction=1,
        strength=0.6,
        message_id="msg_1",
        conversation_id="conv_1",
    )
    against = quote.model_copy(update={"quote": "my desk is a mess, and I like it", "direction": -1})
    history = [wire.TraitPoint(at=DAY + timedelta(days=n), mean=50 + 3.2 * n, sd=9 - n) for n in range(3)]
    by_name = {name: unknown(name) for name in get_args(wire.TraitName)}
    by_name["conscientiousness"] = told(by_name["conscientiousness"], 57.3, "high", "conversations").model_copy(
        update={"quotes": [quote, against], "history": history, "evidence_count": 14, "probability": 0.62}
    )
    by_name["openness"] = by_name["openness"].model_copy(
        update={"mean": 52.1, "sd": 9.4, "interval": (40.0, 64.1), "leaning": "high", "evidence_count": 6}
        | {"source": "conversations"}
    )
    by_name["neuroticism"] = told(by_name["neuroticism"], 42.0, "low", "correction").model_copy(update={"frozen": True})
    return list(by_name.values())


OFFERS = wire.ModelOffers(
    data=[
        wire.ModelOffer(
            name="ollama/llama3.2",
            description="llama3.2 on a server on this machine (http://127.0.0.1:11434/v1)",
            leaves_machine=False,
        ),
        wire.ModelOffer(
            name="openai",
            description="OpenAI's gpt-4.1-mini, with the key in OPENAI_API_KEY; your words are sent to api.openai.com",
            leaves_machine=True,
        ),
        wire.ModelOffer(name="builtin", description="no language model", leaves_machine=False),
        wire.ModelOffer(
            name="download/Qwen/Qwen3-0.6B",
            description="Qwen/Qwen3-0.6B, a small instruct model, downloaded from huggingface.co",
            leaves_machine=False,
            download_bytes=1_520_000_000,
        ),
    ],
    answering="Scripted replies. For tests.",
)
DOWNLOADING = (
    wire.ModelStep(type="downloading", done=760_000_000, total=1_520_000_000),
    wire.ModelStep(type="downloading", done=1_520_000_000, total=1_520_000_000),
    wire.ModelStep(type="chosen", message="it answers from the backend's next start on"),
)


@dataclass
class ScriptedPerson:
    """Traits, settings, and the answers that were handed in."""

    traits: list[wire.TraitView] = field(default_factory=lambda: [unknown(n) for n in get_args(wire.TraitName)])
    settings: wire.SettingsView = field(
        default_factory=lambda: wire.SettingsView(memory=True, persona=True, training=False)
    )
    changes: list[wire.SettingsChange] = field(default_factory=list)
    handed_in: list[dict[str, int]] = field(default_factory=list)
    brought: list[tuple[str, bytes]] = field(default_factory=list)
    """Formats and contents of what was imported."""
    offers: wire.ModelOffers = field(default_factory=lambda: OFFERS)
    operates: bool = True
    """Whether the key may choose the model."""
    downloading: tuple[wire.ModelStep, ...] = DOWNLOADING
    used: list[wire.ModelChoice] = field(default_factory=list)
    _asked: int = 0

    @property
    def routes(self) -> list[Route]:
        """The routes of the person."""
        return [
            Route("/v1/admin/models", self._offers, methods=["GET"]),
            Route("/v1/admin/models", self._use, methods=["POST"]),
            Route("/v1/me/persona", self._get, methods=["GET"]),
            Route("/v1/me/persona", self._change, methods=["PATCH"]),
            Route("/v1/me/persona", self._forget, methods=["DELETE"]),
            Route("/v1/me/persona/questionnaire", self._questions, methods=["GET"]),
            Route("/v1/me/persona/questionnaire", self._answers, methods=["POST"]),
            Route("/v1/me/settings", self._settings, methods=["GET"]),
            Route("/v1/me/settings", self._set, methods=["PATCH"]),
            Route("/v1/me/export", self._export, methods=["POST"]),
            Route("/v1/me/export/{id}", self._archive),
            Route("/v1/me/import", self._import, methods=["POST"]),
        ]

    async def _offers(self, request: Request) -> Response:
        if not self.operates:
            body = wire.ErrorBody(message="this needs an admin key", type="error", code="forbidden", request_id="r")
            return answer(wire.ErrorEnvelope(error=body), 403)
        return answer(self.offers)

    async def _use(self, request: Request) -> Response:
        choice = wire.ModelChoice.model_validate(await request.json())
        self.used.append(choice)
        offer = next(one for one in self.offers.data if one.name == choice.name)
        steps = self.downloading if offer.download_bytes else DOWNLOADING[-1:]
        return Response("".join(step.model_dump_json() + "\n" for step in steps), media_type="application/x-ndjson")

    def trait(self, name: str) -> wire.TraitView:
        """One trait as it stands."""
        return next(trait for trait in self.traits if trait.trait == name)

    def _put(self, new: wire.TraitView) -> None:
        self.traits = [new if trait.trait == new.trait else trait for trait in self.traits]

    def _view(self) -> Response:
        return answer(
            wire.PersonaView(
                enabled=self.settings.persona,
                version="p1",
                traits=self.traits,
                note="Estimated from what you wrote, with much uncertainty; your own word counts more.",
            )
        )

    async def _get(self, request: Request) -> Response:
        return self._view()

    async def _change(self, request: Request) -> Response:
        change = wire.TraitChange.model_validate(await request.json())
        trait = self.trait(change.trait)
        if change.level is not None:
            trait = told(trait, LEVELS[change.level], change.level, "correction")
        if change.t_score is not None:
            trait = told(trait, change.t_score, None, "correction")
        if change.frozen is not None:
            trait = trait.model_copy(update={"frozen": change.frozen})
        self._put(trait)
        return self._view()

    async def _forget(self, request: Request) -> Response:
        names = [request.query_params["trait"]] if "trait" in request.query_params else [t.trait for t in self.traits]
        for name in names:
            self._put(unknown(cast("wire.TraitName", name)))
        return answer(wire.PersonaForgotten.model_validate({"traits": names, "withdrawn": len(names)}))

    async def _questions(self, request: Request) -> Response:
        items = int(request.query_params["items"])
        return answer(
            wire.Questionnaire(
                name=f"scripted-{items}",
                title="Scripted",
                instructions="Describe yourself as you generally are now.",
                scale=SCALE,
                questions=[wire.Question(id=f"q{n}", text=f"I do thing number {n}.") for n in range(1, items + 1)],
                reliability={},
                norms="none",
            )
        )

    async def _answers(self, request: Request) -> Response:
        self.handed_in.append(wire.QuestionnaireAnswers.model_validate(await request.json()).answers)
        self._put(told(self.trait("extraversion"), 61.0, "high", "questionnaire"))
        return self._view()

    async def _settings(self, request: Request) -> Response:
        return answer(self.settings)

    async def _set(self, request: Request) -> Response:
        change = wire.SettingsChange.model_validate(await request.json())
        if change.country not in (None, "AT", "NO", "US"):
            body = wire.ErrorBody(message="country: no country has this code", type="error", code="invalid_request")
            return answer(wire.ErrorEnvelope(error=body), 422)
        self.changes.append(change)
        self.settings = self.settings.model_copy(update=change.model_dump(include=change.model_fields_set))
        return answer(self.settings)

    async def _export(self, request: Request) -> Response:
        return answer(wire.Export(id="job_1", status="pending", created_at=DAY), 202)

    async def _archive(self, request: Request) -> Response:
        self._asked += 1
        if self._asked < 2:
            return answer(wire.Export(id="job_1", status="running", created_at=DAY), 202)
        return Response(b"PK everything", media_type="application/zip")

    async def _import(self, request: Request) -> Response:
        self.brought.append((request.query_params["format"], await request.body()))
        if not self.brought[-1][1]:
            return Response(wire.ImportFailed(message="the file is empty").model_dump_json() + "\n")
        step = '{"type": "step", "phase": "reading", "done": 2, "total": 2}\n'
        done = wire.Brought(format="chatgpt", conversations=2, messages=9, to_learn_from=1, skipped=["one: no text"])
        return Response(step + done.model_dump_json() + "\n", media_type="application/x-ndjson")


def answer(model: wire.Response, status: int = 200) -> Response:
    """A value of the wire format as a response."""
    return Response(model.model_dump_json(), status, media_type="application/json")
