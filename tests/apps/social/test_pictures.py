"""Pictures lose everything but what they show, and no file can do harm by being looked at."""

import zlib
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, PngImagePlugin

from lichen.apps.social import pictures
from lichen.apps.social.pictures import SIDE_PIXELS_MAX, prepare_face
from lichen.node.errors import ApiError

SECRET = b"52.5200N-hidden"
ORIENTATION = 0x0112


def saved(image: Image.Image, kind: str, **more: object) -> bytes:
    out = BytesIO()
    image.save(out, kind, **more)  # type: ignore[arg-type]
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def halves(width: int = 80, height: int = 60) -> Image.Image:
    """Return a picture that is red on the left and blue on the right."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (width // 2, 0, width, height))
    return image


def with_everything(kind: str) -> bytes:
    """Return a picture that tells where and with what it was taken, in every way there is."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = SECRET.decode()
    exif[ExifTags.Base.ImageDescription] = SECRET.decode()
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps[ExifTags.GPS.GPSMapDatum] = SECRET.decode()
    gps[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 12.0)
    more: dict[str, object] = {"exif": exif, "icc_profile": SECRET * 20}
    if kind in {"JPEG", "GIF"}:
        more["comment"] = SECRET
    if kind in {"JPEG", "WEBP"}:
        more["xmp"] = b"<x:xmpmeta>" + SECRET
    if kind == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Comment", SECRET.decode())
        texts.add_itxt("XML:com.adobe.xmp", SECRET.decode())
        more["pnginfo"] = texts
    return saved(halves(), kind, **more)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("has_gaps", [False, True])
def test_nothing_but_the_picture_is_left(kind: str, has_gaps: bool) -> None:
    data = with_everything(kind)
    if has_gaps and kind != "JPEG":
        image = opened(data).convert("RGBA")
        image.putpixel((0, 0), (0, 0, 0, 0))
        data = saved(image, kind, **{name: image.info[name] for name in ("icc_profile", "comment")
                                     if name in image.info})  # fmt: skip
    elif kind != "GIF":
        assert SECRET in data
    made = prepare_face(data)
    face = opened(made)
    assert SECRET not in made
    assert not [SECRET for value in face.info.values() if SECRET in repr(value).encode()]
    assert not face.getexif()
    assert {"exif", "xmp", "icc_profile", "comment", "XML:com.adobe.xmp"}.isdisjoint(face.info)


def test_a_picture_is_square_small_and_upright() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be turned a quarter clockwise
    face = opened(prepare_face(saved(halves(2000, 1000), "JPEG", exif=exif)))
    assert face.size == (SIDE_PIXELS_MAX, SIDE_PIXELS_MAX)
    top, bottom = face.getpixel((256, 100)), face.getpixel((256, 400))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    assert top[0] > 200 > bottom[0]
    small = opened(prepare_face(saved(halves(30, 20), "PNG")))
    assert small.size == (20, 20), "a small one is not blown up"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_every_kind_of_picture_is_taken(mode: str) -> None:
    kind = {"CMYK": "JPEG", "F": "TIFF"}.get(mode, "PNG")
    image = Image.new(mode, (9, 9))
    if kind == "TIFF":
        with pytest.raises(ApiError, match="not a picture"):
            prepare_face(saved(image, kind))
        return
    face = opened(prepare_face(saved(image, kind)))
    assert face.size == (9, 9)
    assert face.format == ("PNG" if mode in {"LA", "RGBA"} else "JPEG")


def test_one_pixel_wide() -> None:
    assert opened(prepare_face(saved(halves(3000, 2), "PNG"))).size == (2, 2)


def test_only_the_first_of_moving_pictures() -> None:
    frames = [Image.new("P", (8, 8), number) for number in range(5)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert getattr(opened(prepare_face(data)), "n_frames", 1) == 1


def png_bomb(width: int, height: int) -> bytes:
    """Return a small PNG that says it is enormous."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checked = zlib.crc32(name + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + name + data + checked

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    rows = zlib.compress(b"\0" * 100_000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("width", "height"), [(8_000, 8_000), (60_000, 60_000), (2**31 - 1, 1)])
def test_a_trap_is_not_unpacked(width: int, height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_image: Image.Image) -> None:
        raise AssertionError("it was unpacked")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    with pytest.raises(ApiError) as caught:
        prepare_face(png_bomb(width, height))
    assert caught.value.slug == "usage"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 1000,
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"\x89PNG\r\n\x1a\n",
        saved(halves(), "JPEG")[:300],
        saved(halves(), "PNG")[:-40],
        saved(halves(), "TIFF"),
        saved(halves(), "BMP"),
        saved(halves(), "PDF"),
        saved(halves(), "EPS"),
    ],
)
def test_what_is_no_picture_is_told_so(data: bytes) -> None:
    with pytest.raises(ApiError, match="not a picture"):
        prepare_face(data)


SAMPLES = [with_everything(kind) for kind in ("JPEG", "PNG", "WEBP", "GIF")]


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=12),
    st.integers(0, 40),
)
def test_damaged_pictures_are_refused_in_words_or_shown(
    sample: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(sample[: len(sample) - cut])
    for place, value in changes:
        data[place % len(data)] = value
    try:
        made = prepare_face(bytes(data))
    except ApiError:
        return
    assert opened(made).width <= pictures.SIDE_PIXELS_MAX
