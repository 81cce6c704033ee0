"""Pictures that a person chooses, made ready to be public: small, upright, without where and when.

A photograph carries the place it was taken at and the camera. Everything but the pixels is left
behind here, for what is published cannot be taken back.
"""

from io import BytesIO

from lichen.node.errors import ApiError
from lichen.words import N_

SIDE_PIXELS_MAX = 512
"""Both sides of a face; four times what is shown."""
PIXELS_MAX = 50_000_000
"""More than any camera takes; a picture that unpacks to more is a trap."""
QUALITY = 85
KINDS = ("PNG", "JPEG", "GIF", "WEBP")


def prepare_face(data: bytes) -> bytes:
    """Return a picture as a small square one. Raises ApiError when it cannot be read."""
    from PIL import Image, ImageOps  # noqa: PLC0415 (slow, and rarely needed)

    try:
        with Image.open(BytesIO(data), formats=KINDS) as opened:
            if opened.width * opened.height > PIXELS_MAX:
                raise ApiError(
                    "usage", N_("This picture is too large."), N_("Make it smaller first.")
                )
            # A photograph unpacks at an eighth of its size, and not at hundreds of megabytes.
            opened.draft(None, (2 * SIDE_PIXELS_MAX, 2 * SIDE_PIXELS_MAX))
            upright = ImageOps.exif_transpose(opened)
            side = min(*upright.size, SIDE_PIXELS_MAX)
            has_gaps = upright.has_transparency_data
            square = ImageOps.fit(upright.convert("RGBA" if has_gaps else "RGB"), (side, side))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ApiError(
            "usage",
            N_("This file is not a picture that can be read."),
            N_("Take a JPEG, PNG, WebP or GIF."),
        ) from error
    # What is beside the pixels (comments, colour profiles) would be written again.
    square.info.clear()
    out = BytesIO()
    if has_gaps:
        square.save(out, "PNG", optimize=True)
    else:
        square.save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()
