"""Which language is chosen."""

import pytest

from lichen.words import choose_language, language_of_environment


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("fr,en;q=0.5,de;q=0.6", "de"),
        ("DE", "de"),
        ("fr, sv", "en"),
        ("*", "en"),
        ("de;q=0", "en"),
        ("de; q=0.5 , en;q=0.4", "de"),
        ("de;q=nan,en", "en"),
        ("de;q=9,en;q=1", "en"),
        ("de;q=x", "en"),
        ("en-XA", "pseudo"),
        ("deutsch", "en"),
        ("x," * 2000 + "de", "en"),
    ],
)
def test_header_of_a_browser(header: str, language: str) -> None:
    assert choose_language(header) == language


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "de"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE@euro", "LC_MESSAGES": "en_GB"}, "en"),
        ({"LC_ALL": "de_AT", "LANG": "en_US"}, "de"),
        ({"LANGUAGE": "fr:de:en", "LANG": "en_US"}, "de"),
        ({"LANGUAGE": "", "LANG": "de"}, "de"),
        ({"LICHEN_LANGUAGE": "en", "LANG": "de_DE.UTF-8"}, "en"),
        ({"LICHEN_LANGUAGE": "pseudo"}, "pseudo"),
        ({"LICHEN_LANGUAGE": "fr", "LANG": "de"}, "de"),
    ],
)
def test_variables_of_a_terminal(variables: dict[str, str], language: str) -> None:
    assert language_of_environment(variables) == language
