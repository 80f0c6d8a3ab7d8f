"""Keys and secrets in the formats that their issuers give them.

One list serves two purposes: a file that holds one is never trained on (`filters`), and what a model writes
is searched for them (`verbatim`). Only formats that hardly anything else has: a long random word alone is no
key.
"""

import re

PATTERNS = {
    "private key": r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY",
    "AWS": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "GitHub": r"\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_[A-Za-z0-9_]{50,}",
    "GitLab": r"\bglpat-[0-9A-Za-z_-]{20}\b",
    "Google": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "npm": r"\bnpm_[A-Za-z0-9]{36}\b",
    "OpenAI": r"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{40,}",
    "SendGrid": r"\bSG\.[\w-]{22}\.[\w-]{43}\b",
    "Slack": r"\bxox[baprs]-[0-9A-Za-z-]{20,}|\bxapp-[0-9]-[0-9A-Za-z-]{20,}"
    r"|hooks\.slack\.com/services/T\w{8,}/",
    "Stripe": r"\b[sr]k_live_[0-9a-zA-Z]{20,}",
}
_COMPILED = {kind: re.compile(pattern) for kind, pattern in PATTERNS.items()}
_ANY = re.compile("|".join(PATTERNS.values()))


def contains_credential(text):
    return _ANY.search(text) is not None


def found_in(text):
    """[(kind, matched text)] of every credential in `text`."""
    return [(kind, match[0]) for kind, pattern in _COMPILED.items() for match in pattern.finditer(text)]
