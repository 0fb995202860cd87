"""Split sentences into Penn Treebank tokens in Python, as the Java tokenizer of the COCO caption metrics does.

The rules were derived from the output of that tokenizer (Stanford's PTBTokenizer 3.4.1, in lower case), not from its
source. They give the same tokens for ordinary captions, and for most file names, prices, telephone numbers and faces.
A line break counts as a space.

A sentence is first turned into its *shape*, of equal length, in which a symbol for its kind replaces each character
beyond ASCII. As in a lexer, at each position the rule with the longest match wins, and the first of two equally long
ones. What a rule matches after its first group is context: it counts for the length, but is no part of the token.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

# COCO removes these. Its list also has brackets, but as "-LRB-", which lower-case tokens never equal: they stay.
PUNCTUATION = frozenset([".", "?", "!", ",", ":", ";", "-", "--", "...", "'", "''", "`", "``"])


def _either(words: str) -> str:
    return "(?:" + "|".join(words.split()) + ")"


# Abbreviations with their full stop: the first kind may end a sentence, the second hardly does. (`s?`: a plural.)
_CLOSING = _either("""
    ala? apr ariz assn aug bhd bldg blvd bros calif co colo conn corp cos ct dak dec ed[.]d esq est etc ext feb fla
    fri ga inc ind intl jan jr jul jun kans? ky ltd mar md mich minn mo mon mont neb nev nov oct okla penn ph[.]d
    plc pptes? pptys? ptes? ptys? rd rt sept? seq sq sr sys tel tenn thurs? tues? univ va vt wed wisc? wyo
""")
_CAPITAL = "Ark Az Del Ill La Mass Miss Ore Pa Tex Wash"  # of the first kind, but words in lower case
_LEADING = _either("""
    adj adm adv alex assoc asst attys? ave brig capt cf cie cmdr col comdr cpl dept det drs? elec ens ft gen govs?
    hon insp invt jos lieut lt maj messrs mfg mlle mme mrs? ms msgr mt mtg natl pfc ph pres profs? pvt reps? rev
    sens? sfc sgt spc ste? supts? treas vs wm
""")
_NUMBERED = _either("art ca figs? nos? op pp prop")  # before a number only
# With a capital, these words begin a sentence, so that the full stop in "vitamin C. The" is not part of the letter.
_OPENING = """
    a about according additionally after an as at but earlier he her here however if in it last many more now once
    one other our she since so some such that the their then there these they this we what when while yet you
"""

_NORMALIZED = {
    "\u20ac": "$", "\u20a0": "$", "\u00a4": "$", "\x80": "$", "\u00a3": "#", "\u00a2": "cents",
    "\u00bc": "1/4", "\u00bd": "1/2", "\u00be": "3/4", "\u2153": "1/3", "\u2154": "2/3",
    "(": "-lrb-", ")": "-rrb-", "{": "-lcb-", "}": "-rcb-", "[": "-lsb-", "]": "-rsb-",
    "\u2010": "-", "\u2013": "--", "\u2026": "...", '"': "''",
}  # fmt: skip
_QUOTES = str.maketrans({"\u2018": "`", "\u2019": "'", "\u201c": "``", "\u201d": "''"})
_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": "''", "&nbsp;": "-", "&mdash;": "--", "&ndash;": "--"}
_KINDS = {
    **dict.fromkeys("\u2019\u203a\x92", "\u2019"), **dict.fromkeys("\u2018\u201b\u2039\x91", "\u2018"),
    **dict.fromkeys("\u201c\u00ab\x93", "\u201c"), **dict.fromkeys("\u201d\u00bb\x94", "\u201d"),
    **dict.fromkeys("\u2013\u2014\u2015\x96\x97", "\u2013"), **dict.fromkeys("\u2010\u2011\u058a", "\u2010"),
    **dict.fromkeys("\u2026", "\u2026"), "\u2044": "\u2044",
}  # fmt: skip
_SYMBOLS = re.compile(
    "[\x80\u00a1-\u00bf\u00d7\u00f7\u037e\u0387\u0589\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u0600-\u0603\u0606-\u060c\u0614\u061b\u061e"
    "\u061f\u066a\u066d\u06d4\u0700-\u070d\u07f6-\u07f8\u0964\u0965\u0e3f\u0e4f\u1fbd\u2016\u2017\u201a\u201e-\u2023\u2030-\u2038\u203b"
    "\u203e-\u2042\u2044\u2070\u2074-\u207e\u2080-\u208e\u20a0\u20a4\u20ac\u2100-\u214f\u2153-\u215e\u2190-\u2bff\u3001\u3002\u3012"
    "\u30fb\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\uffe0\uffe1\uffe5\uffe6]"
)
_BEYOND_ASCII = re.compile(r"[^ -~]")


@cache
def _kind(character: str) -> str:
    """Return the symbol of a character beyond ASCII: λ for letters, μ for marks on them, § for signs, else a space."""
    if character in _KINDS:
        return _KINDS[character]
    if ord(character) > 0xFFFF:  # the Java tokenizer drops both halves of a surrogate pair
        return " "
    category = unicodedata.category(character)
    if category[0] == "L":
        return "λ"
    if _SYMBOLS.match(character):
        return "§"
    if category == "Nd":
        return "0"
    return "μ" if category in ("Mn", "Mc", "Sk") and ord(character) < 0xED0 else " "


_L = "[A-Za-zλμ]"
_A = "[A-Za-zλμ0-9]"
_APOSTROPHE = "['\u2019]"
_WITHIN = "['\u2019`]"  # inside a word, also a backtick
_AUXILIARY = rf"{_APOSTROPHE}(?i:[msd]|re|ve|ll)"
_NOT = rf"[nN]{_WITHIN}[tT]"
_PIECE = rf"(?:[dDoOlL]{_WITHIN}(?={_A}{{2}}))?{_A}+"
_HYPHENED = rf"{_PIECE}(?:[-\u2010]{_PIECE})*"
_DOTTED = rf"{_L}{_A}*(?:[.!?]{_L}{_A}*)*"  # end.Start, wow!wow
_LETTERS = r"[A-Za-z](?:\.[A-Za-z])*"  # u.s
_LISTED = r"[A-Za-z0-9][A-Za-z0-9.,]*(?:-(?:[A-Za-z](?:\.[A-Za-z])+\.|[A-Za-z0-9]+))+"  # a,b-c
_CAPITALS = "|".join(f"{word}|{word.upper()}" for word in _CAPITAL.split())
_OPENINGS = "|".join(f"{word.capitalize()}|{word.upper()}" for word in _OPENING.split())
_NUMBER = r"(?:[0-9]*(?:[.,:][0-9]+)+|[0-9]+)"
_ENDINGS = _either("""
    bat bmp c cgi class cpp dll docx? exe gif gz h html? jar java jpe?g mov mp3 pdf php pl png ppt ps py sql tar txt
    wav x xml zip
""")
_INITIALS = r"[A-Z]+(?:(?:&amp;|[&+])[A-Z]+)+"
_SLASHED = r"[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}"
_PATH = r'(?:/[^ "<>|(){}]+[^ "<>|(){}.!?,-])?'
_NAME = "(?:[A-Za-z]|[!?][A-Za-z-])[A-Za-z0-9:._-]*"
_TAG = re.compile(rf"""</[A-Za-z][A-Za-z0-9:._-]* *>|<{_NAME}(?: +{_NAME}(?:=(?:"[^"]*"|'[^']*'))?| +--)* *[/?]?>""")
_EYE = r"[-^=~<>']"

_RULES = [
    # contractions
    rf"([A-Za-z]*[A-MO-Za-mo-z]){_NOT}",
    _NOT,
    rf"({_L}{_A}*){_AUXILIARY}",
    rf"({_AUXILIARY})[^A-Za-z]",
    rf"(?i:(can)not|(gon)na|(got)ta|(wan)na|(gim)me|(lem)me|(more){_APOSTROPHE}n)(?!{_L})",
    r"('[tT])(?i:is|was)",
    # words
    _DOTTED,
    rf"((?:(?i:{_CLOSING})|{_CAPITALS})\.)[^ ].",
    _HYPHENED,
    _LISTED,
    rf"{_L}+[aeiouyAEIOUY]{_WITHIN}[aeiouA-Z]{_L}*",
    rf"[A-HJ-XZn]{_WITHIN}{_L}{{2,}}",
    rf"(?i:(?:o{_APOSTROPHE}o|e{_APOSTROPHE}er|o{_APOSTROPHE}er|ne{_APOSTROPHE}er|d{_APOSTROPHE}ye|o{_APOSTROPHE}clock|ma{_APOSTROPHE}am)"
    rf"|(?:c{_APOSTROPHE}mon|cap{_APOSTROPHE}n|nat{_APOSTROPHE}l|s{_APOSTROPHE}mores|qu{_APOSTROPHE}ile?|c{_APOSTROPHE}est))",
    rf"(?i:{_APOSTROPHE}n{_APOSTROPHE}?|(?:[ldjy]|ol|somethin|dunkin){_APOSTROPHE}|{_APOSTROPHE}(?:em|till?|cause|[2-9]0s))",
    rf"{_APOSTROPHE}[0-9]{{2}}(?= )",
    r"(')[A-Za-z][^ ]",
    _AUXILIARY,
    # words with a full stop
    rf"(?:(?i:{_CLOSING}|{_LEADING})|{_CAPITALS})\.",
    rf"(?i:{_NUMBERED})\.(?= ?[0-9])",
    rf"{_LETTERS}\.?(?:[-\u2010]{_PIECE})+",
    rf"{_LETTERS}\.",
    rf"([A-Za-z])\. +(?:{_OPENINGS}) ",
    rf"((?:{_HYPHENED}|{_DOTTED}|{_LISTED}|{_INITIALS})\.)[,;:]",
    # numbers
    rf"[-+]?{_NUMBER}",
    r"(?:[0-9]+[- ])?[0-9]{1,4}[/\u2044][0-9]{1,4}",
    r"[0-9]{1,2}[-/][0-9]{1,2}[-/][0-9]{2,4}",
    r"(?:\([0-9]{2,3}\) ?|(?:\+\+?)?(?:[0-9]{2,4}[- ])?[0-9]{2,4}[- ])[0-9]{3,4}[- ]?[0-9]{3,5}",
    r"[A-Z]+\$",
    # words joined by other signs
    _INITIALS,
    rf"{_SLASHED}(?:/{_SLASHED}){{1,2}}",
    rf"{_A}+(?:[-\u2010_]{_A}+)+",
    r"[CcFf]#|[Cc]\+\+",
    rf"#{_L}+",
    r"@[A-Za-z_][A-Za-z0-9_]*",
    # file names, addresses, tags, faces
    rf"({_A}+(?:\.{_A}+)*\.(?i:{_ENDINGS}))[ .!?,]",
    r'(?i:https?://)[^ "<>|(){}]+[^ "<>|(){}.!?,-]',
    rf'(?i:www\.)(?:[^ "<>|(){{}}.!?,]+\.)+[A-Za-z]{{2,4}}{_PATH}',
    rf"(?:[A-Za-z&#\u0080-\uffff]+\.)+(?:com|net|org|edu){_PATH}",
    r'<?[A-Za-z0-9][^ "<>|(){}]*@(?:[^ "<>|().{}]+\.)*[^ "<>|().{}]+>?',
    _TAG.pattern,
    r"[<>]?[:;=][-o*']?[][()DPdpO{@|\\](?![A-Za-z0-9])",
    rf"{_EYE}_{_EYE}|\({_EYE}_{_EYE}\)|\({_EYE}[.-]{_EYE}\)",
    # signs
    r"&(?i:amp|lt|gt|quot|nbsp|mdash|ndash);|&#[0-9]+;",
    "''|``|<<|>>|[\u2018\u2019\u201c\u201d`]{2}",
    r"[!?]+|[*]+|_+|#+|@+|-+|\.{3,}",
    r"[^ ]",
]
_LEXER = [re.compile(rule) for rule in _RULES]
_CONTRACTED = re.compile(rf"{_AUXILIARY}|{_NOT}")
# Most words of captions need no rule: letters before a space, a comma, or the last full stop.
_WORD = re.compile(r"[A-Za-z]{2,}(?=,? |\. *$)")
_STOPPED = re.findall("[a-z]+", (_CLOSING + _LEADING + _CAPITAL).lower())
_SPECIAL = {*_STOPPED, *(word[:-1] for word in _STOPPED), "cannot", "gonna", "gotta", "wanna", "gimme", "lemme"}


def split(sentence: str) -> list[str]:
    """Return the tokens of a sentence in lower case, with punctuation.

    >>> split("It's a dog's (old) ball.")
    ['it', "'s", 'a', 'dog', "'s", '-lrb-', 'old', '-rrb-', 'ball', '...']
    """
    sentence = sentence.replace("\u00ad", "").replace("&apos;", "'") + " "
    shape = _BEYOND_ASCII.sub(lambda match: _kind(match[0]), sentence)
    tokens, start = [], 0
    while start < len(shape):
        if shape[start] == " ":
            start += 1
            continue
        word = _WORD.match(shape, start)
        if word and word[0].lower() not in _SPECIAL:
            tokens.append(word[0].lower())
            start = word.end()
            continue
        longest, stop = start, start
        for rule in _LEXER:
            match = rule.match(shape, start)
            if match and match.end() > longest:
                longest = match.end()
                stop = match.end(match.lastindex or 0)
        tokens.append(_normalize(sentence[start:stop], shape[start:stop]).lower())
        start = stop
    return tokens


def _normalize(token: str, shape: str) -> str:
    """Return a token of some shape as the Java tokenizer writes it."""
    if token in _NORMALIZED or shape in _NORMALIZED:
        return _NORMALIZED[token if token in _NORMALIZED else shape]
    if not shape.strip("\u2018\u2019\u201c\u201d`"):
        return shape.translate(_QUOTES)
    if not shape.strip("."):
        return "..."  # of any number
    if not shape.strip("-") and len(shape) < 5:
        return "--"
    if shape.lower() in _ENTITIES:
        return _ENTITIES[shape.lower()]
    if _CONTRACTED.fullmatch(shape):
        return token.replace(token[shape.index("\u2019")], "'") if "\u2019" in shape else token
    if not _TAG.fullmatch(shape):
        token = token.replace("(", _NORMALIZED["("]).replace(")", _NORMALIZED[")"]).replace("&amp;", "&")
    return token.replace(" ", "\u00a0")


def tokenize(sentence: str) -> str:
    """Return the tokens of a sentence without punctuation, joined by spaces.

    >>> tokenize("A well-known T-shirt, isn't it?")
    "a well-known t-shirt is n't it"
    """
    return " ".join(token for token in split(sentence) if token not in PUNCTUATION)
