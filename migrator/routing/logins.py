"""The names by which people log in at a proxy."""

from collections.abc import Callable, Iterable

from migrator.model.names import Address, Ingress
from migrator.routing.errors import ValueUnwritable


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
