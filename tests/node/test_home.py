"""The data directory and the secret file: found, made, and refused in words."""

import base64
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import platformdirs
import pytest

from lichen.feed.identity import encode_secret_file, generate_identity
from lichen.node import home as home_module
from lichen.node.errors import ApiError
from lichen.node.home import (
    SOCKET_PATH_BYTES_MAX,
    Home,
    find_home,
    load_identity,
    make_private_directory,
    network_key_default,
    remove_scratch,
    write_secret,
)

IDENTITY = generate_identity(b"\7" * 32)


def make_home(path: Path) -> Home:
    make_private_directory(path)
    return Home(path)


def test_flag_goes_before_environment_before_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LICHEN_HOME", "/from/environment")
    assert find_home("/from/flag").directory == Path("/from/flag")
    assert find_home().directory == Path("/from/environment")
    monkeypatch.delenv("LICHEN_HOME")
    assert find_home().directory == platformdirs.user_data_path("lichen")


def test_home_is_absolute_and_knows_the_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert find_home("~/peer").directory == tmp_path / "peer"
    assert find_home("peer").directory == tmp_path / "peer"


def test_socket_lies_inside_unless_its_path_is_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Home(Path("/h")).socket == Path("/h/run/lichen.socket")
    deep = tmp_path.joinpath(*["d" * 50] * 3)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    short = Home(deep).socket
    assert short.parent == Path(f"/run/user/1/lichen-{os.getuid()}")
    assert Home(deep / "other").socket != short
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    assert Home(deep).socket.parent == Path(f"/tmp/lichen-{os.getuid()}")
    longest = Path("/" + "x" * (SOCKET_PATH_BYTES_MAX - len("//run/lichen.socket")))
    assert Home(longest).socket.is_relative_to(longest)
    longer = Path(f"{longest}x")
    assert not Home(longer).socket.is_relative_to(longer)


def test_private_directory_is_made_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    make_private_directory(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    path.chmod(0o755)
    make_private_directory(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_folder_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home_module.os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(ApiError, match="is not a folder of your own") as refused:
        make_private_directory(tmp_path)
    assert refused.value.slug == "refused"
    assert "--home" in refused.value.hint


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_folder_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "home"
    if kind == "file":
        path.write_text("")
    else:
        path.symlink_to(tmp_path)
    with pytest.raises(ApiError, match=str(path)) as refused:
        make_private_directory(path)
    assert "--home" in refused.value.hint


def test_new_secret_is_written_whole_and_closed(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    assert load_identity(home) is None
    write_secret(home, IDENTITY)
    assert stat.S_IMODE(home.secret.stat().st_mode) == 0o400
    assert load_identity(home) == IDENTITY
    assert [each.name for each in home.directory.iterdir()] == ["secret"]


def test_what_a_killed_writer_of_the_secret_left_is_removed(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    names = ["secret", "secret.backup", f"secret.{os.getpid()}.new", f"secret.{2**22 + 1}.new"]
    for name in names:
        (tmp_path / name).touch()
    remove_scratch(home)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(names[:3])


def test_secret_is_never_written_over(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    write_secret(home, IDENTITY)
    with pytest.raises(ApiError, match="an identity already") as refused:
        write_secret(home, generate_identity(b"\10" * 32))
    assert refused.value.slug == "refused"
    assert load_identity(home) == IDENTITY


def test_secret_that_appears_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(tmp_path)
    other = generate_identity(b"\10" * 32)

    def sync(_descriptor: int) -> None:
        home.secret.write_text(encode_secret_file(other))
        home.secret.chmod(0o400)

    monkeypatch.setattr(home_module.os, "fsync", sync)
    with pytest.raises(ApiError, match="an identity already"):
        write_secret(home, IDENTITY)
    assert load_identity(home) == other
    assert [each.name for each in home.directory.iterdir()] == ["secret"]


def test_secret_is_flushed_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(tmp_path)
    seen = []

    def sync(descriptor: int) -> None:
        seen.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), home.secret.exists()))

    monkeypatch.setattr(home_module.os, "fsync", sync)
    write_secret(home, IDENTITY)
    assert seen == [(False, False), (True, True)]


@pytest.mark.parametrize("mode", [0o440, 0o604, 0o644, 0o620])
def test_loose_secret_is_refused_with_the_command_that_mends_it(mode: int, tmp_path: Path) -> None:
    home = make_home(tmp_path / "it's")
    write_secret(home, IDENTITY)
    home.secret.chmod(mode)
    with pytest.raises(ApiError, match="can be read by others") as refused:
        load_identity(home)
    assert refused.value.slug == "refused"
    assert os.system(refused.value.hint.removeprefix("Run: ")) == 0
    assert load_identity(home) == IDENTITY


def _old(_text: str) -> str:
    return base64.b64encode(IDENTITY.secret).decode() + ".ed25519\n"


def _other_public(text: str) -> str:
    other = base64.b64encode(generate_identity(b"\1" * 32).public).decode()
    return text.replace(base64.b64encode(IDENTITY.public).decode() + '.ed25519",', f'{other}",')


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda _: "", "one JSON object"),
        (lambda text: text[: len(text) // 2], "one JSON object"),
        (lambda text: text.replace('ed25519"', 'curve25519"', 1), "another curve"),
        (_old, "only the private key"),
        (_other_public, "does not belong"),
        (lambda text: text.replace(f'"id": "{IDENTITY.id}"', '"id": "@AAAA"'), "its id is not"),
    ],
    ids=["empty", "cut", "curve", "private only", "public", "id"],
)
def test_damaged_secret_is_refused(spoil: Callable[[str], str], words: str, tmp_path: Path) -> None:
    home = make_home(tmp_path)
    home.secret.write_text(spoil(encode_secret_file(IDENTITY)))
    home.secret.chmod(0o400)
    with pytest.raises(ApiError, match=words) as refused:
        load_identity(home)
    assert refused.value.slug == "wrong-key"
    assert refused.value.hint
    private = base64.b64encode(IDENTITY.secret).decode()
    assert private not in refused.value.words


def test_secret_that_is_no_text_is_refused(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    home.secret.write_bytes(b"\xff\xfe\x00")
    home.secret.chmod(0o400)
    with pytest.raises(ApiError, match="cannot be read") as refused:
        load_identity(home)
    assert refused.value.slug == "wrong-key"


def test_secret_of_another_program_is_read(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    members = {
        "curve": "ed25519",
        "public": base64.b64encode(IDENTITY.public).decode() + ".ed25519",
        "private": base64.b64encode(IDENTITY.secret).decode() + ".ed25519",
        "id": IDENTITY.id,
    }
    home.secret.write_text(f"# this is your SECRET name.\n{json.dumps(members, indent=2)}\n# end")
    home.secret.chmod(0o600)
    assert load_identity(home) == IDENTITY


def test_default_network_is_the_main_one() -> None:
    assert network_key_default().hex().startswith("d4a1cb88a66f02f8")
    assert len(network_key_default()) == 32
