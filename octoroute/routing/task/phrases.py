"""The English words that tell a task: trigger words, and patterns of what must or must not stand around them. Pure data.

Patterns see lower-case text. Every repetition in them is bounded, so that a search stays linear for any text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from octoroute.domain.request import Task


class Clue(msgspec.Struct, frozen=True):
    """A pattern runs only if one of `triggers` is among the text's words; without `wanted` the trigger itself is enough.

    `traps` are tried first at each position and consume what they match: after "postal code" no "code" is left.
    """

    task: Task
    triggers: str
    wanted: str = ""
    traps: str = r"(?!)"


class Phrasebook:
    """Clues in order of precedence; the first that matches decides the task."""

    __slots__ = ("_clues", "_first", "_vocabulary")

    def __init__(self, clues: Sequence[Clue]) -> None:
        self._clues = tuple(
            (clue.task, re.compile(f"(?:{clue.traps})|({clue.wanted})", re.MULTILINE) if clue.wanted else None) for clue in clues
        )
        self._first: dict[str, tuple[int, ...]] = {}
        for number, clue in enumerate(clues):
            for word in clue.triggers.split():
                self._first[word] = (*self._first.get(word, ()), number)
        self._vocabulary = frozenset(self._first)

    def task(self, text: str, words: Sequence[str]) -> Task | None:
        """`words`: the text's, in lower case. None: no clue matches."""
        hits = self._vocabulary.intersection(words)
        if not hits:
            return None
        lower = text.lower()
        for number in sorted({number for word in hits for number in self._first[word]}):
            task, pattern = self._clues[number]
            if pattern is None or any(match[1] is not None for match in pattern.finditer(lower)):
                return task
        return None


def either(*patterns: str) -> str:
    return "|".join(patterns)


def near(verbs: str, nouns: str, barrier: str = "(?!)") -> str:
    """A verb and its noun with at most six words between them, none of which is in `barrier`."""
    gap = r"[\s,:*\"]{1,4}"
    return rf"\b(?:{verbs})\b(?:{gap}(?!(?:{barrier})\b)[\w'\u2019+#-]{{1,40}}){{0,6}}?{gap}(?:{nouns})"


_ASKING = (
    r"\A\W{0,20}(?:(?:please|kindly|can|could|would|will|you|hi|hello|hey|help|me|i|want|need|to|like|let's|quickly|briefly|now|ok|okay"
    r"|and|then|just|also)\b\W{0,5}){0,12}"
)
_MAKE = (
    "write|implement|create|define|add|fix|test|refactor|rewrite|optimi[sz]e|document"
    "|rename|complete|make|build|develop|generate|code"
)
_TEXT_VERB = "write|compose|create|draft|pen|invent|craft|make|generate|rewrite|continue|finish|improvise"
_SYMBOL = "functions?|methods?|class(?:es)?|modules?|scripts?|code|program|snippet"
_POEM = (
    r"(?:poems?|poetry|haikus?|sonnets?|limericks?|lyrics|ballads?|screenplays?|fairy ?tales?|fan ?fic(?:tion)?|fiction|song"
    r"|monologue|stor(?:y|ies)(?!\s+points?)|novel(?=\s*(?:about|set|in which|where|[.,!?]|$)))\b"
)
_NO_POEM = "functions?|program|script|code|class|app|method|query|that|which|who|about|of|by|from|in|to|user|news|success|cover"

_PASTED_CODE = either(
    r"def \w{1,80}\(",
    r"class \w{1,80} ?(?:extends \w{1,80} ?)?\{",
    r"class \w{1,80}(?:\([\w., =]{0,80}\))?:\s{1,20}(?:def|pass|async def|\"\"\"|\w{1,40} ?[:=])",
    r"import (?:os|sys|re|json|react|numpy|pandas|torch)\b",
    r"import [\w.]{1,80} as \w",
    r"from [\w.]{1,80} import ",
    r"#include ?[<\"]",
    r"(?:const|let|var) \w{1,80} ?=",
    r"(?:async )?function \w{0,80}\(",
    r"fn \w{1,80}[(<]",
    r"func \w{1,80}\(",
    r"public (?:static|class|void) ",
    r"select [\w*,. ]{1,80}\sfrom \w",
    r"traceback \(most recent",
)

_FRONT = (
    Clue(
        Task.CODE,
        "def class import include const let var function fn func public select traceback",
        rf"^[ \t]{{0,40}}(?:{_PASTED_CODE})",
    ),
    # An instruction in front outranks words of the thing it is about: "summarize this article about programming".
    Clue(
        Task.DOCUMENT_SUMMARY,
        "summarize summarise tldr dr recap condense sum",
        rf"{_ASKING}(?:summari[sz]e|tl;?dr|recap|condense|sum up)\b(?!(?:\s+[\w']{{1,20}}){{0,4}}\s+(?:{_SYMBOL})\b)",
    ),
    Clue(
        Task.CREATIVE_WRITING,
        "poem poems poetry haiku haikus sonnet sonnets limerick limericks lyrics ballad ballads screenplay screenplays fairytale"
        " fairytales tale tales fanfic fic fanfiction fiction song monologue story stories novel",
        either(
            near(_TEXT_VERB, _POEM, _NO_POEM),
            near("tell|give|read|need|want|sing|like", _POEM, _NO_POEM + "|the|read|reading|know"),
            rf"{_ASKING}(?:(?:an?|another|one|some|short|funny|sad|little)\s+){{0,3}}{_POEM}\s+(?:about|on|for|where|with)\b",
        ),
    ),
)

_DEEP = (
    Clue(Task.DEEP_ANALYSIS, "analyze analyse analyzing analysing critique critiquing"),
    Clue(
        Task.DEEP_ANALYSIS,
        "analysis analyses",
        either(
            near("do|perform|provide|give|write|run|conduct|need|want|make|prepare|produce|deliver|offer", r"analys[ei]s\b"),
            r"\banalys[ei]s\s+(?:of|on|please|comparing|covering)\b",
            r"\b(?:your|detailed|in-depth|thorough|critical|deep|careful|comparative|swot|root[- ]cause)\s+analysis\b",
        ),
        r"analysis paralysis|what (?:is|does|was|are)\s+(?:an?\s+)?(?:\w{1,30}\s+){0,2}analys[ei]s\b(?!\s+of)",
    ),
    Clue(
        Task.DEEP_ANALYSIS,
        "compare comparing comparison comparisons",
        r"\bcompar(?:e|ing)\b|\bcomparisons?\b",
        r"how (?:do|can|should|would|could) (?:i|you|we|one) compare|how to compare|beyond compare|compare notes"
        r"|compare[- ]and[- ]swap"
        r"|\b(?:in|by|for) comparison|comparison (?:operators?|functions?|shop|websites?)",
    ),
    Clue(
        Task.DEEP_ANALYSIS,
        "evaluate evaluating",
        r"\bevaluat(?:e|ing)\b",
        r"evaluate\s+(?:[\d(√∫]|(?:this|the) (?:expression|integral|limit)\b)",
    ),
    Clue(Task.DEEP_ANALYSIS, "cons tradeoff tradeoffs offs", r"\bpros (?:and|&|or) cons\b|\btrade-?offs?\b"),
)

_CODE = (
    Clue(
        Task.CODE,
        "debug debugging debugger debugged refactor refactoring stacktrace segfault leetcode codebase typeerror valueerror keyerror"
        " indexerror attributeerror syntaxerror importerror nameerror nullpointerexception regex regexp pytest",
    ),
    Clue(
        Task.CODE,
        "code codes coding",
        r"\bcod(?:es?|ing)\b",
        r"\b(?:postal|post|zip|area|dress|discount|promo|promotional|coupon|voucher|gift|qr|bar|country|dialling|dialing|calling"
        r"|phone|building|penal|civil|criminal|tax|labou?r|moral|ethical|morse|secret|access|security|verification|pin|entry|door"
        r"|swift|iban|sort|genetic|colou?r|cheat|honou?r|highway|nuclear|airport|iata|booking|reference|vinci|medical|icd|billing)"
        r"[\s-]codes?\b|\bcodes? (?:of (?:conduct|ethics|hono|practice|silence|hammurabi)|red\b|blue\b|names?\b|words?\b)"
        r"|\bmedical coding|\benter (?:the|this|my) code\b|\bcoding sequences?",
    ),
    Clue(
        Task.CODE,
        "function functions",
        either(
            r"\bfunctions?\s?\(",
            near(
                rf"{_MAKE}|explain|review|debug|call|need|give|want|have",
                r"functions?\b(?!\s+of\s+(?:the|an?|our|his|her|their|my|your|every|each)\b)",
                "kidney|liver|brain|cognitive|executive|heart|lung|renal|thyroid|immune|bodily|social|the|wave|body|protein",
            ),
            near(_MAKE, r"the\s+(?:\w{1,30}\s+){0,2}functions?\b(?!\s+of\b)", "explain"),
            r"\b(?:recursive|async|lambda|helper|callback|generic|hash|python|javascript|js)\s+functions?\b",
            r"\b(?:this|these|following)\s+functions?\b(?!\s+of\s+(?:the|an?)\b)",
        ),
    ),
    Clue(
        Task.CODE,
        "implement implementing implementation",
        r"\bimplement(?:ing|ation)?\b",
        r"\bimplement(?:ing|ation)?\b(?:\s+[\w'-]{1,30}){0,5}?\s+(?:polic(?:y|ies)|laws?|strateg(?:y|ies)|plans?|reforms?|tax(?:es)?|measures"
        r"|sanctions|regulations?|agreements?|budgets?|diet|habits?|recommendations|treat(?:y|ies)|initiatives?|curriculum|programs?|programmes?)\b",
    ),
    Clue(
        Task.CODE,
        "programming programmer programmers",
        r"\bprogramm(?:ing|ers?)\b",
        r"\b(?:tv|television|radio|cable|holiday|children's|linguistic|fitness|strength) programm(?:ing|ers?)\b",
    ),
    Clue(
        Task.CODE,
        "program programs script scripts class method methods module modules bug bugs query parser parsers api apis"
        " endpoint endpoints component components website websites webpage app apps cli makefile decorator decorators"
        " dockerfile algorithm algorithms tests",
        near(
            _MAKE,
            r"(?:programs?|methods?|modules?|bugs?|parsers?|apis?|endpoints?|components?|web ?sites?|webpages?|apps?|cli|makefiles?"
            r"|decorators?|dockerfiles?|algorithms?|unit tests|class(?=\s+(?:that|which|for|with|named|called|in)\b)"
            r"|(?:sql|database)\s+query"
            r"|scripts?(?!\s+for\s+(?:an?|the|my)\s+(?:\w{1,20}\s+)?"
            r"(?:movie|film|play|video|commercial|ad|sketch)))\b",
            "training|exercise|loyalty|workout|fitness|diet|story|poem|movie|play|film|podcast|about|dating",
        ),
    ),
    Clue(Task.CODE, "trace unit conflict pull", r"\bstack trace|\bunit tests?\b|\bmerge conflict|\bpull request"),
    Clue(
        Task.CODE,
        "py js ts tsx jsx rs cpp hpp ipynb kt toml yaml yml vue scss go java rb sh sql",
        r"\w\.(?:py|jsx?|tsx?|rs|[ch]pp|ipynb|kt|toml|ya?ml|vue|scss|go|java|rb|sh|sql)\b",
        r"//\S{1,200}",
    ),
)

_CREATIVE = (
    Clue(
        Task.CREATIVE_WRITING,
        "creative",
        r"\bcreative\s+(?:writing|stor(?:y|ies)|pieces?|essay|text|captions?|slogans?|names?|titles?|introduction|descriptions?|ideas?|ways?)\b"
        r"|\b(?:be|get|something|more|very|super|really)\s+creative\b",
    ),
)

_SUMMARY = (
    Clue(
        Task.DOCUMENT_SUMMARY,
        "summarize summarise summarizing summarising summary summaries tldr dr recap sum takeaways condense",
        r"\bsummari[sz](?:e|ing)\b|\bsummar(?:y|ies)\b|\btl;?dr\b|\brecap\b|\bkey takeaways\b|\bcondense\b"
        r"|\bsum up (?:this|these|our|my|what|everything|the (?:text|article|document|discussion|conversation|meeting|chapter))\b",
        r"\bsummary (?:judge?ments?|executions?|offen[cs]es?|dismissals?|trials?|statistics|tables?)",
    ),
)

_LANGUAGE = (
    Clue(
        Task.CODE,
        "python javascript typescript php kotlin haskell sql bash golang matlab powershell perl css html c fastapi django numpy git"
        " postgresql postgres mysql sqlite graphql webpack npm json yaml xml",
        r"\b(?:python|javascript|typescript|php|kotlin|haskell|sql|bash|golang|matlab|powershell|perl|css|html|fastapi|django|numpy|git"
        r"|postgres(?:ql)?|mysql|sqlite|graphql|webpack|npm|json|yaml|xml)\b|\bc(?:\+\+|#)",
        r"\b(?:an?|the|ball|burmese|reticulated|pet|monty|rock) pythons?\b"
        r"(?! (?:script|program|list|dict|string|class|module|library|app|loop))"
        r"|\byou git\b",
    ),
    # Names that are also islands, oxides, and adverbs need a programmer's verb before them.
    Clue(
        Task.CODE,
        "java rust go swift ruby r c scala dart",
        r"\b(?:write|design|code|program|parse|sort|reverse|iterate|loop|compile|print|convert|declare|define|handle|call|return|concatenate|serialize"
        r"|read a file|borrow|allocate)\b[^.?!\n]{0,60}\bin (?:java|rust|go|swift|ruby|r|c|scala|dart)\b",
    ),
)

PHRASES = Phrasebook((*_FRONT, *_CODE, *_DEEP, *_CREATIVE, *_SUMMARY, *_LANGUAGE))

WITH_ATTACHMENT = Phrasebook(
    (
        *_DEEP,
        *_SUMMARY,
        # Weak alone, these mean the attachment when there is one.
        Clue(
            Task.DOCUMENT_SUMMARY,
            "overview outline points highlights shorten gist about brief",
            r"\b(?:overview|outline|highlights|shorten|gist)\b|\b(?:key|main|important) points\b|\bwhat\b.{0,40}\babout\b"
            r"|\bin brief\b",
        ),
        *_FRONT,
        *_CODE,
        *_CREATIVE,
        *_LANGUAGE,
    )
)
