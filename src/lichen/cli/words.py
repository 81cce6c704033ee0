"""The languages of the terminal: every text a person reads passes through here.

Catalogues lie in ``locale/LANGUAGE/LC_MESSAGES/lichen.mo`` beside this file and are chosen by the
usual variables (``LANGUAGE``, ``LC_ALL``, ``LC_MESSAGES``, ``LANG``). Without one: English.
"""

import gettext
from pathlib import Path

_translation = gettext.translation("lichen", Path(__file__).with_name("locale"), fallback=True)

_ = _translation.gettext
ngettext = _translation.ngettext
