"""Which of the few languages with fixed texts a message is written in; a guess from script and common words.

It only serves to choose among fixed texts. A language that there are no texts for is `other` where its script or its
words give it away, and may be taken for a related one where they do not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_WORDS: Mapping[str, str] = {
    "en": "the and you is are was my me to of it that this with for have has not do i i'm im it's don't what how can"
    " just feel so but be at in on we they he she a an am hi hello thanks your about would could should did no yes",
    "es": "el la los las que y es en un una por con para no me mi estoy soy muy pero como qué cómo se te lo tengo"
    " quiero hola gracias yo tú hoy nada todo puedo siento ya más sí del al eres buenos buenas días noches",
    "de": "der die das und ist ich bin nicht mir mich mein meine ein eine zu mit auf für es wie was du kann habe aber"
    " auch so heute hallo danke will mehr noch wir sie er den dem wer bist guten tag nein ja sehr ganz",
    "fr": "le la les et est je suis ne pas mon ma mes un une pour avec que qui ça c'est j'ai tu vous nous dans de du"
    " bonjour merci plus veux comme mais aujourd'hui très au en on salut oui non moi es bonsoir",
    "pt": "o os as e é não eu estou sou meu minha um uma para com que por mas como muito me você obrigado obrigada olá"
    " oi hoje tudo quero tenho mais já da do na no em ao sim bom dia noite quem és tu",
    "other": "il che non sono della gli ho di per è ciao grazie sto een het van niet ik mijn zijn maar wel voor nie"
    " jest się jestem mam na"
    " bir ve bu çok ben için merhaba jag är och inte det att jeg ikke og minä olen ja että",
}
_COMMON = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_SAMPLE = 2000
_KANA = re.compile(r"[\u3040-\u30ff]")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_OTHER_SCRIPT = re.compile(r"[\u0370-\u05ff\u0600-\u06ff\u0900-\u0dff\u0e00-\u0eff\uac00-\ud7af]")


def detect_language(text: str) -> str:
    """Return `en`, `es`, `de`, `fr`, `pt`, `zh`, `ja` or `other`; `en` when unsure."""
    sample = text[:_SAMPLE].replace("’", "'")
    letters = sum(character.isalpha() for character in sample) or 1
    if len(_KANA.findall(sample)) * 8 >= letters:
        return "ja"
    if len(_HAN.findall(sample)) * 3 >= letters:
        return "zh"
    if len(_OTHER_SCRIPT.findall(sample)) * 2 >= letters:
        return "other"
    words = _WORD.findall(sample.casefold())
    scores = {language: sum(word in common for word in words) for language, common in _COMMON.items()}
    best = max(scores, key=lambda language: scores[language])
    if scores[best] <= scores["en"]:
        return "en"
    return best
