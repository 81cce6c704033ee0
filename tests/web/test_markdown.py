"""Posts become HTML as their authors meant them."""

import re
import runpy
from pathlib import Path

import pytest

from lichen.web.text.links import PATHS
from lichen.web.text.markdown import PICTURES_MAX, TEXT_CHARACTERS_MAX, first_words, plain, render

inspect = runpy.run_path(str(Path(__file__).with_name("inert.py")))["inspect"]

KEY = "+MDEgxFBU1cqQ/gsr1m0ISOda5K3F3B60Rg9yudbYNc="
SEGMENT = "-MDEgxFBU1cqQ_gsr1m0ISOda5K3F3B60Rg9yudbYNc"
FEED, MESSAGE, BLOB = f"@{KEY}.ed25519", f"%{KEY}.sha256", f"&{KEY}.sha256"
PERSON = f'<a href="/people/{SEGMENT}" class="at">'


def shown(text: str) -> str:
    """Return the HTML without what every link has."""
    return render(text, PATHS).strip().replace(' rel="noopener noreferrer nofollow"', "")


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("a *b* **c** ~~d~~ `e`", "<p>a <em>b</em> <strong>c</strong> <s>d</s> <code>e</code></p>"),
        ("one\ntwo", "<p>one<br>\ntwo</p>"),
        ("# a", "<h3>a</h3>"),
        ("#### a\n# b\n### c", "<h3>a</h3>\n<h3>b</h3>\n<h4>c</h4>"),
        (
            "# a\n## b\n### c\n#### d\n##### e",
            "<h3>a</h3>\n<h4>b</h4>\n<h5>c</h5>\n<h6>d</h6>\n<h6>e</h6>",
        ),
        ("> q", "<blockquote>\n<p>q</p>\n</blockquote>"),
        ("3. x", '<ol start="3">\n<li>x</li>\n</ol>'),
        ("```py\nx<y\n```", '<pre tabindex="0"><code>x&lt;y\n</code></pre>'),
        ("<b>x</b> &amp; &lt;", "<p>&lt;b&gt;x&lt;/b&gt; &amp; &lt;</p>"),
        ("a\0b", "<p>a\ufffdb</p>"),
        ("\ud83d \ud800", "<p>\ufffd \ufffd</p>"),
        ("", ""),
    ],
)
def test_common_markdown(text: str, markup: str) -> None:
    assert shown(text) == markup


def test_tables() -> None:
    markup = shown("a|b\n-|-:\n1|2")
    assert "<th>a</th>\n<th>b</th>" in markup
    assert "<td>1</td>\n<td>2</td>" in markup


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        (f"[anna]({FEED})", f"{PERSON}anna</a>"),
        (FEED, f"{PERSON}@+MDEgx…</a>"),
        (f"{FEED}, and", f"{PERSON}@+MDEgx…</a>, and"),
        (f"[m]({MESSAGE})", f'<a href="/thread/{SEGMENT}">m</a>'),
        (f"[m](%25{KEY}.sha256)", f'<a href="/thread/{SEGMENT}">m</a>'),
        (MESSAGE, f'<a href="/thread/{SEGMENT}">%+MDEgx…</a>'),
        (f"[b]({BLOB})", f'<a href="/blob/{SEGMENT}">b</a>'),
        (f"{BLOB}?unbox={KEY}.boxs", f'<a href="/blob/{SEGMENT}">&amp;+MDEgx…</a>'),
        (f"![a<]({BLOB})", f'<img src="/blob/{SEGMENT}" alt="a&lt;" loading="lazy">'),
        (
            f"[![a]({BLOB})](https://b.c)",
            f'<a href="https://b.c"><img src="/blob/{SEGMENT}" alt="a" loading="lazy"></a>',
        ),
        (f"ssb:message/classic/{SEGMENT}=", f'<a href="/thread/{SEGMENT}">%+MDEgx…</a>'),
        (f"[x](ssb://feed/ed25519/{SEGMENT}=)", f"{PERSON}x</a>"),
        ("#Garden", '<a href="/channel/garden">#Garden</a>'),
        ("(#solar-punk)", '(<a href="/channel/solar-punk">#solar-punk</a>)'),
        ("#öl, x", '<a href="/channel/%C3%B6l">#öl</a>, x'),
        ("[g](#garden)", '<a href="/channel/garden">g</a>'),
        ("#1 a#b &#38; C#", "#1 a#b &amp; C#"),
        (f"x{KEY}.ed25519 {FEED}x", f"x{KEY}.ed25519 {FEED}x"),
        (f"`{FEED}`", f"<code>{FEED}</code>"),
        (f"[{FEED}]({FEED})", f"{PERSON}{FEED}</a>"),
    ],
)
def test_references(text: str, markup: str) -> None:
    assert shown(text) == f"<p>{markup}</p>"


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("see https://a.b/c.", 'see <a href="https://a.b/c">https://a.b/c</a>.'),
        ("[x](HTTPS://a.b)", '<a href="HTTPS://a.b">x</a>'),
        ("<a@b.cd>", '<a href="mailto:a@b.cd">a@b.cd</a>'),
        ("notes.md and a.b.com", "notes.md and a.b.com"),
        ("![alt](https://a.b/c.png)", '<a href="https://a.b/c.png">alt</a>'),
        ("![](https://a.b/c.png)", '<a href="https://a.b/c.png">https://a.b/c.png</a>'),
        ("[![alt](https://a.b/c.png)](https://d.e)", '<a href="https://d.e">alt</a>'),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("[x](/settings)", "[x](/settings)"),
        ("[x](//a.b)", "[x](//a.b)"),
        ("![x](data:image/png;base64,AA==)", "![x](data:image/png;base64,AA==)"),
        (
            f"https://a.b/{MESSAGE}",
            f'<a href="https://a.b/%25{MESSAGE[1:]}">https://a.b/{MESSAGE}</a>',
        ),
    ],
)
def test_the_web_outside(text: str, markup: str) -> None:
    assert shown(text) == f"<p>{markup}</p>"


def test_every_link_keeps_its_distance() -> None:
    for text in (FEED, "https://a.b", "#garden"):
        assert 'rel="noopener noreferrer nofollow"' in render(text, PATHS)
        assert "target" not in render(text, PATHS)


def test_paths_are_the_callers() -> None:
    class Elsewhere:
        def feed(self, feed: str, /) -> str:
            return f"/p?id={feed[1]}&x"

        def message(self, key: str, /) -> str:
            return "/m"

        def blob(self, blob: str, /) -> str:
            return "/b"

        def channel(self, name: str, /) -> str:
            return f"/c/{name}"

    markup = render(f"{FEED} {MESSAGE} ![]({BLOB}) #Garden", Elsewhere())
    assert re.findall(r'(?:href|src)="([^"]*)"', markup) == [
        "/p?id=+&amp;x",
        "/m",
        "/b",
        "/c/garden",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 8000,
        "![" * 4000,
        "[" * 4000 + "]" * 4000,
        "> " * 4000,
        "\n".join("  " * depth + "- a" for depth in range(88)),
        "*a **b " * 1100,
        "*a_ " * 2000,
        "`".join("e" * (number % 9) for number in range(2000)),
        "|" + "a|" * 60 + "\n|" + "-|" * 60 + "\n" + "|a\n" * 2600,
        "a|" * 1300 + "\n" + "-|" * 1300 + "\n" + "b|" * 1300,
        "http://a." * 900,
        "[a]: b\n" * 1100 + "[a]" * 100,
    ],
    ids=range(12),
)
def test_texts_written_to_cost_time_give_little(text: str) -> None:
    markup = render(text[:TEXT_CHARACTERS_MAX], PATHS)
    inspect(markup)
    # Time follows what is made of a text; of the worst of them without bounds it is 700,000.
    assert len(markup) < 80_000


def test_large_tables_of_people_are_tables_and_larger_ones_text() -> None:
    rows = "\n".join("|1|2|3|" for _ in range(200))
    assert "<td>3</td>" in render(f"|a|b|c|\n|-|-|-|\n{rows}", PATHS)
    wide = f"{'a|' * 60}\n{'-|' * 60}\n" + "x\n" * 100
    assert "<table" not in render(wide, PATHS)


def test_longer_than_a_message_is_plain() -> None:
    text = "*a*\n" * (TEXT_CHARACTERS_MAX // 4 + 1)
    assert render(text, PATHS) == plain(text)
    assert plain("<a>\n*b* & \u202e'") == "<p>&lt;a&gt;<br>*b* &amp; '</p>"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# Title\n\nand *text*", "Title and text"),
        (f"hello [@anna]({FEED}) and {FEED}", "hello @anna and @+MDEgx…"),
        (f"![a tree]({BLOB}) x", "a tree x"),
        ("one\ntwo  \nthree\n\n- four", "one two three four"),
        ("```\ncode\n```", "code"),
        ("<b>x</b>", "<b>x</b>"),
        ("abcdefghij klmnopqrst uvwxyz 0123456789", "abcdefghij klmnopqrst uvwxyz…"),
        ("x" * 50, "x" * 31 + "…"),
        ("y " * 3000, "y " * 14 + "y…"),
        ("", ""),
    ],
)
def test_first_words(text: str, words: str) -> None:
    assert first_words(text, 32) == words


def test_a_post_shows_so_many_pictures_and_links_the_others() -> None:
    blob = "&" + "A" * 43 + "=.sha256"
    made = render(f"![seen]({blob}) " * (PICTURES_MAX + 5), PATHS)
    assert made.count("<img") == PICTURES_MAX
    assert made.count("<a") == 5
    assert made.count(">seen</a>") == 5
