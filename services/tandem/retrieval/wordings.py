"""The wordings that attacks on a model need, as patterns over lower-case text."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import re2


@dataclass(frozen=True, slots=True)
class Wording:
    """`pattern` is looked for only where one of the `words` stands. Neither knows capitals."""

    name: str
    words: tuple[str, ...]
    pattern: re.Pattern[str]


class Wordings:
    """All their words are looked for in one pass of RE2, in a twentieth of the time that takes Python one by one."""

    def __init__(self, wordings: Iterable[Wording]) -> None:
        self._wordings = tuple(wordings)
        self._words = re2.Set.SearchSet()
        for wording in self._wordings:
            self._words.Add("|".join(map(re2.escape, wording.words)))
        self._words.Compile()

    def __iter__(self) -> Iterator[Wording]:
        return iter(self._wordings)

    def found(self, text: str) -> list[Wording]:
        """Those that the text holds."""
        # UTF-8 has no halves of surrogate pairs, and no word has one.
        worded: Iterable[int] = self._words.Match(text.encode("utf-8", "replace")) or ()
        return [self._wordings[each] for each in sorted(worded) if self._wordings[each].pattern.search(text)]


_MODEL = (
    r"(?:ai(?:s| (?:assistants?|agents?|models?|systems?|chat ?bots?))?|(?:large )?language models?|llms?|chat ?bots?|chatgpt|gpt(?:-?\d\w*)?"
    r"|claude|gemini|copilot|(?:virtual|digital|automated) assistants?|assistants?|rag (?:system|pipeline)s?|retrieval systems?)"
)
_ORDERS = (
    r"(?:instructions?|directions?|directives?|prompts?|commands?|rules?|guidelines?|guardrails?|constraints?|restrictions?"
    r"|polic(?:y|ies)|programming|training|safety (?:filters?|settings?))"
)
_BEFORE = r"(?:previous|prior|preceding|earlier|above|foregoing|former|existing|current|initial|original|system|default|other|safety|your)"
# Between two words of one sentence.
_GAP = r"[^\w.!?\n]+"
_DROP = r"(?:ignore|disregard|forget|override|overrule|bypass|discard|neglect|do not (?:follow|obey)|don't (?:follow|obey)|stop following|cancel|erase|delete|drop|set aside|pay no attention to)"
_ANSWER = r"(?:answers?|answering|respond(?:ing)?|repl(?:y|ies|ying)|summari[sz](?:e|es|ing)|questions?|asked|quer(?:y|ies|ied)|users?)"

SPOKEN = Wordings(
    Wording(name, tuple(words.split("|")), re.compile(pattern))
    for name, words, pattern in (
        (
            "override",
            "your|ignor|disregard|forget|overrid|overrul|bypass|discard|neglect|not follow|not obey|n't follow|n't obey|stop following|cancel|erase|delete|drop|set aside|attention to",
            (
                rf"\b{_DROP}{_GAP}(?:\w+{_GAP}){{0,3}}?(?:{_BEFORE}{_GAP}(?:\w+{_GAP}){{0,3}}?{_ORDERS}|{_ORDERS}{_GAP}(?:\w+{_GAP}){{0,3}}?(?:above|before"
                rf"|you (?:were|have been|got|received)|given|so far))"
                # That somebody was told to forget everything is a tale.
                rf"|(?<!\bto ){_DROP}{_GAP}(?:\w+{_GAP}){{0,3}}?(?:everything|anything|all|whatever|what)\b"
                r"[^.\n]{0,30}\b(?:above|before|previous(?:ly)?|prior|earlier|so far|been told|were told|told you)"
                rf"|\byour (?:{_BEFORE} )?{_ORDERS} (?:are|is|have been|has been|were)(?: now| hereby)? (?:cancel+ed|void|revoked|suspended|lifted|obsolete"
                r"|no longer|superseded|replaced|overridden)"
            ),
        ),
        (
            "override",
            "new |instruction|directive|rules above|rules you|rules given|orders you",
            (
                r"\bnew (?:system )?(?:instructions?|directives?|orders|rules)(?: for (?:you|the (?:ai|model|assistant)))?\s*(?::|\bfollow\b|\bare\b|\breplace)"
                r"|\b(?:instructions?|rules?|orders?|directives?) (?:above|before this|given (?:so far|above|before)|you (?:were given|have))"
                r"[^.\n]{0,40}\b(?:void|obsolete|cancel+ed|superseded|no longer|invalid|do(?:es)? not apply|outdated|a test|fake)"
            ),
        ),
        (
            "override",
            "ignor|vergiss|missacht|oubli|olvida|caso omiso|dimentica|negeer|vergeet|esque|忽略|无视|忘记|無視|игнорируй|забудь|忘れ",
            (
                r"\b(?:ignorier\w*|vergiss|missachte\w*)[^.\n]{0,40}\b(?:anweisung|anordnung|vorgabe|regeln)"
                r"|\b(?:ignore[zrs]?|oublie[zrs]?)[^.\n]{0,40}\b(?:instructions|consignes|règles|directives)\b[^.\n]{0,20}\b(?:pr[ée]c[ée]dent|ant[ée]rieur|ci-dessus)"
                r"|\b(?:ignora|olvida|ignore|ignoren|haz caso omiso)[^.\n]{0,40}\b(?:instrucciones|reglas|indicaciones|instruções|istruzioni)"
                r"|\b(?:ignora|dimentica|negeer|vergeet|esque[çc]a)[^.\n]{0,40}\b(?:istruzioni|instructies|instruções)"
                r"|(?:忽略|无视|忘记|無視)[^。\n]{0,15}(?:指令|指示|提示|说明|規則|规则|命令)|(?:игнорируй|забудь)[^.\n]{0,40}(?:инструкц|указан|правил)"
                r"|(?:前の|これまでの|以前の)[^。\n]{0,10}(?:指示|命令)[^。\n]{0,6}(?:無視|忘れ)"
            ),
        ),
        (
            "new_role",
            "you are|you're|you will|you shall|from now|from this|from here|pretend|imagine| mode|act as|you have been",
            (
                r"\b(?:you are|you're|you will be|you shall be) (?:now|no longer|from now on|henceforth)\b"
                r"|\bfrom (?:now|this point|here|this moment) on(?:wards?)?,? (?:you|act|answer|respond|reply|always|only|speak|behave)\b"
                r"|\b(?:pretend|imagine) (?:to be|that you are|you are|you're)\b[^.\n]{0,60}\b(?:ai|assistant|model|bot|without|unrestricted|restrictions?|rules|admin\w*)\b"
                r"|\b(?:enter|enable|activate|switch (?:in)?to|engage)\b[^.\n]{0,25}\b(?:developer|debug|admin|god|dan|jailbreak|unrestricted|maintenance|root|sudo) mode"
                r"|\bact as (?:an? |the )?(?:unrestricted|uncensored|different|evil|dan\b|jailbroken|new (?:assistant|ai))"
                r"|\byou have been (?:reprogrammed|jailbroken|reconfigured|reassigned|updated to)\b"
            ),
        ),
        (
            "addresses_model",
            " ai|ai |ai:|ais|llm|language model|assistant|chatbot|chat bot|gpt|claude|gemini|copilot|rag |retrieval system",
            (
                rf"\b(?:attention|note|notice|message|instructions?|reminder|hint|memo|hello|hey|hi|dear|important)\b,?[^.\n]{{0,18}}?\b(?:to|for|all|any|the|every|dear)?\s*{_MODEL}\b"
                rf"(?:[^.:\n]{{0,60}}\b(?:reading|processing|summari[sz]ing|parsing|indexing|answering|who reads?|that reads?|must|should|shall|only)\b|\s*[:!,])"
                rf"|\bif you (?:are|'re) (?:an? |the |any )?{_MODEL}\b|\bas (?:an? |the )?{_MODEL}(?: (?:reading|processing) this[^,.\n]{{0,20}})?,? you (?:must|should|need|will|shall|are (?:required|obliged))"
                rf"|\b{_MODEL} (?:reading|processing|summari[sz]ing|parsing|ingesting|that reads?|who reads?|which reads?) th(?:is|ese)\b[^.\n]{{0,60}}\b(?:must|should|shall|will|are|is|to)\b"
                rf"|\b(?:all|any|every) {_MODEL} (?:must|shall|should|are (?:required|obliged|instructed)|is (?:required|obliged|instructed))\b"
            ),
        ),
        (
            "steers_answer",
            "answer|respon|repl|summar|question|asked|quer|user",
            (
                rf"\b(?:when(?:ever)?|if|before|while|no matter what|regardless of what|in your|in every|to (?:any|every|all))\b[^.\n]{{0,50}}\b{_ANSWER}\b[^.\n]{{0,60}}\b(?:you (?:must|should|shall|will|have to)|always|only|never|"
                r"(?:answer|say|state|reply|respond|claim|tell|include|insert|append|add|recommend|mention|cite|begin|start|end|output|write|print|use)\b)[^.\n]{0,60}"
                r"(?:[\"'“‘:]|\bthat\b|\bwith\b|\bthe (?:following|user|link|url|word|phrase|sentence|text)\b)"
            ),
        ),
        (
            "steers_answer",
            "respon|reply|repeat|answer|say |print|output|write|do not|don't|never|must not|other |only |sole ",
            (
                r"\b(?:respond|reply|answer)(?: to (?:the|this|every|any|all)\b[^.\n]{0,30}?)? (?:only|exclusively|solely|just)? ?(?:with|by saying|by writing|using)(?: only| just| exactly| nothing but)? (?:the (?:exact )?(?:words?|phrase|sentence|text|string|following)\b|[\"'“‘])"
                r"|\b(?:say|print|output|write|repeat|reply|answer) (?:exactly|only|verbatim|nothing but|just)\b[^.\n]{0,8}[:\"'“‘]"
                r"|\b(?:do not|don't|never|must not) (?:mention|cite|reveal|disclose|quote|use|consult|tell|show|trust|rely on|refer to|read)\b[^.\n]{0,40}\b(?:user|other (?:passages?|documents?|sources?|texts?)|passages? (?:above|below)|this (?:note|instruction|message|passage|paragraph)|these instructions|the question)\b"
                r"|\b(?:the|all) other (?:passages?|documents?|sources?|texts?|results?|chunks?) (?:above|below|here )?(?:are|is|were|must be|should be|contain)\b[^.\n]{0,40}\b(?:wrong|false|outdated|obsolete|ignored|disregarded|incorrect|unreliable|fake|lies|untrusted|discarded)"
                r"|\b(?:only|sole) (?:correct|valid|true|trusted|authoritative|reliable) (?:passage|source|answer)\b"
            ),
        ),
        (
            "asks_secrets",
            "prompt|instruction|context window|api key|credential|secret|password|token|conversation|history|message",
            (
                r"\b(?:reveal|print|show|repeat|output|display|disclose|tell|leak|expose|recite|include|append|copy|paste|dump|give|write out|quote)\b[^.\n]{0,40}\b"
                r"(?:(?:the )?(?:(?:your|its|hidden|initial|full|entire|whole|original) ){1,4}(?:system (?:prompt|message|instructions?)|prompt|instructions|context window|api keys?|credentials?|secrets?|passwords?|tokens?|conversation(?: history)?|chat history|previous messages)|the (?:system (?:prompt|message)|conversation history|chat history))\b"
                r"(?![^.\n]{0,20}\b(?:page|file|command|tab|menu)\b)"
            ),
        ),
        (
            "exfiltrates",
            "http|www.|@|following|attacker|this url|this address|this endpoint|this server",
            (
                r"\b(?:send|post|forward|transmit|upload|submit|email|e-mail|mail|exfiltrate|leak|deliver|report|pass)\b[^.\n]{0,60}\b(?:question|conversation|answer|user(?:'s|s')?|chat|prompt|context|documents?|passages?|history|data|secrets?|credentials?|keys?|passwords?|tokens?|contents?|it)\b[^.\n]{0,60}"
                r"(?:https?://|www\.|\b[\w.+-]+@[\w-]+\.\w|\bto (?:the )?(?:following|attacker|this) (?:url|address|endpoint|server|e-?mail))"
            ),
        ),
        (
            "encoded",
            "rot13|rot-13|base64|decode|decrypt|decipher|backwards|reverse",
            (
                r"\b(?:rot-?13|base64|decod\w+|decrypt\w*|decipher\w*|backwards|reverse\w*)\b[^.\n]{0,60}"
                r"\b(?:obey|follow (?:it|them|the)|execute (?:it|them)|do (?:as|what) (?:it|they) says?|comply)"
            ),
        ),
        (
            "calls_tools",
            "tool|function|plugin|action|interpreter|browser|shell|terminal|python|sql",
            r"\b(?:call|invoke|execute|run|use|trigger)\b[^.\n]{0,20}\b(?:the )?(?:tool|function|plugin|action|code interpreter|browser|shell|terminal|python|sql)\b[^.\n]{0,60}\b(?:to (?:delete|send|fetch|drop|transfer|download|exfiltrate|open|post|email|buy|approve)|with (?:the )?(?:argument|parameter|user)|and (?:delete|send|drop|transfer|post))",
        ),
    )
)

WRITTEN = Wordings(
    Wording(name, tuple(words.split("|")), re.compile(pattern))
    for name, words, pattern in (
        # An image is loaded without a click, and its address can carry words away.
        (
            "exfiltrates",
            "![",
            r"!\[[^\]\n]{0,200}\]\(\s*<?https?://[^)\s]{1,300}[?&](?:data|context|prompt|question|answer|chat|conversation|history|secret|summary)=|!\[[^\]\n]{0,200}\]\(\s*<?https?://[^)\s]{1,300}[?&][^)\s=]{1,40}=[^)\s]{0,20}(?:[{\[<%$]|base64|\b(?:question|answer|data|context|prompt|history|query|secret|summary|convers\w*|chat|user\w*|content|text|leak|payload|info|message)\b)",
        ),
        (
            "exfiltrates",
            "http",
            r"https?://[^\s)\]>\"']{1,200}[?&/=](?:\{\{?|\[|<|%7b|\$\{|\()\s*(?:the[ _%-])?(?:user|question|answer|data|context|prompt|history|query|secret|summary|convers|chat|content|insert|your|api|base64|last|previous|password|email)",
        ),
        (
            "exfiltrates",
            "<",
            r"<(?:img|iframe|script|object|embed|link|form|meta|svg|video|audio|source)\b[^>\n]{0,300}\b(?:src|href|data|action|srcset|poster|content)\s*=\s*[\"']?[^>\n]{0,200}[?&=/](?:\{\{?|\[|%7b|\$\{)",
        ),
        (
            "exfiltrates",
            "<|javascript:|data:text/html",
            r"<(?:script|iframe|object|embed)\b[^>\n]{0,300}(?:https?:)?//|\bjavascript:[^\s]{0,80}(?:fetch|cookie|location|eval|xmlhttp)|\bdata:text/html[;,]",
        ),
        # Words that a page hides from its reader.
        (
            "hidden_text",
            "display|visibility|font-size|opacity|color|text-indent|left",
            r"(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|opacity\s*:\s*0(?![.\d])|color\s*:\s*(?:white|#fff(?:fff)?|transparent)\b|text-indent\s*:\s*-\d{3,}|left\s*:\s*-\d{3,})[^>\n]{0,120}>[^<\n]{12,}",
        ),
        (
            "hidden_text",
            "<!--|]:",
            rf"<!--[^>]{{0,400}}\b(?:{_MODEL}|{_DROP}|system prompt|you (?:are|must|will|should))\b[^>]{{0,400}}-->|\[(?:comment|//|hidden|_)\]\s*:\s*(?:#|<>)\s*[\"'(][^\n]{{0,300}}\b(?:ignore|instruction|assistant|ai|prompt|you must)\b",
        ),
        # The end of the documents, as a document tells it.
        (
            "fence_markers",
            "end of |begin of |beginning of |start of ",
            r"(?:^|\n)\W{0,6}(?:end|begin(?:ning)?|start) of (?:the )?(?:documents?|passages?|context|retrieved (?:text|documents?|context)|sources?|user (?:input|data|question)|untrusted (?:content|data|text)|system prompt|search results)\b[^\n]{0,20}(?:\n|$)",
        ),
        (
            "chat_markers",
            "system|developer",
            r"(?:^|\n)[ \t]*(?:#{1,6}[ \t]*|\*{2}|\[)?(?:system|developer)(?: (?:message|prompt|note|override|update|instructions?|notice|alert))?(?:\*{2}|\])?[ \t]*:[ \t]*(?:\*{2})?[ \t]*[^\n]{0,60}\b(?:you|your|must|ignore|override|answer|respond|comply|instructions?|assistant|mode|users?)\b",
        ),
        (
            "chat_markers",
            "assistant|\nai| ai|\tai",
            r"(?:^|\n)[ \t]*(?:user|human|question|q)[ \t]*:[^\n]{1,200}\n+[ \t]*(?:assistant|ai)[ \t]*:",
        ),
        (
            "chat_markers",
            '#instruction|# instruction|#response|# response|"role"',
            r"(?:^|\n)#{2,4} ?(?:instruction|response) ?:|\"role\"\s*:\s*\"(?:system|developer)\"\s*,\s*\"content\"\s*:",
        ),
    )
)
