"""Nobody is left to believe that a human answers: not by the builtin responder, and not by a model that claims it."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest

from assistant import wire
from assistant.models.builtin import Builtin
from assistant.safety.protocol import correction
from assistant.safety.screen import Screen, screen_reply
from tests.fakes.backend import Backend, running
from tests.fakes.embedding import shared_embedder
from tests.fakes.scripted_model import ScriptedModel

ASKED = {
    "en": ("Are you a real person?", "I'm not a person", "I'm not human"),
    "es": ("¿Eres una persona real?", "no soy una persona", "no un ser humano"),
    "de": ("Bist du ein Mensch?", "kein Mensch"),
    "fr": ("Es-tu humain ?", "je ne suis pas un humain", "non une personne"),
    "pt": ("Você é humano?", "não sou uma pessoa", "não um ser humano"),
    "zh": ("你是真人吗？", "不是真人", "不是人"),
    "ja": ("あなたは人間ですか？", "人間ではありません"),
}
"""By language: the question, and what of the truth one of the answers says."""
CLAIMED = {
    "en": "Yes, I'm a real person, sitting here with you.",
    "es": "Claro que sí, soy una persona real.",
    "de": "Ja, ich bin ein echter Mensch.",
    "fr": "Oui, je suis une vraie personne.",
    "pt": "Sim, eu sou uma pessoa de verdade.",
    "zh": "是的，我是真人。",
    "ja": "はい、私は本物の人間です。",
}


async def test_the_builtin_responder_says_in_each_language_that_it_is_no_human(tmp_path: Path) -> None:
    async with running(tmp_path, policy=Builtin(), embedder=shared_embedder()) as backend:
        for language, (question, *truths) in ASKED.items():
            reply = wire.Reply.model_validate((await backend.say(await backend.conversation(), question)).json())
            assert any(truth in reply.message.text for truth in truths), (language, reply.message.text)
            assert screen_reply(reply.message.text) is None
            assert any("AI" in notice for notice in reply.notices)


@pytest.mark.parametrize("language", ASKED)
async def test_a_model_that_claims_to_be_human_is_taken_back_on_both_surfaces(
    language: str, backend: Backend, model: ScriptedModel
) -> None:
    question, claim = ASKED[language][0], CLAIMED[language]
    truth = correction("claims_human", Screen(language=language))
    assert truth is not None and screen_reply(truth) is None
    model.default = claim
    conversation = await backend.conversation()
    whole = wire.Reply.model_validate((await backend.say(conversation, question)).json())
    assert (whole.message.text, whole.message.status) == (truth, "retracted")
    events = [event async for event in backend.stream(await backend.conversation(), question)]
    [retracted] = [event for event in events if isinstance(event, wire.MessageRetracted)]
    assert (retracted.reason, retracted.replacement) == ("claims_human", truth)
    assert claim not in str(await backend.messages(conversation))

    async with openai.AsyncOpenAI(base_url=f"{backend.url}/v1", api_key=backend.key, max_retries=0) as client:
        said = await client.chat.completions.create(model="attune", messages=[{"role": "user", "content": question}])
        assert said.choices[0].message.content == truth
        words = question + " "
        stream = await client.chat.completions.create(
            model="attune", messages=[{"role": "user", "content": words}], stream=True
        )
        chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == f"{claim}\n\n{truth}", "nothing can be unsaid there, so that the correction follows"
    assert chunks[-1].choices[0].finish_reason == "content_filter"
    assert (chunks[-1].model_extra or {})["attune"]["retracted"]["replacement"] == truth


@pytest.mark.parametrize("reason", ["claims_feelings", "diagnosis", "dependency"])
@pytest.mark.parametrize("language", ASKED)
def test_every_correction_is_itself_fit_to_be_said(language: str, reason: str) -> None:
    text = correction(reason, Screen(language=language))
    assert text is not None and screen_reply(text) is None
    assert correction(reason, Screen("high", ("self_harm",), (), language)) is None


async def test_somebody_in_a_crisis_is_answered_by_the_protocol_whatever_a_model_claims(
    backend: Backend, model: ScriptedModel
) -> None:
    model.default = "I'm a real person."
    conversation = await backend.conversation()
    text = (await backend.say(conversation, "I want to kill myself tonight, I have the pills here")).json()["message"][
        "text"
    ]
    assert "real person" not in text and "emergency" in text
