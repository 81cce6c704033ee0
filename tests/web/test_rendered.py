"""Rendered texts are kept, within bounds."""

from concurrent.futures import ThreadPoolExecutor

from lichen.web.text.rendered import RenderCache


class Renderer:
    def __init__(self) -> None:
        self.rendered: list[str] = []

    def __call__(self, text: str) -> str:
        self.rendered.append(text)
        return f"<{text}>"


def test_a_message_is_rendered_once() -> None:
    renderer = Renderer()
    cache = RenderCache(renderer)
    assert [cache.html("a", "x"), cache.html("a", "x"), cache.html("b", "x")] == ["<x>"] * 3
    assert renderer.rendered == ["x", "x"]


def test_the_least_recently_shown_is_forgotten() -> None:
    renderer = Renderer()
    cache = RenderCache(renderer, entries_max=2)
    for key in ("a", "b", "a", "c", "a", "b"):
        cache.html(key, key)
    assert renderer.rendered == ["a", "b", "c", "b"]


def test_characters_are_bounded_too() -> None:
    renderer = Renderer()
    cache = RenderCache(renderer, entries_max=9, characters_max=10)
    assert cache.html("long", "x" * 20) == f"<{'x' * 20}>"
    for key in ("a", "b", "c", "c", "b", "long"):
        cache.html(key, key)
    assert renderer.rendered == ["x" * 20, "a", "b", "c", "long"]
    cache.html("c", "c")
    assert renderer.rendered[-1] == "c", "the long one drove out all others"


def test_threads_share_it() -> None:
    cache = RenderCache(str.upper, entries_max=5, characters_max=20)
    keys = [chr(ord("a") + number % 8) for number in range(4000)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda key: cache.html(key, key), keys)) == [k.upper() for k in keys]
    assert cache._characters == sum(map(len, cache._kept.values())) <= 20
