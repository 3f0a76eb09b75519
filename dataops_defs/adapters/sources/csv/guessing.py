"""The encoding of a text that is not UTF-8, guessed from its bytes: Western European, unless another is proven.

Statistics alone take Portuguese names for Romanian and prices for Japanese. So another encoding is believed only where
it explains more words than Western European does: a script of its own as chardetng tells it, a Latin alphabet by the
letters of the languages that are written with it.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache

from chardetng_py import EncodingDetector

WESTERN = "cp1252"
_LATIN = ("cp1250", "cp1254", "cp1257", "iso8859-2")
# Wider than what the detector names, as it means them too (WHATWG, Encoding Standard, section 4.2).
_SCRIPTS = {
    **{f"windows-{number}": f"cp{number}" for number in (874, 1251, 1253, 1255, 1256)},
    **{f"ISO-8859-{number}": f"iso8859-{number}" for number in (5, 6, 7, 8)},
    "KOI8-U": "koi8-u",
    "IBM866": "cp866",
}
_EASTERN = {
    "Shift_JIS": "cp932",
    "EUC-JP": "euc_jp",
    "EUC-KR": "cp949",
    "GBK": "gb18030",
    "gb18030": "gb18030",
    "Big5": "cp950",
}
_ALPHABETS = (
    "àâæçèéêëîïôœùûüÿ",  # French
    "áéíïñóúü¿¡",  # Spanish, Galician
    "áâãàçéêíóôõúü",  # Portuguese
    "àèéìíîòóùú",  # Italian
    "àçèéíïòóúü",  # Catalan
    "äöüßé",  # German
    "áéíóúèëïöüêç",  # Dutch
    "æøåé",  # Danish, Norwegian
    "åäöéšž",  # Swedish, Finnish
    "áéíóúýðþæö",  # Icelandic
    "áéíóú",  # Irish
    "äõöüšž",  # Estonian
    "áčďéěíňóřšťúůýž",  # Czech
    "áäčďéíĺľňóôŕšťúýž",  # Slovak
    "ąćęłńóśźż",  # Polish
    "áéíóöőúüű",  # Hungarian
    "ăâîşţ",  # Romanian
    "čćđšž",  # Croatian, Slovene, Bosnian
    "çğıİöşüâîû",  # Turkish
    "āčēģīķļņšūž",  # Latvian
    "ąčęėįšųūž",  # Lithuanian
)
_WORD = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")
_MIXED = re.compile(r"[A-Za-z]")
# What stands beside words, the same in the Latin encodings.
_SYMBOLS = re.compile("[€‚„…†‡‰‹‘’“”•–—™›¢¤¦§¨©«¬®°±´¶·¸»×÷˜ˆ\xa0\xad]")  # noqa: RUF001 - these are meant
# What is a letter elsewhere is a symbol only where symbols stand: £5, 10 m³, 1º, µm.
_ALONE = re.compile("[£¥¼½¾¿¡¯]|[A-Za-zµ]{0,3}[²³¹]|[A-Za-z]{0,2}[ªº]|µ[A-Za-z]{0,2}")
_ASCII = 0x7F
_MOST_WORDS = 2000
_FEWEST = 2
_ENOUGH_BYTES = 8
_NEARLY_ALL = 0.9


def guessed_encoding(head: bytes) -> str:
    """The encoding, by the name Python's codecs give it, of a text's beginning that holds more than ASCII."""
    words = list(dict.fromkeys(_WORD.findall(head)))[:_MOST_WORDS]
    western = _Reading(words, WESTERN)
    if western.strange >= _ENOUGH_BYTES and (found := _script(head, words)):
        return found
    latin = [each for each in (_Reading(words, name) for name in _LATIN) if each.beats(western)]
    return max(latin, key=lambda each: (each.explained, each.most)).encoding if latin else WESTERN


def _script(head: bytes, words: Sequence[bytes]) -> str | None:
    """The encoding of another script than Latin; None where its words would hold Latin letters too."""
    detector = EncodingDetector()
    detector.feed(head, last=False)
    name = detector.guess(tld=None, allow_utf8=False)
    if name in _EASTERN:
        return _EASTERN[name]
    if name not in _SCRIPTS:
        return None
    mixed = sum(_MIXED.search(word.decode(_SCRIPTS[name], "replace")) is not None for word in words)
    return _SCRIPTS[name] if mixed <= len(words) * (1 - _NEARLY_ALL) else None


class _Reading:
    """The words that hold more than ASCII, read in a Latin encoding.

    ``explained`` of them are spelled as in a language that the encoding can write, ``most`` as in one and the same;
    the others hold ``strange`` bytes beyond ASCII.
    """

    def __init__(self, words: Sequence[bytes], encoding: str) -> None:
        self.encoding = encoding
        self._words = [word.decode(encoding, "replace") for word in words]
        self._spelled = [_languages(word, encoding) for word in self._words]
        self.explained = sum(map(bool, self._spelled))
        others = b"".join(word for word, spelled in zip(words, self._spelled, strict=True) if not spelled)
        self.strange = sum(byte > _ASCII for byte in others)
        self._by_language = Counter(language for each in self._spelled for language in each)
        self.most = max(self._by_language.values(), default=0)

    def beats(self, western: "_Reading") -> bool:
        """Whether more words are explained, or nearly all by one language, as no Western one does."""
        if self.explained >= western.explained + _FEWEST:
            return True
        if self.most < max(western.most + _FEWEST, len(self._words) * _NEARLY_ALL):
            return False
        pairs = zip(self._words, western._words, self._spelled, strict=True)
        differing = [spelled for mine, theirs, spelled in pairs if mine != theirs]
        found = Counter(language for each in differing for language in each)
        leading = [language for language, count in self._by_language.items() if count == self.most]
        return max(found[language] for language in leading) >= len(differing) * _NEARLY_ALL


def _languages(word: str, encoding: str) -> frozenset[str]:
    """The languages, by their alphabets, whose letters a word is spelled with."""
    parts = [part for part in _SYMBOLS.split(word) if not part.isascii() and not _ALONE.fullmatch(part)]
    letters = {letter for part in parts for letter in part if not letter.isascii()}
    return frozenset(each for each in _written_in(encoding) if all(letter in _letters(each) for letter in letters))


@cache
def _written_in(encoding: str) -> tuple[str, ...]:
    return tuple(each for each in _ALPHABETS if each.encode(encoding, "ignore").decode(encoding) == each)


@cache
def _letters(alphabet: str) -> frozenset[str]:
    return frozenset(alphabet + alphabet.upper())
