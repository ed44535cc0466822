"""The wire: connect and log in, folders, streamed FETCH, pipelined APPEND, and digests of what passes."""

from migrator.imap.appender import Appender
from migrator.imap.connect import connect, reach
from migrator.imap.digest import Digester, Digests, grade
from migrator.imap.fetcher import Fetcher
from migrator.imap.records import AppendResult, Body, Folder, Namespace, Quota, Refusal, Selected, Spaces, Status
from migrator.imap.session import Session
from migrator.imap.stores import Change, Mode, Stored

__all__ = [
    "AppendResult",
    "Appender",
    "Body",
    "Change",
    "Digester",
    "Digests",
    "Fetcher",
    "Folder",
    "Mode",
    "Namespace",
    "Quota",
    "Refusal",
    "Selected",
    "Session",
    "Spaces",
    "Status",
    "Stored",
    "connect",
    "grade",
    "reach",
]
