"""``lab``: experiments, published tables, and made-up messages."""

from lichen.cli.command import section
from lichen.cli.commands.laboratory.corpus import corpus_command
from lichen.cli.commands.laboratory.replaying import replay_command
from lichen.cli.commands.laboratory.running import list_command, run_section
from lichen.cli.commands.laboratory.sweeping import sweep_section
from lichen.cli.commands.laboratory.tables import reproduce_command
from lichen.cli.words import _

lab_command = section(
    "lab",
    _("Experiments, published tables, data for measuring."),
    list_command,
    run_section,
    sweep_section,
    reproduce_command,
    replay_command,
    corpus_command,
)

__all__ = ["lab_command"]
