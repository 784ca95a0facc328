"""The attacks by name, in order: what was logged by all others is looked through by the last one."""

from collections.abc import Callable, Mapping

from tests.attack import appetite, container, identity, key, leaks, pages, script, swaps, tenants, urls, values
from tests.attack.tally import Tally
from tests.attack.world import World

ATTACKS: Mapping[str, Callable[[World, Tally], None]] = {
    "identity": identity.attack,
    "run.sh": script.attack,
    "container": container.attack,
    "files while the job runs": swaps.attack,
    "tenants": tenants.attack,
    "signed URLs": urls.attack,
    "wild values": values.attack,
    "appetite": appetite.attack,
    "a stolen key": key.attack,
    "headers and pages": pages.attack,
    "secrets": leaks.attack,
}
