"""Graphs by chance: regular, small-world, scale-free, plain random, and links made by each peer.

Small world: D. Watts and S. Strogatz, Nature 393:440 (1998). Scale-free: A.-L. Barabási and
R. Albert, Science 286:509 (1999). Long links by distance: J. Kleinberg, Nature 406:845 (2000).
"""

import numpy as np

from lichen.lab.chance import Chance, Flags, Ints
from lichen.lab.graphs.graph import Graph, ImpossibleGraph
from lichen.lab.graphs.orderly import ring

_ROUNDS_AT_ONCE = 30
"""In a sparse graph each round leaves a fraction of the repeats; what is left goes one by one."""
MENDING_ROUNDS_MAX = 1_000
"""Pairs that may not be are drawn again; each round leaves a fraction, so this is never reached
by a graph that can be."""


def random_regular(peers: int, degree: int, chance: Chance) -> Graph:
    """Return a graph in which everybody has the same number of neighbours, drawn by lot."""
    if degree < 0 or degree >= peers or peers * degree % 2:
        raise ImpossibleGraph(
            f"{peers} peers cannot have {degree} links each: "
            "that takes fewer links than peers, and an even number of ends"
        )
    if 2 * degree > peers:
        return _without_links_of(random_regular(peers, peers - 1 - degree, chance))
    ends = np.repeat(np.arange(peers), degree)[chance.order(peers * degree)]
    first, second = ends[0::2].copy(), ends[1::2].copy()
    for _round in range(_ROUNDS_AT_ONCE):
        bad = np.flatnonzero(_repeats(peers, first, second))
        if not len(bad):
            break
        mixed = np.unique(np.concatenate([bad, chance.below(len(first), len(bad) + 8)]))
        loose = np.concatenate([first[mixed], second[mixed]])[chance.order(2 * len(mixed))]
        first[mixed], second[mixed] = loose[: len(mixed)], loose[len(mixed) :]
    _swap_repeats(peers, first, second, chance)
    return Graph(peers, first, second)


def _swap_repeats(peers: int, first: Ints, second: Ints, chance: Chance) -> None:
    """Mend what is left pair by pair: swap ends with another link, if that makes two new ones."""

    def key(one: int, other: int) -> int:
        return min(one, other) * peers + max(one, other)

    bad = np.flatnonzero(_repeats(peers, first, second)).tolist()
    if not bad:
        return
    pairs = list(zip(first.tolist(), second.tolist(), strict=True))
    is_bad = set(bad)
    known = {key(*pair) for place, pair in enumerate(pairs) if place not in is_bad}
    while bad:
        place, other = bad[-1], int(chance.below(len(pairs), 1)[0])
        if other in is_bad:
            continue
        (one, two), (three, four) = pairs[place], pairs[other]
        made = {key(one, four), key(three, two)}
        if one == four or three == two or len(made) < 2 or made & known:
            continue
        known -= {key(three, four)}
        known |= made
        pairs[place], pairs[other] = (one, four), (three, two)
        is_bad.remove(bad.pop())
    first[:], second[:] = zip(*pairs, strict=True)


def _without_links_of(graph: Graph) -> Graph:
    """Return the graph that has exactly the links that another has not."""
    first, second = np.triu_indices(graph.peers, 1)
    keys = first * graph.peers + second
    is_link = ~np.isin(keys, graph.first * graph.peers + graph.second)
    return Graph(graph.peers, first[is_link], second[is_link])


def small_world(peers: int, degree: int, rewired: float, chance: Chance) -> Graph:
    """Return a ring of neighbours of which a share of the links leads anywhere."""
    return rewire(ring(peers, degree), rewired, chance)


def rewire(nearest: Graph, rewired: float, chance: Chance) -> Graph:
    """Return a graph with one end of a share of its links moved to anybody."""
    _check_share(rewired)
    peers = nearest.peers
    is_loose = chance.flags(rewired, nearest.links)
    # Links that stay come first: of two that are the same, the later one is drawn again.
    order = np.argsort(is_loose, kind="stable")
    first, second = nearest.first[order], nearest.second[order]
    loose = np.arange(nearest.links - int(is_loose.sum()), nearest.links)
    for _round in range(MENDING_ROUNDS_MAX):
        second[loose] = chance.others(peers, first[loose])
        loose = loose[_repeats(peers, first, second)[loose]]
        if not len(loose):
            return Graph(peers, first, second)
    raise ImpossibleGraph(f"no small world of {peers} peers with {nearest.links} links was found")


def scale_free(peers: int, links_each: int, chance: Chance) -> Graph:
    """Return a graph grown peer by peer: links go to peers by the number of links they have."""
    if not 1 <= links_each < peers:
        raise ImpossibleGraph(f"a new peer can make 1 to {peers - 1} links, not {links_each}")
    drawn = iter(chance.fractions(4 * peers * links_each + 64).tolist())
    first: list[int] = [0] * links_each
    second: list[int] = list(range(1, links_each + 1))
    ends = [end for pair in zip(first, second, strict=True) for end in pair]
    for peer in range(links_each + 1, peers):
        chosen: list[int] = []
        while len(chosen) < links_each:
            fraction = next(drawn, None)
            if fraction is None:
                drawn = iter(chance.fractions(peers * links_each + 64).tolist())
                continue
            end = ends[int(fraction * len(ends))]
            if end not in chosen:
                chosen.append(end)
        for end in chosen:
            first.append(end)
            second.append(peer)
            ends += (end, peer)
    return Graph(peers, np.array(first), np.array(second))


def random_graph(peers: int, links: int, chance: Chance) -> Graph:
    """Return a graph with so many links between pairs drawn by lot."""
    most = peers * (peers - 1) // 2
    if not 0 <= links <= most:
        raise ImpossibleGraph(f"{peers} peers can have 0 to {most} links, not {links}")
    pairs = np.empty(0, np.int64)
    while len(pairs) < links:
        more = links - len(pairs)
        first = chance.below(peers, more + more // 8 + 8)
        second = chance.others(peers, first)
        keys = np.minimum(first, second) * peers + np.maximum(first, second)
        _, places = np.unique(np.concatenate([pairs, keys]), return_index=True)
        pairs = np.concatenate([pairs, keys])[np.sort(places)][:links]
    return Graph(peers, pairs // peers, pairs % peers)


def likely_links(peers: int, probability: float, chance: Chance) -> Graph:
    """Return a graph in which each pair is linked with the same probability."""
    _check_share(probability)
    first, second = np.triu_indices(peers, 1)
    is_link = chance.flags(probability, len(first))
    return Graph(peers, first[is_link], second[is_link])


def links_made(peers: int, links_each: float, chance: Chance) -> Graph:
    """Return a graph in which each peer makes so many links to others, on average, by lot."""
    if not 0 <= links_each < peers:
        raise ImpossibleGraph(f"a peer can make 0 to {peers - 1} links, not {links_each}")
    makers = np.repeat(np.arange(peers), int(links_each))
    extra = round((links_each - int(links_each)) * peers)
    makers = np.concatenate([makers, chance.order(peers)[:extra]])
    return Graph(peers, makers, chance.others(peers, makers))


def _repeats(peers: int, first: Ints, second: Ints) -> Flags:
    """Return which links lead to oneself or repeat an earlier link."""
    keys = np.minimum(first, second) * peers + np.maximum(first, second)
    order = np.argsort(keys, kind="stable")
    is_repeat = np.zeros(len(keys), dtype=bool)
    is_repeat[order[1:]] = keys[order[1:]] == keys[order[:-1]]
    return np.asarray(is_repeat | (first == second))


def _check_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise ImpossibleGraph(f"a share lies between 0 and 1, not at {share}")
