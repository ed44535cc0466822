"""`notify:` of migrator.yaml: who is told what becomes of a wave, and in which words."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from migrator.model.names import Address, address, has_control
from migrator.model.notice import EVENTS, TEST, Language
from migrator.workspace.fields import RootedPath, Smtp
from migrator.workspace.problems import guess
from migrator.workspace.secrets import HOW, SecretRef, parse_secret
from migrator.workspace.section import Section
from migrator.workspace.templates import TemplateText


def check_url(text: str) -> str:
    """`text` if notices can be posted there. ValueError otherwise; it never repeats the text, which may be a secret."""
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not text.isascii() or has_control(text) or " " in text:
        raise ValueError("not a URL; write it like https://chat.example.co.jp/hooks/NAME")
    if parts.username is not None:
        raise ValueError("a user name or password in the URL, which is not used here")
    return text


def _url(value: object) -> SecretRef | str:
    if isinstance(value, str) and value.lower().startswith(("http:", "https:")):
        return check_url(value)
    try:
        return parse_secret(value)
    except ValueError:
        raise ValueError(f"neither a URL (https://...) nor a reference to a secret that is one; use {HOW}") from None


def _event(text: str) -> str:
    if text not in EVENTS:
        raise ValueError(f"unknown event `{text}`" + (guess(text, EVENTS) or f"; known here: {', '.join(EVENTS)}"))
    return text


Url = Annotated[SecretRef | str, BeforeValidator(_url), PlainSerializer(str, return_type=str)]
Event = Annotated[str, AfterValidator(_event)]
MailAddress = Annotated[Address, AfterValidator(address)]


class Entry(Section):
    """What both kinds have: the `events` that are told (none: all), and the `language` of the texts that are ours."""

    events: tuple[Event, ...] = ()
    language: Language = "en"

    def wants(self, event: str) -> bool:
        """Whether `event` is told here; a test is told everywhere."""
        return not self.events or event == TEST or event in self.events


class WebhookEntry(Entry):
    """A URL that takes POST with JSON: `text`, made by `template`, and the fields of the notice."""

    kind: Literal["webhook"]
    url: Url
    ca_file: RootedPath | None = None
    template: TemplateText | None = None


class MailEntry(Entry):
    """A mail to people, handed to an SMTP server that takes it without a login."""

    kind: Literal["mail"]
    smtp: Smtp
    sender: MailAddress = Field(alias="from")
    to: Annotated[tuple[MailAddress, ...], Field(min_length=1)]
    subject: TemplateText | None = None
    body: TemplateText | None = None


NotifyEntry = Annotated[WebhookEntry | MailEntry, Field(discriminator="kind")]
