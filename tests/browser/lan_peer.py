"""``lichen``, hearing announcements on the loopback address at two ports of its own, sending none.

So a test of the door touches no network, and no other peer of this machine.
"""

import os

from lichen.cli.main import main
from lichen.gossip.connections import lifecycle
from lichen.node.net import lan

_plain, _signed = (int(port) for port in os.environ["LICHEN_TEST_LAN_PORTS"].split())
lan.Lan.__init__.__kwdefaults__.update(host="127.0.0.1", plain_port=_plain, signed_port=_signed)
lan.own_networks = list
lifecycle.local_address = lambda address, _peer: address

main()
