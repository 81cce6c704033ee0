"""ssb-lan and Lichen see each other on a local network made of namespaces."""

import json
from typing import Any

from networks import network
from peers import wait_until
from scenes import MakePeer


def test_ssb_lan_and_lichen_see_each_other(make_peer: MakePeer) -> None:
    with network(2) as (here, there):
        lichen = make_peer("lichen", within=here.within, serving=("--lan",))
        other = make_peer("modern", within=there.within, host=there.host)
        try:
            _see_each_other(lichen, other)
        finally:
            lichen.kill()
            other.kill()


def _see_each_other(lichen: Any, other: Any) -> None:
    def nearby() -> dict[str, Any]:
        return {each["peer"]: each for each in lichen.call("lichen.nearby")}

    wait_until(lambda: other.feed in nearby())
    assert nearby()[other.feed]["address"] == other.address
    assert nearby()[other.feed]["is_verified"]

    def discovered() -> set[tuple[str, bool]]:
        key = lichen.feed[1:45]
        found = other.call("discovered")
        return {(each["address"], each["verified"]) for each in found if key in each["address"]}

    wait_until(lambda: len(discovered()) == 2)
    (address,) = {address for address, _verified in discovered()}
    assert {verified for _address, verified in discovered()} == {False, True}, json.dumps(
        other.call("discovered")
    )
    assert lichen.connected() == []

    lichen.follow(other.feed)
    wait_until(lambda: lichen.connected() == [other.feed])
    lichen.call("conn.disconnect", other.feed)
    wait_until(lambda: other.connected() == [])
    other.connect(address)
    wait_until(lambda: lichen.connected() == [other.feed])
