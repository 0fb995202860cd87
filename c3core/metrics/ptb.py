"""Penn Treebank tokens in Python: what the Java tokenizer of the COCO caption metrics gives, where there is no Java.

The rules were written from what that tokenizer (Stanford's PTBTokenizer 3.4.1, lower-cased) answers, not from its source. They
cover the basic multilingual plane: a character outside it is dropped there and here.

A sentence is first turned into its *shape*, of equal length, in which every character beyond ASCII stands for its kind. At each place
the rule with the longest match wins, the earlier of two equal ones: the way of a lexer.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

PUNCTUATION = frozenset("'' ' `` ` -lrb- -rrb- -lcb- -rcb- . ? ! , : - -- ... ;".split())  # COCO's list; "!!" is not on it

# A word whose full stop belongs to it. `?` marks an optional plural.
_ABBREVIATION = """
    adj adm adv ala? alex apr ariz ark assn assoc asst attys? aug ave az bhd bldg blvd brig bros calif capt cf cie cmdr
    cols? colo comdr conn corp cos? cpl ct dak dec dept det drs? elec ens esq est etc ext feb fla fri ft ga gen govs? hon inc ind
    insp intl invt jan jos jr jul jun kans? ky lieut lt ltd maj mar md messrs mfg mich minn mlle mme mo mon mont mr mrs ms msgr
    mt mtg natl neb nev nov oct okla penn pfc ph plc pptes? pptys? pres profs? ptes? ptys? pvt rd reps? rev rt sens? sept? seq
    sfc sgt spc sq sr ste? supts? sys tel tenn thurs? treas tues? univ va vs vt wed wisc? wm wyo
""".split()
_CAPITAL_ABBREVIATION = "Ark Az Del Ill La Mass Miss Ore Pa Tex Wash".split()  # words of their own in lower case
_NUMBER_ABBREVIATION = "art ca figs? nos? op pp prop".split()  # before a number only
# After "b." these, with a capital, begin a new sentence: the full stop is then no part of the letter.
_OPENER = """
    a about according additionally after an as at but earlier he her here however if in it last many more now once one other our
    she since so some such that the their then there these they this we what when while yet you
""".split()

_SYMBOLS = re.compile(
    "[\u00a1\u00a5-\u00a9\u00ac\u00ae-\u00b4\u00b6-\u00b9\u00bf\u00d7\u00f7\u037e\u0387\u0589\u05be\u05c0\u05c3\u05c6\u05f3\u05f4"
    "\u0600-\u0603\u0606-\u060c\u0614\u061b\u061e\u061f\u066a\u066d\u06d4\u0700-\u070d\u07f6-\u07f8\u0964\u0965\u0e3f\u0e4f\u1fbd"
    "\u2016\u2017\u201a\u201e-\u2023\u2030-\u2038\u203b\u203e-\u2042\u2044\u2070\u2074-\u207e\u2080-\u208e\u20a4\u2100-\u214f"
    "\u2155-\u215e\u2190-\u2bff\u3001\u3002\u3012\u30fb\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\uffe0\uffe1\uffe5\uffe6]"
)
_SPELLED = {  # characters that are written otherwise; those that only mean punctuation stand in the shape as such
    "\u20ac": "$", "\u20a0": "$", "\u00a4": "$", "\x80": "$", "\u00a3": "#", "\u00a2": "cents",
    "\u00bc": "1/4", "\u00bd": "1/2", "\u00be": "3/4", "\u2153": "1/3", "\u2154": "2/3",
}  # fmt: skip
_PLAIN = {
    **dict.fromkeys("\u2019\u203a\x92", "\u2019"), **dict.fromkeys("\u2018\u201b\u2039\x91", "`"),
    **dict.fromkeys("\u201c\u201d\u00ab\u00bb\x93\x94", '"'), **dict.fromkeys("\u2013\u2014\u2015\x96\x97", "\u2013"),
    **dict.fromkeys("\u2010\u2011\u058a", "\u2010"), "\u2026": "\u2026", "\x85": "\u2026",
}  # fmt: skip
LETTER, MARK, SYMBOL = "\u03bb", "\u03bc", "\u00a7"  # stand in a shape for any letter, mark or symbol beyond ASCII


@lru_cache(maxsize=None)
def _kind(character: str) -> str:
    if character in _PLAIN:
        return _PLAIN[character]
    if character in _SPELLED or _SYMBOLS.match(character):
        return SYMBOL
    category = unicodedata.category(character)
    if ord(character) > 0xFFFF:
        return " "
    if category[0] == "L" and category != "Lm":
        return LETTER
    if category == "Nd":
        return "0"
    return MARK if category in ("Mn", "Lm", "Sk") else " "
