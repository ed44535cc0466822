"""What proxies of mail programs have in common: no mail passes there, and people have names to log in by."""

from collections.abc import Callable, Collection, Iterable

from migrator.model.names import Address, Ingress, Nexthop
from migrator.model.route import Queue
from migrator.routing.errors import ValueUnwritable


class LoginsOnly:
    """A place that leads mail programs, and no mail: none can be held back there, and none waits."""

    carries_mail = False
    freeze_value: Nexthop | None = None

    def queue(self, addresses: Collection[Address]) -> Queue | None:
        """None: no mail waits here."""
        return None

    def flush(self, addresses: Collection[Address]) -> None:
        """Nothing: no mail waits here."""


def logins(
    place: Ingress, addresses: Iterable[Address], user: Callable[[Address], str], key: Callable[[str], str] = str
) -> dict[Address, str]:
    """The user that each address logs in as. ValueUnwritable when two are the same one, as `key` compares them."""
    users = {address: user(address) for address in addresses}
    first: dict[str, Address] = {}
    for address, name in users.items():
        if (other := first.setdefault(key(name), address)) != address:
            raise ValueUnwritable(
                f"{place}: {other} and {address} both log in as {name}",
                remedy="Give `user:` in migrator.yaml a form that tells them apart, or move them elsewhere.",
            )
    return users
