"""Which languages count as one.

A family is a set of languages so close that the classifier confuses them on short text: a language with its dialects
and its smaller neighbours. Within a family nothing is ever held against a text. Large languages with a literature of
their own stand apart, however close (Spanish and Portuguese, Russian and Ukrainian).
"""

from __future__ import annotations

from collections.abc import Mapping

Families = tuple[tuple[str, ...], ...]

# Labels of the model; the first names the family.
FAMILIES: Families = (
    ("zh", "yue", "wuu"),
    ("no", "nb", "nn", "da"),
    ("hr", "sr", "bs", "sh"),
    ("id", "ms", "min", "su", "jv"),
    ("cs", "sk"),
    ("es", "ast", "an", "gl"),
    ("pt", "mwl"),
    ("ca", "oc"),
    ("fr", "wa"),
    ("it", "co", "eml", "lmo", "nap", "pms", "sc", "scn", "vec"),
    ("de", "als", "bar", "frr", "ksh", "lb", "nds", "pfl"),
    ("nl", "af", "fy", "li", "vls"),
    ("en", "sco"),
    ("ru", "rue"),
    ("tr", "az"),
    ("ar", "arz"),
    ("fa", "azb", "glk", "mzn"),
    ("ur", "pnb", "sd"),
    ("hi", "bh", "dty", "gom", "mai", "mr", "ne", "new", "sa"),
    ("fi", "et"),
)


def by_label(families: Families) -> Mapping[str, str]:
    """The name of the family of every label that has one."""
    return {label: family[0] for family in families for label in family}
