"""Every experiment by name. The modules are imported when they run."""

from lichen.lab.experiments.experiment import Experiment, Parameter

_HERE = "lichen.lab.experiments"
PEERS_MAX = 5_000_000
"""An array run of more does not fit the memory of a laptop."""

LOSS = Parameter("loss", 0.0, "share of messages that a link loses", high=0.99)
GONE = Parameter("gone", 0.2, "share of peers that fail or are attacked", high=0.95)

GRAPHS = ("regular", "small-world", "scale-free", "random", "tree", "ring")

TOPOLOGY = Experiment(
    "topology",
    "Speed against robustness: which net to build when noise is expected",
    f"{_HERE}.topology",
    (
        Parameter("peers", 1000, "how many peers", low=20, high=5000),
        Parameter("degree", 6, "links of a peer, where the net leaves a choice", low=2, high=100),
        Parameter(
            "cost",
            "length",
            "length: every net gets the same length of links; equal: the same number; free: and "
            "everybody sends any number of copies a round",
            choices=("length", "equal", "free"),
        ),
        Parameter("length", 20.0, "most length of links for each peer, in steps", high=10_000.0),
        Parameter("rewired", 0.1, "share of a small world's links that lead anywhere", high=1.0),
        Parameter("latency", 0.05, "rounds that a copy needs for each step of its way", high=10.0),
        Parameter(
            "uplink", 3, "copies a peer sends in a round, unless it is free", low=1, high=1000
        ),
        Parameter("loss", 0.1, "share of messages that a link loses", high=0.99),
        GONE,
        Parameter("catching", 0.2, "probability that a bad message is passed on", high=1.0),
    ),
)
DEGREE = Experiment(
    "degree",
    "Dense or sparse: the best number of links as contamination rises",
    f"{_HERE}.degree",
    (
        Parameter("peers", 2000, "how many peers", low=100, high=100_000),
        Parameter("uplink", 3, "copies a peer sends in a round", low=1, high=1000),
        LOSS,
        Parameter("catching", 0.2, "probability that a bad message is passed on", high=1.0),
        Parameter("contamination", 0.1, "bad messages for each good one", high=10.0),
        Parameter("harm_rounds", 50.0, "rounds of delay that one infection of all is worth"),
        Parameter("gone", 0.5, "share of peers that fail", high=0.95),
    ),
)
ELECTION = Experiment(
    "election",
    "Simple or complex: leaders by beeps, by random numbers, by names",
    f"{_HERE}.election",
    (
        Parameter("peers", 1000, "how many peers", low=3, high=100_000),
        Parameter("degree", 8, "mean number of neighbours, where the net leaves a choice", low=2),
        Parameter(
            "net",
            "ring",
            "ring: names can be in the worst order; random: a random graph",
            choices=("ring", "random"),
        ),
        Parameter(
            "names",
            "sorted",
            "how names lie along the net",
            choices=("sorted", "random"),
        ),
        LOSS,
        Parameter("silent", 0.0, "share of peers that have died without a word", high=0.9),
    ),
)
BROADCAST = Experiment(
    "broadcast",
    "Coordinated or random: an acknowledged tree, flooding, push-pull",
    f"{_HERE}.broadcast",
    (
        Parameter("peers", 1000, "how many peers", low=3, high=100_000),
        Parameter("degree", 6, "links of a peer", low=2, high=100),
        Parameter("loss", 0.05, "share of messages that a link loses", high=0.99),
        Parameter("gone", 0.05, "share of peers that crash as it begins", high=0.95),
    ),
)
FLOOD = Experiment(
    "flood",
    "One broadcast to everybody, as arrays: up to millions of peers",
    f"{_HERE}.flooding",
    (
        Parameter("peers", 100_000, "how many peers", low=3, high=PEERS_MAX),
        Parameter("degree", 8, "links of a peer", low=2, high=100),
        Parameter("graph", "regular", "the shape of the net", choices=GRAPHS),
        LOSS,
        Parameter("gone", 0.0, "share of peers that are gone", high=0.95),
        Parameter("message_bytes", 660, "length of the message", low=1, high=8192),
    ),
)

GOSSIP = Experiment(
    "gossip",
    "The deployed code in virtual time: thousands of peers that write and pass on",
    f"{_HERE}.gossip",
    (
        Parameter("peers", 1000, "how many peers", low=3, high=20_000),
        Parameter("degree", 6, "links of a peer", low=2, high=100),
        Parameter("graph", "regular", "the shape of the net", choices=GRAPHS),
        Parameter("feeds", 10, "feeds that are written, and carried by everybody", low=1),
        Parameter("rate", 60.0, "messages that each feed gets in an hour", low=0.1, high=36_000),
        Parameter("minutes", 5.0, "how long is written, in virtual time", low=0.1, high=1440),
        Parameter(
            "latency",
            "lognormal",
            "delay of links: a median of 80 ms with a long tail, 5 to 50 ms, by distance on a "
            "map, or 50 ms each",
            choices=("lognormal", "uniform", "map", "steady"),
        ),
        Parameter("loss", 0.0, "share of links that break in a minute", high=10),
        Parameter("churn", 0.0, "share of peers that are away at any time", high=0.9),
        Parameter("byzantine", 0.0, "share of peers that lie, withhold or talk nonsense", high=0.5),
    ),
)

JOINING = Experiment(
    "joining",
    "A newcomer on a thin line: when the nearest people can be read",
    f"{_HERE}.joining",
    (
        Parameter("messages", 20_000, "messages that wait", low=1, high=1_000_000),
        Parameter("feeds", 100, "feeds that they are of", low=1, high=10_000),
        Parameter("near", 5, "feeds that the newcomer follows", low=1, high=10_000),
        Parameter("megabits", 10.0, "what the line carries in a second", low=0.01, high=10_000),
    ),
)

EXPERIMENTS = {
    one.name: one for one in (TOPOLOGY, DEGREE, ELECTION, BROADCAST, FLOOD, GOSSIP, JOINING)
}
