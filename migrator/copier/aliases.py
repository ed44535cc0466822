"""What mail clients call their special folders, for servers that do not say it themselves (RFC 6154 missing).

Names as Outlook, Thunderbird, Apple Mail, Becky! and web mailers write them in English, Japanese, German and French.
"""

from collections.abc import Mapping

# The attribute, and the names under which it is found; earlier names win where a mailbox has several.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "\\sent": (
        "Sent", "Sent Items", "Sent Messages", "Sent Mail",
        "送信済みアイテム", "送信済みトレイ", "送信済みメール", "送信済み", "送信箱",
        "Gesendet", "Gesendete Elemente", "Gesendete Objekte", "Gesendete Nachrichten",
        "Envoyés", "Éléments envoyés", "Messages envoyés", "Courrier envoyé",
    ),
    "\\drafts": (
        "Drafts", "Draft", "下書き", "草稿", "Entwürfe", "Entwurf", "Brouillons", "Brouillon",
    ),
    "\\trash": (
        "Trash", "Deleted Items", "Deleted Messages", "Bin", "ごみ箱", "ゴミ箱", "削除済みアイテム", "削除済み",
        "Papierkorb", "Gelöschte Elemente", "Gelöschte Objekte", "Gelöscht",
        "Corbeille", "Éléments supprimés", "Messages supprimés",
    ),
    "\\junk": (
        "Junk", "Spam", "Junk E-mail", "Junk Email", "Bulk Mail", "迷惑メール", "スパム",
        "Spamverdacht", "Junk-E-Mail", "Werbung", "Courrier indésirable", "Indésirables", "Pourriel",
    ),
    "\\archive": (
        "Archive", "Archives", "アーカイブ", "保管", "Archiv", "Archivés",
    ),
}  # fmt: skip

SPECIAL_USES = tuple(_NAMES)
_BY_NAME = {name.casefold(): (use, rank) for use, names in _NAMES.items() for rank, name in enumerate(names)}


def use_of(name: str) -> str | None:
    """The special use that a folder of this name has in some client ("\\\\sent"), or None."""
    found = _BY_NAME.get(name.casefold())
    return found[0] if found else None


def rank(name: str) -> int:
    """How usual the name is for its use, 0 the most; names that mean no use come last."""
    found = _BY_NAME.get(name.casefold())
    return found[1] if found else len(_BY_NAME)
