"""Every limit of a server is an option, which says what the limit is."""

from dataclasses import fields
from inspect import signature

from saelake.cli.options.limits import limit_options
from saelake.store.service.limits import Limits
from tests.client.cli.command import asked


def test_every_limit_is_an_option_with_its_default() -> None:
    shown = asked("serve", "--help")
    for field in fields(Limits):
        assert f"--limit-{field.name.replace('_', '-')}" in shown
    assert "256MiB" in shown


def test_no_two_options_say_the_same() -> None:
    options = signature(limit_options).parameters.values()
    said = [each.annotation.__metadata__[0].help for each in options]
    assert len(set(said)) == len(fields(Limits))
    assert max(map(len, said)) < 110


def test_options_make_the_limits_that_they_name() -> None:
    assert limit_options(limit_answers=3) == Limits(answers=3)
