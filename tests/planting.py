"""Hypothesis strategies: objects with a person planted everywhere, and harmless twins that have to stay."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from tests import builder
from tests.builder import Element, Item, el, item
from tests.oracle import tables
from tests.oracle.rules import always_dropped

_ROMAN = "BDFGJKLMNPQRSTVWXZ"
_VOWELS = "AEIOUY"
"""Of places: no word of a place is a name with an initial in front."""
_ALPHABETS = {
    "ISO_IR 100": ("latin-1", "ÀÉÈÜÖÄÅØÇÑBDFGKLMNPRSTVZ"),
    "ISO_IR 192": ("utf-8", "ŁŻŚĐĆÜÖBDFGKLMNPRSTVZ山川田中"),
    "ISO_IR 126": ("iso8859-7", "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ"),
    "ISO_IR 144": ("iso8859-5", "АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЭЮЯ"),
    "\\ISO 2022 IR 87": ("iso2022_jp", "山田太郎鈴木佐藤高橋渡辺伊東"),
    "": ("ascii", _ROMAN),
}
"""Specific Character Set -> the codec that writes it, and letters to make names of."""

KINDS = (
    builder.CT, builder.MR, builder.CR, builder.MG, builder.PT, builder.ENHANCED_CT, builder.RT_PLAN, builder.RT_STRUCT,
    "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.20", "1.2.840.10008.5.1.4.1.1.12.1",
    "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.481.2", "1.2.840.10008.5.1.4.1.1.9.1.1",
    "1.2.840.10008.5.1.4.1.1.13.1.3", "1.2.840.10008.5.1.4.1.1.1.1",
)  # fmt: skip
"""SOP classes that pass without a decision about their pictures, of as many kinds of IOD as there are."""

SYNTAXES = (builder.EXPLICIT, builder.IMPLICIT, builder.DEFLATED, builder.BIG_ENDIAN)

CURVES_AND_OVERLAYS = (0x50000022, 0x50002500, 0x50023000, 0x60000022, 0x60001500, 0x60004000, 0x601E3000)
LIMITS = {"SH": 16, "LO": 64, "AE": 16, "CS": 16}


def _word(letters: str, least: int = 7, most: int = 11) -> st.SearchStrategy[str]:
    """A word of these letters; one number is drawn for all of it, which is much faster than letter by letter."""
    return st.integers(0, len(letters) ** most - 1).map(lambda number: _spelt(number, letters, least))


def _spelt(number: int, letters: str, least: int) -> str:
    word = ""
    while number or len(word) < least:
        number, digit = divmod(number, len(letters))
        word += letters[digit]
    return word


def _digits(count: int) -> st.SearchStrategy[str]:
    return st.integers(0, 9**count - 1).map(lambda number: _spelt(number, "123456789", count))


@dataclass(frozen=True)
class Person:
    """Somebody who must not be found again. Every word is long and odd enough not to occur by chance."""

    charset: str
    codec: str
    family: str
    given: str
    native: str
    patient_id: str
    accession: str
    study_id: str
    phone: str
    street: str
    institution: str
    station: str
    root: str
    born: str
    studied: str

    @property
    def name(self) -> str:
        """Roman and native component groups where the character set has two scripts."""
        return (
            f"{self.family}^{self.given}={self.native}^{self.given}" if self.native else f"{self.family}^{self.given}"
        )

    def known_words(self) -> list[str]:
        """What the engine can learn from the object itself, so that it must not stay even in technical text."""
        return [self.family, self.given, self.patient_id, self.accession, self.study_id]

    def secrets(self) -> list[str]:
        """Everything that must not be found in what is written."""
        words = [*self.known_words(), self.phone, self.street, self.institution, self.station, self.root]
        return [w for w in [*words, self.native, self.born, self.studied] if w]

    def forms(self) -> Iterator[tuple[str, bytes]]:
        """Every secret in every spelling it could survive in, with a label that names no value."""
        for number, secret in enumerate(self.secrets()):
            joined = "".join(c for c in secret if c.isalnum())
            for text in {secret, joined, secret.lower(), secret.title()}:
                for codec in ("utf-8", "latin-1", "utf-16-le", "utf-16-be", self.codec):
                    try:
                        yield f"secret {number} in {codec}", text.encode(codec)
                    except UnicodeEncodeError:
                        continue
            yield f"secret {number} in base64", base64.b64encode(secret.encode())[: len(secret) * 4 // 3 - 1]


@st.composite
def people(draw: st.DrawFn) -> Person:
    """A person with a name in one of six character sets."""
    charset = draw(st.sampled_from(sorted(_ALPHABETS)))
    codec, letters = _ALPHABETS[charset]
    local = draw(_word(letters))
    two_scripts = charset.startswith("\\")
    return Person(
        charset=charset,
        codec=codec,
        family=draw(_word(_ROMAN)) if two_scripts else local,
        given=draw(_word(_ROMAN)),
        native=local if two_scripts else "",
        patient_id="P" + draw(_digits(9)),
        accession="A" + draw(_digits(9)),
        study_id="S" + draw(_digits(9)),
        phone="+4179" + draw(_digits(8)),
        street=draw(_word(_VOWELS, 8)) + " 48",
        institution=draw(_word(_VOWELS, 8)) + " " + draw(_word(_VOWELS, 8)),
        station="W" + draw(_digits(8)),
        root="1.2.826.0.1.3680043.9." + draw(_digits(9)),
        born=f"{draw(st.integers(1931, 1949))}{draw(st.integers(1, 12)):02}{draw(st.integers(10, 28))}",
        studied=f"{draw(st.integers(2012, 2022))}{draw(st.integers(1, 12)):02}{draw(st.integers(10, 28))}",
    )


@dataclass
class Planted:
    """An object to de-identify, who is in it, and which values have to come out as they went in."""

    data: bytes
    person: Person
    sop_class: str
    syntax: str
    twins: dict[str, bytes] = field(default_factory=dict)
    """Place as "(0008,0070)" or "(0018,A001)[0].(0008,0070)" -> value bytes in little endian."""


# ---------------------------------------------------------------- values


def _text_for(person: Person, vr: str, technical: bool) -> st.SearchStrategy[str]:
    """A text with something of the person in it, no longer than its VR allows. Technical text may be kept, so only
    words the object itself gives away as identity are planted there."""
    words = person.known_words()
    if not technical:
        words += [person.phone, person.studied, person.born, person.street]
    phrases = [
        *words,
        *(f"seen by Dr. {w}, stat" for w in words),
        *(f"({w})" for w in words),
        *(w.lower() for w in words),
    ]
    if not technical:
        phrases += [f"ref {person.root}.5 prior", f"{person.given} {person.family} b. {person.born}"]
    most = LIMITS.get(vr, 200)
    return st.sampled_from(
        [p for p in phrases if len(p.encode(person.codec, "replace")) <= most] or [person.given[:most]]
    )


def _encoded(person: Person, text: str) -> bytes:
    return text.encode(person.codec if not text.isascii() else "ascii", "replace")


@st.composite
def planted_values(draw: st.DrawFn, person: Person, tag: int, vr: str) -> Element | None:
    """An element of this tag that names the person, None where its VR cannot."""
    row = tables.profile_row(tag)
    kept = row is not None and row.get("opt", {}).get("rtnPatChars") == "K"  # there, too, known words alone are sought
    technical = tables.role_of(tag) == "technical" or kept
    if vr == "PN":
        forms = [person.name, f"{person.given}^{person.family}^^Dr", f"{person.family}, {person.given}"]
        return el(tag, _encoded(person, draw(st.sampled_from(forms))), vr)
    if vr in ("LO", "SH", "ST", "LT", "UT", "UC", "AE"):
        return el(tag, _encoded(person, draw(_text_for(person, vr, technical))), vr)
    if vr == "CS":
        return el(tag, draw(st.sampled_from([w for w in person.known_words() if w.isascii()])), vr)
    if vr in ("DS", "IS"):
        return el(tag, person.family if person.family.isascii() else person.patient_id, vr)
    if vr == "UR":
        return el(tag, f"https://pacs.example/{person.patient_id}/wado", vr)
    if vr == "DA":
        return el(tag, draw(st.sampled_from([person.born, person.studied])), vr)
    if vr == "DT":
        rest = draw(st.sampled_from(["", "101530.250000", "1015+0200"]))
        return el(tag, draw(st.sampled_from([person.born, person.studied])) + rest, vr)
    if vr == "UI":
        defined = tables.role_of(tag) in ("uid_definition",)
        return None if defined else el(tag, f"{person.root}.{draw(st.integers(1, 99))}", vr)
    if vr in ("OB", "UN") and row is not None:
        return el(tag, _encoded(person, person.name), vr)
    return None


def _all_tags() -> tuple[list[int], list[int], list[int]]:
    """Attributes of the dictionary that can name somebody, all sequences, and the sequences that are never listed."""
    leaves, sequences, kept = [], [], []
    for tag8, *_ in tables._table("data_dictionary")["rows"]:
        if "x" in tag8 or int(tag8[:4], 16) in (0, 2, 4, 0x50, 0x60, 0xFFFE, 0xFFFC, 0xFFFA, 0x4FFE):
            continue
        tag = int(tag8, 16)
        vrs = tables.dictionary_vrs(tag)
        if vrs == ("SQ",):
            sequences.append(tag)
            if tables.profile_row(tag) is None and not always_dropped(tag) and tag not in (0x00120064, 0x00080300):
                kept.append(tag)
        elif vrs and vrs[0] not in (
            "US",
            "SS",
            "UL",
            "SL",
            "FL",
            "FD",
            "UV",
            "SV",
            "AT",
            "OF",
            "OD",
            "OL",
            "OV",
            "OW",
            "AS",
        ):
            leaves.append(tag)
    unsafe = (0x00080005, 0x00080016, 0x00080018, 0x00100020, 0x00100021, 0x00280301, 0x00080008, 0x00120063)
    return [t for t in leaves if t not in unsafe], sequences, kept


LEAVES, SEQUENCES, KEPT_SEQUENCES = _all_tags()

TWIN_VALUES: dict[int, tuple[str, ...]] = {
    0x00180050: ("2.5", "0.625", "5"),
    0x00200032: ("-125\\-125\\40.5", "0\\0\\0", "-1.25e+02\\7\\.5"),
    0x00200037: ("1\\0\\0\\0\\1\\0",),
    0x00280030: ("0.5\\0.5", "0.781250\\0.781250"),
    0x00181210: ("B30f", "FC51", "STANDARD", "H60s"),
    0x00080070: ("SIEMENS", "GE MEDICAL SYSTEMS", "Lumen Imaging"),
    0x00081090: ("Sensation 64", "Optima CT660", "Lumen 3000"),
    0x00185100: ("HFS", "FFP"),
    0x00180015: ("CHEST", "HEAD", "BREAST"),
    0x00080100: ("T-D1100", "69536005", "113100"),
    0x00080102: ("SRT", "SCT", "DCM"),
    0x00080104: ("Head", "Chest and abdomen", "CT of thorax"),
    0x00200013: ("1", "512"),
    0x00181152: ("200",),
    0x00180060: ("120",),
}
"""Values that name nobody, by attribute; each must stay as it is wherever it stands."""


# ---------------------------------------------------------------- places


def place_of(path: list[int], tag: int) -> str:
    """As `compare.flat_nodes` writes it."""
    steps = "".join(f"({t >> 16:04X},{t & 0xFFFF:04X})[0]." for t in path)
    return f"{steps}({tag >> 16:04X},{tag & 0xFFFF:04X})"


@dataclass
class _Tree:
    """A data set under construction; every sequence has one item, so that paths are simple."""

    leaves: dict[int, Element] = field(default_factory=dict)
    inside: dict[int, _Tree] = field(default_factory=dict)

    def at(self, path: list[int]) -> _Tree | None:
        tree = self
        for step in path:
            if step in tree.leaves:
                return None
            tree = tree.inside.setdefault(step, _Tree())
        return tree

    def elements(self, draw: st.DrawFn) -> tuple[Element, ...]:
        made = dict(self.leaves)
        for tag, tree in self.inside.items():
            body = Item(tree.elements(draw), draw(st.booleans()))
            made[tag] = Element(tag, "SQ", (body,), draw(st.booleans()))
        return tuple(made[tag] for tag in sorted(made))


def _plant_private(draw: st.DrawFn, person: Person, tree: _Tree) -> None:
    """A private block at any number, with a creator or without one, text and sequences of public elements inside."""
    group = draw(st.sampled_from([0x0009, 0x0019, 0x0029, 0x0033, 0x6001, 0x5001, 0x7FE1]))
    block = draw(st.integers(0x10, 0xFF))
    if draw(st.booleans()):
        creator = draw(st.sampled_from(["SIEMENS CSA HEADER", "ACME 1.1", "GEMS_IDEN_01 ", person.family[:20]]))
        tree.leaves[group << 16 | block] = el(group << 16 | block, _encoded(person, creator), "LO")
    tag = group << 16 | block << 8 | draw(st.integers(0, 0xFF))
    if draw(st.booleans()):
        tree.leaves[tag] = el(tag, _encoded(person, person.name), draw(st.sampled_from(["LO", "UN", "OB", "PN", "UT"])))
        return
    public = [el("PatientName", _encoded(person, person.name)), el("PatientBirthDate", person.born)]
    tree.leaves[tag] = el(tag, (item(*public, undefined=draw(st.booleans())),), "SQ", undefined=True)


@st.composite
def objects(draw: st.DrawFn, most: int = 8) -> Planted:
    """An object with up to `most` plants and twins, in one of four encodings."""
    person = draw(people())
    sop_class, syntax = draw(st.sampled_from(KINDS)), draw(st.sampled_from(SYNTAXES))
    tree = _Tree({e.tag: e for e in _skeleton(person, sop_class)})
    twins: dict[str, bytes] = {}
    for _ in range(draw(st.integers(0, most))):
        path = [draw(st.sampled_from(KEPT_SEQUENCES)) for _ in range(draw(st.integers(0, 5)))]
        tag = draw(st.sampled_from(sorted(TWIN_VALUES)))
        target = tree.at(path)
        if target is not None and (tag not in target.leaves or not path):
            target.leaves[tag] = el(tag, draw(st.sampled_from(TWIN_VALUES[tag])))
            twins[place_of(path, tag)] = target.leaves[tag].value  # type: ignore[assignment]
    for _ in range(draw(st.integers(1, most))):
        path = [draw(st.sampled_from(SEQUENCES)) for _ in range(draw(st.integers(0, 5)))]
        target = tree.at(path)
        if target is None:
            continue
        if draw(st.integers(0, 3)) == 0:
            _plant_private(draw, person, target)
            continue
        _plant_public(draw, person, target, bool(path))
    if draw(st.booleans()):
        tree.leaves |= _graphics(draw, person)
    data = builder.part10(tree.elements(draw), syntax, preamble=_preamble(draw, person), meta_extra=_meta(draw, person))
    return Planted(data, person, sop_class, syntax, _survivors(tree, twins))


def _survivors(tree: _Tree, twins: dict[str, bytes]) -> dict[str, bytes]:
    """Twins that no later plant replaced."""
    found = {}
    for place, value in twins.items():
        *steps, last = [int(p[1:5] + p[6:10], 16) for p in place.replace("[0]", "").split(".")]
        target = tree.at(steps)
        if target is not None and last in target.leaves and target.leaves[last].value == value:
            found[place] = value
    return found


def _plant_public(draw: st.DrawFn, person: Person, tree: _Tree, nested: bool) -> None:
    tag = draw(st.sampled_from(LEAVES))
    if tag in tree.leaves or tag in tree.inside:
        return
    made = draw(planted_values(person, tag, tables.dictionary_vrs(tag)[0]))
    if made is not None and draw(st.integers(0, 5)) == 0:
        made = replace(made, vr="UN")
    if made is not None:
        tree.leaves[tag] = made


def _graphics(draw: st.DrawFn, person: Person) -> dict[int, Element]:
    tag = draw(st.sampled_from(CURVES_AND_OVERLAYS))
    vr = "OW" if tag & 0xFFFF == 0x3000 else "LO"
    return {tag: el(tag, _encoded(person, person.family + person.given), vr)}


def _preamble(draw: st.DrawFn, person: Person) -> bytes:
    if draw(st.booleans()):
        return bytes(128)
    return (b"II*\0" + _encoded(person, f"{person.given} {person.patient_id}")).ljust(128, b"\0")[:128]


def _meta(draw: st.DrawFn, person: Person) -> list[Element]:
    if draw(st.booleans()):
        return []
    return [
        el(0x00020016, person.station, "AE"),
        el(0x00020100, person.root + ".7", "UI"),
        el(0x00020102, _encoded(person, person.given), "OB"),
    ]


def _skeleton(person: Person, sop_class: str) -> tuple[Element, ...]:
    """The least that makes an object whole, with the person in the usual places."""
    more = [
        el("PatientName", _encoded(person, person.name)),
        el("PatientID", person.patient_id),
        el("PatientBirthDate", person.born),
        el("StudyDate", person.studied),
        el("ContentDate", person.studied),
        el("AccessionNumber", person.accession),
        el("StudyID", person.study_id),
        el("ReferringPhysicianName", _encoded(person, f"{person.given}^{person.family}")),
        el("InstitutionName", person.institution),
        el("StationName", person.station),
        el("PatientAddress", person.street),
        el("PatientTelephoneNumbers", person.phone[:16]),
        el("SOPInstanceUID", person.root + ".1"),
        el("StudyInstanceUID", person.root + ".2"),
        el("SeriesInstanceUID", person.root + ".3"),
        el("FrameOfReferenceUID", person.root + ".4"),
    ]
    if person.charset:
        more.append(el("SpecificCharacterSet", person.charset))
    return builder.without(builder.instance(sop_class, "CT", *more), "PatientAge")
