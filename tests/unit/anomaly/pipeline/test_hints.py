"""Hints at the name that people may have meant."""

from anomaly.pipeline.hints import hint


def test_a_close_name_is_asked_for() -> None:
    assert hint("windw", ["name", "window"], "choose one") == "did you mean window?"


def test_without_a_close_name_the_text_says_what_to_write() -> None:
    assert hint("colour", ["name", "window"], "choose one") == "choose one"


def test_a_higher_cutoff_asks_for_closer_names_only() -> None:
    assert hint("wind", ["window"], "choose one", cutoff=0.9) == "choose one"
