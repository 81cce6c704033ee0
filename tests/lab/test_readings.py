"""Readings: two sentences that say what the figures say, whatever they are."""

import re

from lichen.lab.experiments.catalogue import EXPERIMENTS
from lichen.lab.experiments.experiment import ResultRow, Run, Values, perform
from lichen.lab.report.page import report
from lichen.lab.report.readings import reading
from lichen.words import words_for

ENGLISH, GERMAN = words_for("en"), words_for("de")


def topology(**nets: tuple[float | None, float, float]) -> Run:
    rows: list[ResultRow] = [
        {
            "net": name.replace("_", "-"),
            "rounds_p90": rounds,
            "robustness": robustness,
            "length_each": length,
            "reach_attack": 0.5,
        }
        for name, (rounds, robustness, length) in nets.items()
    ]
    values: Values = {"cost": "length", "length": 20.0, "loss": 0.1}
    return Run("topology", "0", 1, dict(values), rows, "")


def test_the_small_world_is_praised_only_where_it_wins() -> None:
    wins = reading([topology(regular=(18.0, 0.7, 17.0), small_world=(11.0, 0.9, 6.0))], ENGLISH)
    assert "no net beats small-world (11 rounds, robustness 0.900) in both" in wins
    assert "The small world beats the random regular net in both" in wins
    assert "clique, star, tree, ring, lattice and scale-free would be too long" in wins
    loses = reading([topology(regular=(8.0, 0.95, 17.0), small_world=(11.0, 0.9, 6.0))], ENGLISH)
    assert "no net beats regular (8 rounds, robustness 0.950) in both" in loses
    assert "is beaten by the random regular net in both: 11 rounds against 8" in loses
    assert "with 6 against 17 steps" in loses
    mixed = reading([topology(regular=(8.0, 0.85, 17.0), small_world=(11.0, 0.9, 6.0))], ENGLISH)
    assert "is slower than the random regular net and more robust" in mixed


def test_nets_that_never_tell_are_named() -> None:
    said = reading([topology(tree=(None, 0.3, 1.0), small_world=(11.0, 0.9, 6.0))], ENGLISH)
    assert "tree never tells 90 %" in said
    assert "The small world needs 6 steps of links a peer" in said
    nobody = reading([topology(tree=(None, 0.3, 1.0), small_world=(None, 0.9, 6.0))], ENGLISH)
    assert "no net tells 90 %. tree and small-world never tell 90 %." in nobody
    assert nobody.endswith("The small world is not among those that do.")


def test_faults_under_loss_are_said_and_no_others() -> None:
    quiet = reading([perform(EXPERIMENTS["election"], 1, {"peers": 100})], ENGLISH)
    assert quiet.endswith("every way ends without a fault.")
    values: Values = {"peers": 300, "net": "random", "loss": 0.1, "silent": 0.1}
    noisy = reading([perform(EXPERIMENTS["election"], 1, values)], ENGLISH)
    assert re.search(r"names, coordinated: 0 pairs of adjacent leaders, [1-9]\d* peers", noisy)
    tree = reading([perform(EXPERIMENTS["broadcast"], 1, {"peers": 200})], ENGLISH)
    assert re.search(r"acknowledged tree reaches \d\d\.\d %, flooding reaches 100\.0 %", tree)


def test_the_page_has_the_reading_and_experiments_without_one_have_none() -> None:
    run = perform(EXPERIMENTS["broadcast"], 1, {"peers": 100})
    assert f"<p>{reading([run], ENGLISH)}</p>" in report([run], ENGLISH)
    assert reading([perform(EXPERIMENTS["flood"], 1, {"peers": 100})], ENGLISH) == ""


def test_page_picture_and_reading_speak_the_language_of_the_reader() -> None:
    run = perform(EXPERIMENTS["broadcast"], 1, {"peers": 100, "loss": 0.0, "gone": 0.1})
    page = report([run], GERMAN)
    assert '<html lang="de">' in page
    assert "<h2>Zahlen</h2>" in page
    assert "Aufwand gegen Reichweite" in page
    assert "Mit 0 % verlorenen Nachrichten und 10 % verschwundenen Peers: " in page
    for english in ("Cost", "against", "messages lost", "Runs:", "reaches"):
        assert english not in re.sub(r"<title>.*</h1>", "", page, flags=re.DOTALL), english


def test_every_reading_is_told_in_german() -> None:
    wins = [
        topology(regular=(18.0, 0.7, 17.0), small_world=(11.0, 0.9, 6.0), tree=(None, 0.1, 1.0))
    ]
    said = reading(wins, GERMAN)
    assert "schlägt kein Netz small-world (11 Runden, Robustheit 0.900) in beidem." in said
    assert "tree erreicht nie 90 %." in said
    assert "Die kleine Welt schlägt das reguläre Zufallsnetz in beidem: 11 Runden gegen 18" in said
    quiet = reading([perform(EXPERIMENTS["election"], 1, {"peers": 100})], GERMAN)
    assert quiet.endswith("endet jede Art ohne Fehler.")
