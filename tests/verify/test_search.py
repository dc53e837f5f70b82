"""Which words of a source are found in a value, in which kinds of value, and which are not."""

from __future__ import annotations

import pytest

from stowgate.policy import Option
from stowgate.verify.search import CODE, NUMBER, OTHER, TEXT, Search, fold, tokens_of
from stowgate.verify.tokens import Word

LATIN = b"ISO_IR 100"


def found(words: tuple[Word, ...], value: bytes, kind: int = TEXT, uids: tuple[bytes, ...] = ()) -> str:
    return Search(tokens_of(words, frozenset()), set(uids)).find(value, kind)


def names(*values: bytes, charset: bytes = LATIN) -> tuple[Word, ...]:
    return tuple(("name", charset, value) for value in values)


def ids(*values: bytes) -> tuple[Word, ...]:
    return tuple(("id", LATIN, value) for value in values)


HITS = [
    (names(b"DOE^JOHNATHAN"), b"Johnathan's chest"),
    (names(b"DOE^JOHNATHAN"), b"x_JOHNATHAN_y"),
    (names(b"VAN DER BERG^ANNA"), b"for berg"),
    (names(b"SMITH-JONES^A"), b"JONES"),
    (names(b"O'BRIEN^A"), b"o'brien"),
    (names(b"YAMADA^TARO=\xd1=\xd2"), b"taro yamada"),
    (names(b"LI^WU"), b"Wu Li"),
    (names(b"LI^WU"), b"li_wu"),
    (names(b"NG^A"), b"NG"),
    (names(b"NG^A"), b"x\\ng \\y"),
    (ids(b"12-34-56"), b"id 12-34-56"),
    (ids(b"0815"), b"no 0815"),
    (ids(b"AB 12\\CD 34"), b"cd  34"),
    (ids(b"X7"), b"x7"),
    (names("Müller".encode("latin-1")), "Müller".encode("latin-1")),
    (names("Müller".encode("latin-1")), b"MUELLER"),
    (names("Müller".encode("latin-1")), b"MULLER"),
    (names(b"MULLER"), "Müller".encode("latin-1")),
    (names("Müller".encode(), charset=b"ISO_IR 192"), "MÜLLER".encode("latin-1")),
    (names("Müller".encode("latin-1")), "Müller".encode("utf-16-le")),
    (names("Иванов".encode("iso8859-5"), charset=b"ISO_IR 144"), "иванов".encode()),
    (names("山田^太郎".encode(), charset=b"ISO_IR 192"), "東京山田病院".encode()),
    (names(b"\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", charset=b"\\ISO 2022 IR 87"), b"\x1b$B;3ED\x1b(B"),
    (names(b"\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", charset=b"\\ISO 2022 IR 87"), "山田".encode()),
    ((("birth", LATIN, b"19560311"),), b"* 11.03.1956"),
    ((("birth", LATIN, b"1956.03.11"),), b"19560311"),
    ((("contact", LATIN, b"(555) 0100"),), b"call 555-0100"),
    ((("institution", LATIN, b"St. Mary's"),), b"ST MARY S"),
]


@pytest.mark.parametrize(("words", "value"), HITS)
def test_found_in_text(words: tuple[Word, ...], value: bytes) -> None:
    assert found(words, value)
    assert found(words, value), "and found again, not remembered as harmless"


MISSES = [
    (names(b"DOE^JOHN"), b"Johnson doer"),
    (names(b"NG^A"), b"lung NG tube"),
    (names(b"TEST^PATIENT"), b"test patient"),
    (names(b"ANONYMOUS"), b"anonymous"),
    (names(b"^^^^"), b"^"),
    (ids(b"0815"), b"10815 08155"),
    (ids(b""), b""),
    ((("birth", LATIN, b"195603"),), b"195603"),
    ((("institution", LATIN, b"NORTHSIDE GENERAL"),), b"Northside"),
    ((("institution", LATIN, b"NORTHSIDE GENERAL"),), b"General Northside"),
]


@pytest.mark.parametrize(("words", "value"), MISSES)
def test_not_found_in_text(words: tuple[Word, ...], value: bytes) -> None:
    assert not found(words, value)


@pytest.mark.parametrize("kind", [CODE, NUMBER, OTHER])
def test_a_number_is_sought_in_text_only(kind: int) -> None:
    assert found(ids(b"1250"), b"1250", TEXT)
    assert not found(ids(b"1250"), b"1250", kind)
    assert not found((("contact", LATIN, b"555-0100"),), b"555\\0100", kind)


@pytest.mark.parametrize("kind", [TEXT, CODE, NUMBER, OTHER])
def test_a_word_is_sought_everywhere(kind: int) -> None:
    assert found(names(b"JOHNATHAN"), b"JOHNATHAN", kind)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["Gregory", "Göring", "Жуков"])
def test_a_name_is_found_in_binary_in_every_encoding(name: str, encoding: str) -> None:
    try:
        hidden = name.upper().encode(encoding)
    except UnicodeEncodeError:
        return
    words = names(name.encode(), charset=b"ISO_IR 192")
    assert found(words, b"\0\1\xff\xfe" + hidden + b"\0\0\xff" * 9, OTHER)


def test_chance_does_not_make_names_in_large_binary_values() -> None:
    noise = b" anna " + bytes(range(256)) * 300
    assert not found(names(b"ANNA"), noise, OTHER)
    assert found(names(b"ANNA"), noise[:1000], OTHER)


UID = b"1.2.826.0.1.7001"


@pytest.mark.parametrize("value", [UID, b"see " + UID + b".", b"x" + UID + b"y", b"(" + UID + b")\\1"])
@pytest.mark.parametrize("kind", [TEXT, OTHER, CODE])
def test_a_uid_is_found_as_a_whole_run(value: bytes, kind: int) -> None:
    assert found((), value, kind, (UID,)) == "gate_uid"
    assert not found((), value.replace(UID, UID + b".1"), kind, (UID,))
    assert not found((), value.replace(UID, b"9" + UID), kind, (UID,))


def test_a_uid_is_found_in_two_byte_text() -> None:
    assert found((), b"\1" + UID.decode().encode("utf-16-le") + b"\0\0\0\0", OTHER, (UID,)) == "gate_uid"


def test_a_uid_that_looks_like_a_version_is_sought_in_text_only() -> None:
    assert found((), b"build 1.2", TEXT, (b"1.2",)) == "gate_uid"
    assert not found((), b"\1 1.2 ", OTHER, (b"1.2",))
    assert not found((), b"1.2\\5", NUMBER, (b"1.2",))


def test_another_object_of_the_series_has_other_uids() -> None:
    tokens = tokens_of(names(b"JOHNATHAN"), frozenset())
    assert not Search(tokens, {UID}).find(b"see 1.2.826.0.1.7002", TEXT)
    assert Search(tokens, {b"1.2.826.0.1.7002"}).find(b"see 1.2.826.0.1.7002", TEXT) == "gate_uid"


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        ("institution", Option.INSTITUTION_IDENTITY),
        ("device", Option.DEVICE_IDENTITY),
        ("birth", Option.FULL_DATES),
    ],
)
def test_what_an_option_retains_is_not_sought(kind: str, option: Option) -> None:
    words = ((kind, LATIN, b"19560311"), *names(b"JOHNATHAN"))
    assert Search(tokens_of(words, frozenset()), set()).find(b"19560311", TEXT)
    kept = Search(tokens_of(words, frozenset({option})), set())
    assert not kept.find(b"19560311", TEXT)
    assert kept.find(b"JOHNATHAN", TEXT)


def test_what_is_remembered_as_harmless_stays_bounded() -> None:
    search = Search(tokens_of(names(b"JOHNATHAN"), frozenset()), {UID})
    for number in range(5000):
        assert not search.find(b"value %d" % number, TEXT)
    assert len(search.cleared[TEXT]) <= 1024
    long = b"word " * 1000
    assert not search.find(long, TEXT)
    assert long not in search.cleared[TEXT]


def test_folding_ignores_case_width_and_accents() -> None:
    assert fold("\uff2d\xdcLLER") == fold("müller") == "muller"
    assert fold("STRASSE") == fold("Straße")
