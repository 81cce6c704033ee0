"""What the tests of this room share: the vectors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).parent.parent / "vectors"


@pytest.fixture(scope="session")
def vectors() -> Callable[[str], list[dict[str, Any]]]:
    """Return the cases of a vector file."""

    def load(name: str) -> list[dict[str, Any]]:
        cases = json.loads((VECTORS / name).read_text("utf-8"))["cases"]
        assert cases
        return list(cases)

    return load
