"""Plants identity into descriptions: what people type into free text, made from seeded randomness."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
LONG_MONTHS = (
    "January March December Januar März Dezember janvier février août décembre enero marzo diciembre "
    "gennaio maggio luglio janeiro março dezembro januari maart juli"
).split()


def lines(name: str) -> list[str]:
    """The lines of a data file without its comments."""
    text = (HERE / name).read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("# ")]


def names() -> list[str]:
    """Family and given names of many languages."""
    return sorted({name for line in lines("names.txt") for name in line.split()})


def runs(text: str) -> list[str]:
    """The runs of letters and digits in a text, case-folded."""
    return re.findall(r"[^\W_]+", text.casefold())


@dataclass(frozen=True)
class Identity:
    """What an object says about its people: the words and phrases the cleaner is told."""

    words: frozenset[str] = frozenset()
    phrases: tuple[str, ...] = ()


def cased(rng: random.Random, word: str) -> str:
    return rng.choice((word, word, word.upper(), word.lower()))


def person(rng: random.Random, people: list[str]) -> str:
    family, given = cased(rng, rng.choice(people)), cased(rng, rng.choice(people))
    forms = (
        family,
        f"{given} {family}",
        f"{family}, {given}",
        f"{family}^{given}",
        f"{given[0]}. {family}",
        f"{family} {given[0]}.",
        f"Dr. {family}",
        f"Dr {given} {family}",
        f"Prof. {family}",
        f"{family}'s",
        f"{given}-{family}",
        f"({family})",
        f"[{given} {family}]",
        f"Tech: {given}",
        f"by {given} {family}",
        f"{family}/{given}",
        f"{given}_{family}",
        f"Mrs {family}",
        f"Herr {family}",
        f"von {family}",
        f"{given} de la {family}",
        f"van der {family}",
        f"{family} MD",
        f"ref {family}",
        f"{given} {given[0]}. {family}",
    )
    return rng.choice(forms)


def date(rng: random.Random, _people: list[str]) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1921, 2026)
    forms = (
        f"{day:02}.{month:02}.{year}",
        f"{day}.{month}.{year}",
        f"{day}.{month}.{year % 100:02}",
        f"{year}-{month:02}-{day:02}",
        f"{year}/{month:02}/{day:02}",
        f"{month}/{day}/{year % 100:02}",
        f"{month}/{day}/{year}",
        f"{day:02}-{month:02}-{year}",
        f"{year}{month:02}{day:02}",
        f"{day:02}{month:02}{year}",
        f"{day:02}{MONTHS[month - 1].upper()}{year % 100:02}",
        f"{day}{MONTHS[month - 1]}{year}",
        f"{day}-{MONTHS[month - 1]}-{year}",
        f"{MONTHS[month - 1]} {day}, {year}",
        f"{day} {MONTHS[month - 1]} {year}",
        f"{rng.choice(LONG_MONTHS)} {day}, {year}",
        f"{day}. {rng.choice(LONG_MONTHS)} {year}",
        f"{day} de {rng.choice(LONG_MONTHS)} de {year}",
        f"{day}th of {rng.choice(LONG_MONTHS)}",
        f"{year}",
        f"{month:02}/{year}",
        f"{year}.{month:02}.{day:02}",
        f"{day:02}_{month:02}_{year}",
        f"{day:02}/{month:02}",
        f"{day:02}.{month:02}.",
        f"{year}-{month:02}-{day:02}T10:22:00",
        f"{day:02} {month:02} {year}",
    )
    return rng.choice(forms)


def time(rng: random.Random, _people: list[str]) -> str:
    hour, minute, second = rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59)
    forms = (
        f"{hour:02}:{minute:02}",
        f"{hour:02}:{minute:02}:{second:02}",
        f"{hour % 12 + 1}:{minute:02} pm",
        f"{hour:02}h{minute:02}",
        f"{hour:02}.{minute:02} Uhr",
        f"{hour:02}{minute:02}{second:02}",
        f"{hour % 12 + 1}am",
        f"{hour:02}:{minute:02}:{second:02}.123",
        f"{hour:02}{minute:02}h",
    )
    return rng.choice(forms)


def telephone(rng: random.Random, _people: list[str]) -> str:
    def digits(count: int) -> str:
        return "".join(rng.choice("23456789") for _ in range(count))

    forms = (
        f"({digits(3)}) {digits(3)}-{digits(4)}",
        f"{digits(3)}-{digits(4)}",
        f"{digits(3)}-{digits(3)}-{digits(4)}",
        f"+49 {digits(2)} {digits(7)}",
        f"0{digits(2)}/{digits(6)}",
        f"+1 {digits(3)} {digits(3)} {digits(4)}",
        f"{digits(3)}.{digits(3)}.{digits(4)}",
        f"06 {digits(2)} {digits(2)} {digits(2)} {digits(2)}",
        f"Tel. {digits(4)}",
        f"fax {digits(3)} {digits(2)}",
        f"+34 {digits(3)} {digits(3)} {digits(3)}",
        f"0{digits(3)} {digits(3)} {digits(3)}",
        f"ext {digits(3)}",
        f"phone: 0{digits(2)}-{digits(3)}",
        f"+86 {digits(3)} {digits(4)} {digits(4)}",
        f"{digits(10)}",
    )
    return rng.choice(forms)


def identifier(rng: random.Random, _people: list[str]) -> str:
    def digits(count: int) -> str:
        return "".join(rng.choice("0123456789") for _ in range(count))

    letters = "".join(rng.choice("QXJ") for _ in range(3))
    forms = (
        digits(7),
        digits(9),
        f"MRN {digits(6)}",
        f"MRN:{digits(2)}",
        f"ID {digits(4)}",
        f"{letters}{digits(4)}",
        f"A{digits(8)}",
        f"{letters}-{digits(5)}",
        f"{digits(3)}-{digits(2)}-{digits(4)}",
        f"{rng.randint(2001, 2026)}-{digits(5)}",
        f"#{digits(6)}",
        f"ACC{digits(7)}",
        f"CT{digits(6)}",
        f"{digits(2)}-{digits(6)}-{digits(1)}",
        f"{letters}{digits(1)}{letters}{digits(2)}",
        f"1.2.840.{digits(5)}.{rng.randint(1, 99)}.{digits(4)}",
        f"acc# {digits(2)}",
        f"PID{digits(5)}",
        f"AX{digits(6)}",
        f"T1{digits(7)}",
        f"MRA{digits(6)}",
        f"p2{digits(5)}",
        f"{digits(6)}mm",
        f"{rng.choice('ACDLWX')}{digits(4)}",
        f"{digits(4)}/{digits(4)}",
        f"E{digits(3)}Z{digits(3)}",
        f"{letters}_{digits(5)}_{digits(2)}",
        f"DOB {rng.randint(1, 28)}/{rng.randint(1, 9)}",
    )
    return rng.choice(forms)


def network(rng: random.Random, people: list[str]) -> str:
    one, two = rng.choice(people).casefold(), rng.choice(people).casefold()
    forms = (
        f"{one}.{two}@hospital.org",
        f"{one}{rng.randint(1, 99)}@mail.example.com",
        f"https://pacs.{one}.org/view?id=1",
        f"www.{one}-klinik.de",
        f"{rng.randint(10, 223)}.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}",
        f"http://10.0.0.{rng.randint(1, 254)}:8042/app",
        f"ct.head@{one}.net",
        f"{one}.{two}.local",
        "fe80:0:0:0:1:2:3:4",
        "00:1a:2b:3c:4d:5e",
    )
    return rng.choice(forms)


def address(rng: random.Random, people: list[str]) -> str:
    one, number = rng.choice(people), rng.randint(1, 250)
    forms = (
        f"{number} {one} Street",
        f"{number} Main Street",
        f"{number} Old Church Road",
        f"{number} {one} Ave",
        f"{number} {one} St",
        f"{one}straße {number}",
        f"{one}str. {number}a",
        f"{number} rue Victor Hugo",
        f"{number}, avenue de la {one}",
        f"Calle {one} {number}",
        f"Via {one} {number}",
        f"Rua {one}, {number}",
        f"{one}straat {number}",
        f"{one}gatan {number}",
        f"PO Box {number}",
        f"D-{rng.randint(10000, 99999)} {one}",
        f"{rng.randint(10000, 99999)}-{rng.randint(1000, 9999)}",
        f"{one} {rng.randint(10000, 99999)}",
        f"{rng.randint(1000, 9999)} KX {one}",
        "SW1A 1AA",
        "K1A 0B1",
        f"Hauptstraße {number}",
        f"Am {one} Platz {number}",
    )
    return rng.choice(forms)


def age(rng: random.Random, _people: list[str]) -> str:
    years = rng.randint(90, 109)
    forms = (
        f"{years} yo",
        f"{years}Y",
        f"0{years}Y" if years < 100 else f"{years}Y",
        f"{years}-year-old",
        f"age {years}",
        f"{years} yrs",
        f"aged {years}",
        f"{years} Jahre",
        f"{years} ans",
        f"{years} años",
        f"Alter: {years}",
        f"{years} y/o",
        f"{years * 12}M",
    )
    return rng.choice(forms)


KINDS: dict[str, Callable[[random.Random, list[str]], str]] = {
    "person": person,
    "date": date,
    "time": time,
    "telephone": telephone,
    "identifier": identifier,
    "network": network,
    "address": address,
    "age": age,
}


def places(text: str) -> Iterator[tuple[int, str]]:
    """Where something can be typed into a description, and what joins it: blanks, and the joint of joined words."""
    yield 0, " "
    yield len(text), " "
    for match in re.finditer(r" +|_|\^", text):
        yield match.end(), match[0][0]


def planted(rng: random.Random, text: str, what: str) -> str:
    """The text with something typed into it at a random place."""
    at, joint = rng.choice(list(places(text)))
    before, after = text[:at], text[at:]
    if joint == "^" or (joint == "_" and " " in what):
        joint = " "
    return (
        (before + (joint if before and before[-1] not in " _^" else "") + what + joint + after).strip()
        if after
        else f"{before}{joint}{what}"
    )
