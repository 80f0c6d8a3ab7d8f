"""Which repositories and which files may be trained on.

A repository counts as permissive by the text of its own licence file; a file's own header then overrides
its repository (a vendored GPL header in an MIT repository is dropped). Only well-known texts are accepted:
an unknown licence is a refusal, never a guess.
"""

import re

LICENCE_FILE_NAMES = (
    "LICENSE",
    "LICENSE.txt",
    "LICENSE.md",
    "LICENSE.rst",
    "LICENCE",
    "LICENCE.md",
    "License.txt",
    "License",
    "license",
    "license.txt",
    "license.md",
    "COPYING",
    "COPYING.txt",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "LICENSE-APACHE.txt",
    "LICENSE.APACHE",
    "MIT-LICENSE",
    "UNLICENSE",
    "LICENSES/Apache-2.0.txt",
)

# Copyleft first: a text that opens with one of these is refused even if it also quotes a permissive one.
_COPYLEFT = (
    (re.compile(r"general\s+public\s+licen[sc]e", re.I), "GPL family"),
    (re.compile(r"mozilla\s+public\s+licen[sc]e", re.I), "MPL"),
    (re.compile(r"eclipse\s+public\s+licen[sc]e", re.I), "EPL"),
    (re.compile(r"business\s+source\s+licen[sc]e|server\s+side\s+public", re.I), "source-available"),
)
_PERMISSIVE = (
    (re.compile(r"apache\s+licen[sc]e", re.I), "Apache-2.0"),
    (re.compile(r"permission\s+is\s+hereby\s+granted,\s+free\s+of\s+charge", re.I), "MIT"),
    (re.compile(r"redistribution\s+and\s+use\s+in\s+source\s+and\s+binary", re.I), "BSD"),
    (re.compile(r"permission\s+to\s+use,\s+copy,\s+modify", re.I), "ISC"),
    (re.compile(r"this\s+is\s+free\s+and\s+unencumbered\s+software", re.I), "Unlicense"),
    (re.compile(r"python\s+software\s+foundation", re.I), "PSF-2.0"),
    (re.compile(r"boost\s+software\s+licen[sc]e", re.I), "BSL-1.0"),
    (re.compile(r"this\s+software\s+is\s+provided\s+'as-is'", re.I), "Zlib"),
    (re.compile(r"\bMIT\s+licen[sc]e", re.I), "MIT"),
)

# A licence text names itself in its first lines; a copyright notice of curl's or SDL's length may come first.
_OPENING_CHARACTER_COUNT = 3000

_HEADER_CHARACTER_COUNT = 2500
_HEADER_COPYLEFT = re.compile(
    r"GNU\s+(Lesser\s+|Affero\s+|Library\s+)?General\s+Public|(Mozilla|Eclipse|European\s+Union)\s+Public"
    r"|Common\s+Development\s+and\s+Distribution|CC[ -]BY-(NC|SA|ND)|Server\s+Side\s+Public"
    r"|Business\s+Source\s+Licen[sc]e",
    re.I,
)
_HEADER_ALTERNATIVE = re.compile(r"Apache|\bBSD\b|MIT\s+Licen[sc]e|zlib", re.I)
_HEADER_PROPRIETARY = re.compile(
    r"proprietary\s+(and|information)|end\s+user\s+licen[sc]e|all\s+rights\s+reserved\.?\s+confidential", re.I
)
_SPDX = re.compile(r"SPDX-License-Identifier:\s*([^\n*]{0,80})")
_SPDX_PERMISSIVE = re.compile(r"Apache|MIT|BSD|ISC|Zlib|CC0|Unlicense|BSL|Python|PSF|curl", re.I)


def licence_of_text(text):
    """The SPDX-like name of a permissive licence text, or None when it is copyleft or unknown."""
    opening = text[:_OPENING_CHARACTER_COUNT]
    if any(pattern.search(opening[:1500]) for pattern, _ in _COPYLEFT):
        return None
    for pattern, name in _PERMISSIVE:
        if pattern.search(opening):
            return name
    return None


def header_is_permissive(text):
    """False when the file's own header names a copyleft or proprietary licence with no permissive
    alternative.
    """
    header = text[:_HEADER_CHARACTER_COUNT]
    identifier = _SPDX.search(header)
    if identifier:  # an alternative is enough, but every licence of a conjunction binds
        terms = re.split(r"\s+AND\s+", identifier.group(1))
        return all(_SPDX_PERMISSIVE.search(term) for term in terms)
    if _HEADER_PROPRIETARY.search(header):
        return False
    return not _HEADER_COPYLEFT.search(header) or bool(_HEADER_ALTERNATIVE.search(header))
