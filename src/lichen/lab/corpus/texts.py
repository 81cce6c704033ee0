"""What people write: sentences of common words in many scripts."""

# ruff: noqa: RUF001, SIM905 (letters that look alike are the point; words read best as a line)

from typing import Final

from lichen.lab.corpus.dice import Dice

NON_ASCII_SHARE: Final = 0.45
"""Share of texts that are not ASCII; as votes and private texts mostly are, it is less of all."""

ENGLISH: Final = (
    "the a of and to in moss lichen river mountain garden boat harbour bread rain letter friend "
    "market radio signal island forest winter lantern copper paper thread neighbour story window "
    "walk build carry plant mend read write sing wait share remember gather repair slowly together "
    "again perhaps always never small green old open quiet bright early log feed peer message"
).split()

SCRIPTS: Final = (
    "für über Straße Mühle grün schön Gruß Käse Flöße zwölf Äpfel müßig Öl ß".split(),
    "été forêt rivière déjà garçon œuvre naïve où façon âge île maïs".split(),
    "mañana niño corazón pingüino árbol canción ¿qué? ¡hola! señal jardín".split(),
    "ação coração pão avó também português ciência".split(),
    "łódź źródło żółw część święto gęś książka".split(),
    "příliš žluťoučký kůň úpěl ďábelské ódy".split(),
    "ağaç çiçek ırmak İstanbul göl şehir güneş".split(),
    "đường phố nước biển trời rừng bạn thân".split(),
    "θάλασσα φίλος νερό λόγος κήπος βουνό αύριο".split(),
    "река лес друг письмо дом снег море завтра ёж".split(),
    "їжак ґанок річка яблуко світанок".split(),
    "שלום ים ספר בית חבר גשם אור".split(),
    "مرحبا كتاب بحر صديق مطر نور بيت".split(),
    "नमस्ते नदी पेड़ किताब मित्र वर्षा".split(),
    "நன்றி மலை கடல் நண்பன்".split(),
    "สวัสดี แม่น้ำ ภูเขา เพื่อน".split(),
    "გამარჯობა მთა ზღვა მეგობარი".split(),
    "բարև ծով լեռ ընկեր".split(),
    "ሰላም ባሕር ተራራ".split(),
    "你好 河流 森林 朋友 书信 下雨 花园 明天".split(),
    "こんにちは 川 森 ともだち 手紙 雨 ガーデン".split(),
    "안녕 강 숲 친구 편지 비".split(),
)

EMOJI: Final = (
    "😀",
    "🌱",
    "❤️",
    "👍🏽",
    "👩‍👩‍👧‍👦",
    "🏳️‍🌈",
    "🇺🇦",
    "🦑",
    "🍞",
    "𝒽ℯ𝓁𝓁ℴ",
    "𐍈",
    "🫠",
    "☔",
)

MARKS: Final = (
    "e\u0301te\u0301",  # combining marks, not composed
    "a\u0308\u0323\u0332",
    "Z\u0351\u036b\u0343a\u0331l\u0324g\u0347o\u0339",
    "\u202bשלום abc\u202c",  # right to left, embedded
    "\u200fab\u200e",
    "zero\u200bwidth",
    "\u2066isolate\u2069",
    "ﬁﬂ",
    "½ № ™ … — “quotes” ‘single’",
    "a\u00a0b",
    "\ufeffmark",
    "line\u2028separator",
)

EXPRESSIONS: Final = ("Like", "Yup", "dig", "+1", "❤️", "👍", "🌱", "Gefällt mir", "いいね")
CHANNELS: Final = (
    "gardening solarpunk new-people boats mycology scuttlebutt bread art code music walking "
    "python éducation 写真 música git-ssb"
).split()


def pick_language(dice: Dice) -> list[str]:
    """Return the words of a language, ASCII or not."""
    return dice.pick(SCRIPTS) if dice.chance(NON_ASCII_SHARE) else ENGLISH


def write_words(dice: Dice, count: int, language: list[str] | None = None) -> str:
    """Return words of one language."""
    if language is None:
        language = pick_language(dice)
    words = [dice.pick(language) for _ in range(count)]
    if language is not ENGLISH:
        if dice.chance(0.4):
            words.insert(dice.below(count + 1), dice.pick(EMOJI))
        if dice.chance(0.15):
            words.insert(dice.below(count + 1), dice.pick(MARKS))
        if dice.chance(0.3):
            words.insert(dice.below(count + 1), dice.pick(ENGLISH))
    return " ".join(words)


def write_text(dice: Dice) -> str:
    """Return a text in Markdown: mostly a few sentences, sometimes pages."""
    language = pick_language(dice)
    sentences = [_write_sentence(dice, language) for _ in range(1 + dice.small(30))]
    if dice.chance(0.08):
        sentences.insert(0, f"# {write_words(dice, dice.between(2, 5), language)}\n\n")
    if dice.chance(0.06):
        items = (f"- {write_words(dice, 3, language)}" for _ in range(4))
        sentences.append("\n\n" + "\n".join(items))
    if dice.chance(0.03):
        sentences.append("\n\n```js\nconst a = {\"b\": '\\t'} // \\o/\n```")
    if dice.chance(0.05):
        sentences.append('\n\n> "' + write_words(dice, 6, language) + '"\r\n')
    return "".join(sentences).strip(" ")


def _write_sentence(dice: Dice, language: list[str]) -> str:
    words = write_words(dice, dice.between(3, 14), language)
    return words + dice.pick((". ", "! ", "? ", ".\n\n", ". "))
