"""What is declared of a method: which right it needs, and what it asks or does."""

from dataclasses import dataclass

from saelake.store.requests.commands.command import Command
from saelake.store.requests.request import Right
from saelake.store.wire.commands import CHANGES, COMMANDS
from saelake.store.wire.requests import FORMER, METHODS, SERVICE

REFLECTION = "grpc.reflection."  # of any version


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The right that a method needs, and the question that it asks or the command that it is.

    What is `of_all` reaches more of a lake than can be told from what is sent.
    """

    right: Right
    question: str | None = None
    command: type[Command] | None = None
    of_all: bool = False


READ = Declared(right="read")
UNDECLARED = Declared(right="admin", of_all=True)  # closed, until it says who may call it


def declared(path: str) -> Declared:
    """What is declared of the method that grpc calls so: `/SERVICE/METHOD`."""
    service, _, name = path.removeprefix("/").partition("/")
    question = FORMER.get(name, name)
    if service == SERVICE and question in METHODS:
        return Declared(right=METHODS[question].right, question=question)
    if service == CHANGES and name in COMMANDS:
        return Declared(right=COMMANDS[name].right, command=COMMANDS[name])
    is_open = service.startswith(REFLECTION) or (service == SERVICE and name == "Version")
    return READ if is_open else UNDECLARED
