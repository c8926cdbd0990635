"""What can be told of a run of encode before its corpus is imported: dictionaries, hooks, names."""

from collections.abc import Sequence

from saelake.store.errors import InvalidInput
from saelake.store.lake.dictionaries import RegisteredDictionary, check_registrable
from saelake.store.lake.lake import Lake, absolute
from saelake.workers.encoder.hooks import resolve_hook
from saelake.workers.encoder.models import unweighted
from saelake.workers.fleet.naming import name_elsewhere
from saelake.workers.fleet.options import DictionaryChoice
from saelake.workers.fleet.placing import elsewhere
from saelake.workers.fleet.targets import loaded_dictionary


def check_beforehand(
    lake: Lake,
    model: str,
    choices: Sequence[DictionaryChoice],
    names: Sequence[str],
    *,
    trust_remote_code: bool = False,
) -> None:
    """Raise what `encode` would of dictionaries that the lake does not know from there yet.

    Each is loaded, must have a hook point that is in the model, and a name that no other
    dictionary has. Of the model only the configuration is read. Those that the lake knows by this
    name, from this place, were found right before: nothing is loaded to find it again.
    """
    new = [
        (choice, name)
        for choice, name in zip(choices, names, strict=True)
        if not _is_known(lake, model, choice, name)
    ]
    if not new:
        return
    module = unweighted(model, trust_remote_code=trust_remote_code)
    for choice, name in new:
        dictionary = loaded_dictionary(choice)
        hook = choice.hook or dictionary.hook_name
        if hook is None:
            raise InvalidInput(
                f"The dictionary {name} does not say at which hook point of the model it belongs. "
                "Give one with --hook, for instance blocks.3.hook_resid_post.",
                dictionary=name,
            )
        if module is not None:
            resolve_hook(module, hook)
        if choice.name is None and elsewhere(name, dictionary.hook_name, hook, module):
            name = name_elsewhere(name, hook)
        check_registrable(lake, name, dictionary.fingerprint)


def _is_known(lake: Lake, model: str, choice: DictionaryChoice, name: str) -> bool:
    known = RegisteredDictionary.find(lake, name)
    places = (absolute(choice.location), absolute(model))
    return (
        known is not None
        and (known.location, known.model_location) == places
        and choice.hook in (None, known.hook)
    )
