"""Python packages that only some workspaces need: extras of ours, imported when they are used."""

from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True, slots=True)
class Package:
    """`module` is what is imported, `name` what is installed, `extra` its name in our pyproject.toml."""

    module: str
    name: str
    extra: str

    @property
    def installed(self) -> bool:
        try:
            return find_spec(self.module) is not None
        except ModuleNotFoundError:  # nor is the package that it is part of
            return False

    @property
    def remedy(self) -> str:
        return f"pip install '.[{self.extra}]' in the checkout."


KEYRING = Package("keyring", "keyring", "keyring")
MSAL = Package("msal", "msal", "microsoft")
GOOGLE_AUTH = Package("google.auth", "google-auth", "google")
