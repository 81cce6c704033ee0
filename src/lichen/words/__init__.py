"""The languages of Lichen: every text that a person reads passes through here."""


class Words:
    """One language: its texts, dates and numbers."""
