import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.personaemp.names import find_names
from training.personaemp.pseudonyms import Pseudonyms

REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "BR", "IN", "JP", "CN", "AU", "NL", "PL", "SE", "TR", "ZA")
FORMATS = (
    phonenumbers.PhoneNumberFormat.E164,
    phonenumbers.PhoneNumberFormat.INTERNATIONAL,
    phonenumbers.PhoneNumberFormat.NATIONAL,
    phonenumbers.PhoneNumberFormat.RFC3966,
)
around = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=40).map(
    lambda text: f" {text} "
)
local = st.from_regex(r"[a-z0-9]{1,12}(?:[._+-][a-z0-9]{1,8})?", fullmatch=True)
domain = st.from_regex(r"[a-z0-9]{2,10}(?:\.[a-z]{2,6}){1,2}", fullmatch=True)


def replaced(text: str, secret: str = "s", region: str | None = None) -> str:
    return Pseudonyms.of(secret, [text], region).replace(text)


def digits(text: str) -> str:
    return "".join(char for char in text if char.isdigit())


def iban(country: str, body: str) -> str:
    rest = int("".join(str(int(char, 36)) for char in body + country + "00")) % 97
    return f"{country}{98 - rest:02}{body}"


@given(around, local, domain, around)
def test_no_email_address_survives(before: str, user: str, host: str, after: str) -> None:
    assert f"{user}@{host}" not in replaced(f"{before}{user}@{host}{after}")


@given(around, local, local, domain, around)
def test_no_address_of_a_page_with_a_user_survives(before: str, user: str, secret: str, host: str, after: str) -> None:
    for url in (f"https://{user}:{secret}@{host}/x", f"http://{host}/~{user}", f"www.{host}/{user}", f"x.com/{user}"):
        assert url not in replaced(f"{before}{url}{after}")


@settings(deadline=None)
@given(around, st.sampled_from(REGIONS), st.sampled_from(FORMATS), st.integers(0, 9999), around)
def test_no_telephone_number_survives(before: str, region: str, form: int, last: int, after: str) -> None:
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    assert number is not None
    national = str(number.national_number)[:-4] + f"{last:04}"
    number.national_number = int(national)
    written = phonenumbers.format_number(number, form)
    new = replaced(f"{before}{written}{after}", region=region)
    assert written not in new and national not in digits(new.replace(before, "").replace(after, ""))


@given(
    around,
    st.sampled_from(["DE", "FR", "GB", "NL", "NO", "MT"]),
    st.text("0123456789ABCXYZ", min_size=11, max_size=27),
    st.booleans(),
    around,
)
def test_no_iban_survives(before: str, country: str, body: str, grouped: bool, after: str) -> None:
    plain = iban(country, body)
    written = " ".join(plain[start : start + 4] for start in range(0, len(plain), 4)) if grouped else plain
    new = replaced(f"{before}{written}{after}")
    assert written not in new and (body in f"{before}{after}" or body not in new)


def test_an_iban_is_found_behind_what_only_looks_like_one() -> None:
    assert "MALT" not in replaced(f"AB12 {iban('MT', 'MALTABCDABCDABCDABCDABCDABC')}")


@given(st.text(max_size=200))
def test_any_text_can_be_replaced_in(text: str) -> None:
    assert isinstance(replaced(text), str)


def test_a_name_is_the_same_everywhere_in_one_persons_texts() -> None:
    texts = ["My name is Anna Kowalczyk.", "ANNA, they say. And anna. Anna's cat.", "Kowalczyk again."]
    names = Pseudonyms.of("s", texts)
    first, last = names.replace(texts[0]).removeprefix("My name is ").rstrip(".").split()
    assert names.replace(texts[1]) == f"{first.upper()}, they say. And {first.lower()}. {first}'s cat."
    assert names.replace(texts[2]) == f"{last} again."
    assert {first, last}.isdisjoint({"Anna", "Kowalczyk"})


def test_a_number_is_the_same_however_it_is_written() -> None:
    names = Pseudonyms.of("s", [], "DE")
    assert (
        len({names.replace(one) for one in ("+49 30 1234567", "030 1234567", "(030) 123-4567", "0049301234567")}) == 1
    )


def test_two_people_and_two_data_sets_have_other_pseudonyms() -> None:
    text = "Anna Kowalczyk, anna@web.de, +49 30 1234567"
    assert len({replaced(text, secret) for secret in ("one", "two", "three")}) == 3
    assert replaced(text, "one") == replaced(text, "one")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Yesterday Jens told me to relax.", {"Jens"}),
        ("My boss Mark hates me, and my sister, Lotte, knows.", {"Mark", "Lotte"}),
        ("my friend anna lied to me", {"anna"}),
        ("I saw Dr. Okonkwo and Mrs Brzęczyszczykiewicz.", {"Okonkwo", "Brzęczyszczykiewicz"}),
        ("Ich heiße Grete Müller.", {"Grete", "Müller"}),
        ("Me llamo Lucía, mi amiga Inés también.", {"Lucía", "Inés"}),
        ("Will you hope for grace in May? Mark my words, Rose is a colour.", set()),
        ("Frank Miller wrote.", {"Frank", "Miller"}),
        ("I live in Berlin and drive a Mercedes.", set()),
        ("My boss is angry. My friend I met.", set()),
        ("", set()),
    ],
)
def test_names_are_found_by_signs_and_lists(text: str, names: set[str]) -> None:
    assert set(find_names([text])) == names


@pytest.mark.parametrize(
    "text",
    ["born 1998-04-05", "from 2010-2015", "1,000,000 euros", "at 10:30 on 1/2/2024", "I am 34", "score 3:2", "50 %"],
)
def test_what_is_no_contact_detail_stays(text: str) -> None:
    assert replaced(text) == text


def test_two_hundred_thousand_characters_take_seconds_at_most() -> None:
    text = "I told Anna to call 030 1234567 or anna@web.de, she said no. " * 3_300
    new = replaced(text)
    assert "Anna" not in new and "1234567" not in new and "anna@web.de" not in new
    assert Pseudonyms.of("s", ["+" * 200_000]).replace("1 " * 100_000).count("555") > 100
