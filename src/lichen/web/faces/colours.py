"""Colours in OKLCH (CSS Color 4): lightness 0 to 1, chroma, hue in degrees."""

import math

import msgspec

Colour = tuple[float, float, float]


class Palette(msgspec.Struct, frozen=True):
    """The colours of one kind of lichen: its body, what lies inside, and its marks."""

    name: str
    thallus: Colour
    inner: Colour
    mark: Colour

    @property
    def rim(self) -> Colour:
        """Return the colour of the body's edge."""
        return shade(self.thallus, -0.17 if self.thallus[0] > 0.4 else 0.14)


# Within a palette thallus and inner differ by 0.14 or more in lightness, so that the drawing
# survives greyscale and every kind of colour vision.
PALETTES: tuple[Palette, ...] = (
    Palette("xanthoria", (0.79, 0.150, 82), (0.56, 0.135, 55), (0.96, 0.060, 95)),
    Palette("parmelia", (0.74, 0.030, 222), (0.42, 0.050, 238), (0.95, 0.015, 210)),
    Palette("usnea", (0.81, 0.075, 122), (0.50, 0.080, 138), (0.97, 0.030, 110)),
    Palette("lungwort", (0.53, 0.100, 146), (0.84, 0.095, 124), (0.28, 0.050, 152)),
    Palette("soldier", (0.83, 0.035, 165), (0.38, 0.045, 178), (0.60, 0.190, 28)),
    Palette("dog", (0.45, 0.045, 62), (0.76, 0.055, 78), (0.94, 0.035, 90)),
    Palette("rust", (0.62, 0.150, 44), (0.88, 0.085, 78), (0.34, 0.085, 38)),
    Palette("atlas", (0.86, 0.130, 112), (0.28, 0.025, 130), (0.62, 0.105, 118)),
    Palette("cudbear", (0.90, 0.025, 70), (0.68, 0.085, 38), (0.36, 0.060, 30)),
    Palette("rain", (0.50, 0.080, 245), (0.82, 0.055, 228), (0.96, 0.015, 220)),
    Palette("wolf", (0.88, 0.160, 104), (0.58, 0.115, 130), (0.32, 0.060, 142)),
    Palette("tar", (0.33, 0.028, 200), (0.68, 0.070, 172), (0.90, 0.110, 95)),
    Palette("heather", (0.62, 0.085, 352), (0.88, 0.040, 355), (0.33, 0.070, 345)),
    Palette("verdigris", (0.60, 0.085, 188), (0.88, 0.050, 178), (0.31, 0.050, 205)),
)


def hex_of(colour: Colour) -> str:
    """Return ``#rrggbb``, with chroma reduced until the colour fits into sRGB."""
    light, chroma, hue = colour
    channels = _linear(light, chroma, hue)
    while chroma >= 0.002 and not all(-0.001 <= channel <= 1.001 for channel in channels):
        chroma -= 0.004
        channels = _linear(light, chroma, hue)
    return "#" + "".join(f"{round(_encoded(channel) * 255):02x}" for channel in channels)


def mix(one: Colour, two: Colour, share: float) -> Colour:
    """Return a colour ``share`` of the way from one to two, the hue by the shorter way round."""
    turn = (two[2] - one[2] + 180) % 360 - 180
    return (
        one[0] + (two[0] - one[0]) * share,
        one[1] + (two[1] - one[1]) * share,
        (one[2] + turn * share) % 360,
    )


def shade(colour: Colour, by: float) -> Colour:
    """Return a lighter colour, or a darker one if ``by`` is negative."""
    return (min(0.98, max(0.14, colour[0] + by)), colour[1], colour[2])


def _linear(light: float, chroma: float, hue: float) -> tuple[float, float, float]:
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (light - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _encoded(channel: float) -> float:
    channel = min(1.0, max(0.0, channel))
    return 12.92 * channel if channel <= 0.0031308 else 1.055 * channel ** (1 / 2.4) - 0.055
