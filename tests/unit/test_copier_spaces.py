"""Whose a folder is: by the longest namespace that it is in."""

from __future__ import annotations

import pytest

from migrator.copier.spaces import Elsewhere, Owner, elsewhere, owner_of
from migrator.imap import Folder, Namespace, Spaces
from migrator.model.names import FolderName

PLAIN = Spaces((Namespace("", "/"),), (Namespace("shared/", "/"),), (Namespace("Public/", "/"),))
CYRUS = Spaces((Namespace("INBOX.", "."),), (Namespace("user.", "."),), (Namespace("", "."),))


@pytest.mark.parametrize(
    ("name", "spaces", "owner"),
    [
        ("INBOX", PLAIN, Owner.OURS),
        ("Projects/2026", PLAIN, Owner.OURS),
        ("shared/mate/INBOX", PLAIN, Owner.OTHERS),
        ("shared", PLAIN, Owner.OTHERS),
        ("sharedness", PLAIN, Owner.OURS),
        ("Public/Notices", PLAIN, Owner.PUBLIC),
        ("inbox", CYRUS, Owner.OURS),
        ("INBOX.Sent", CYRUS, Owner.OURS),
        ("user.mate", CYRUS, Owner.OTHERS),
        ("notices", CYRUS, Owner.PUBLIC),
        ("Archive", Spaces((Namespace("", "/"), Namespace("Archive/", "/"))), Owner.OURS),
        ("Archive", Spaces((Namespace("", "/"),), public=(Namespace("", "/"),)), Owner.OURS),
        ("anything", Spaces((Namespace("", None),)), Owner.OURS),
    ],
)
def test_a_folder_belongs_to_the_longest_namespace_that_fits(name, spaces, owner):
    assert owner_of(name, spaces)[0] is owner


def test_only_folders_with_mail_are_told():
    names = {"shared": "\\noselect", "shared/mate": "", "INBOX": "", "Public/Notices": ""}
    folders = [
        Folder(FolderName(name), name.encode(), "/", frozenset({flag} if flag else ())) for name, flag in names.items()
    ]
    assert elsewhere(folders, PLAIN) == (
        Elsewhere("Public/", Owner.PUBLIC, ("Public/Notices",)),
        Elsewhere("shared/", Owner.OTHERS, ("shared/mate",)),
    )
