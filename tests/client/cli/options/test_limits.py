"""Every limit of a server is an option, which says what the limit is."""

from dataclasses import fields

from saelake.cli.options.limits import limit_options
from saelake.store.service.limits import Limits
from tests.client.cli.command import asked


def test_every_limit_is_an_option_with_its_default() -> None:
    shown = asked("serve", "--help")
    for field in fields(Limits):
        assert f"--limit-{field.name.replace('_', '-')}" in shown
    assert "256MiB" in shown


def test_options_make_the_limits_that_they_name() -> None:
    assert limit_options(limit_answers=3) == Limits(answers=3)
