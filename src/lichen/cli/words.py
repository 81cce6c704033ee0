"""The language of the terminal: every text a person reads passes through here.

It is chosen once, by ``LICHEN_LANGUAGE`` or the usual variables (``LANGUAGE``, ``LC_ALL``,
``LC_MESSAGES``, ``LANG``). Click, which reads the arguments, speaks it too.
"""

import os

from click import core, decorators, exceptions, formatting, parser, types

from lichen.words import language_of_environment, words_for

WORDS = words_for(language_of_environment(os.environ))

_ = WORDS.gettext
ngettext = WORDS.ngettext

# Click looks for its texts under a name of its own in each module, and brings no translations.
for _module in (core, decorators, exceptions, formatting, parser, types):
    for _name, _function in (("_", _), ("ngettext", ngettext)):
        if hasattr(_module, _name):
            setattr(_module, _name, _function)
