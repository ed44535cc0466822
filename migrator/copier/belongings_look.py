"""Both sides as they are: what a mailbox has beside its mail, and what of it the target should have."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import TypeVar

from migrator.copier.belongings import Change, Plan, inherited
from migrator.copier.belongings_acl import People, Rights, allowed, meet, rights, translate, written
from migrator.copier.changes import map_mailbox, records_of
from migrator.copier.job import Carrying
from migrator.copier.spaces import Owner
from migrator.copier.work import Pass
from migrator.imap.acl import Grantable
from migrator.imap.errors import CommandRefused
from migrator.imap.metadata import ACCOUNT
from migrator.model.belonging import Belonging, Key, Kind
from migrator.model.names import FolderName

V = TypeVar("V")
SUSPICIOUS = 3  # things of one kind that had been carried, and of which the source shows none
# What servers keep for themselves, and what folders have by other ways (special use: with the folder).
INTERNAL = (
    "/private/vendor/vendor.dovecot/pvt/",
    "/shared/vendor/vendor.dovecot/pvt/",
    "/private/vendor/cmu/cyrus-imapd/",
    "/shared/vendor/cmu/cyrus-imapd/",
    "/private/specialuse",
    "/shared/specialuse",
)


@dataclass
class Look:
    """What `carry` works on: both sides' connections, where folders go, and what the books say."""

    shared: Pass
    carrying: Carrying
    records: dict[Key, Belonging]
    plan: Plan = field(default_factory=Plan)
    values: dict[Key, bytes] = field(default_factory=dict)  # of entries that the target should have
    places: dict[FolderName, list[FolderName]] = field(default_factory=lambda: defaultdict(list))  # target: sources
    unseen: set[tuple[Kind, str]] = field(default_factory=set)  # a side did not tell: nothing is changed there
    left: frozenset[str] = frozenset()  # whose rights on the target are no business of ours
    subscribed: dict[FolderName, bool] = field(default_factory=dict)  # on the target

    def __post_init__(self) -> None:
        job, there = self.shared.job, self.shared.snapshot.target.folders
        for pair in map_mailbox(job, self.shared.snapshot, records_of(job)).pairs:
            self.places[pair.target].append(pair.source)
            seen = there.get(pair.target)  # none: this pass has made it, and subscribed to it as on the source
            self.subscribed[pair.target] = seen.subscribed if seen else pair.subscribed

    def blind(self, kind: Kind, place: str, side: str, error: CommandRefused) -> None:
        """One side does not tell what a place has: that is told, and nothing is changed there."""
        self.unseen.add((kind, place))
        self.plan.note(Key(kind, place), f"the {side} does not tell: {error.text}", _BY_OWNER)

    def compare(self, wanted: Mapping[Key, str], there: Mapping[Key, str], known: Mapping[Key, Belonging]) -> None:
        """Plan what to do, where both sides told what there is. A source that suddenly shows nothing of what had been
        carried is not believed."""
        had = [key for key, one in known.items() if one.ours is not None]
        if len(had) >= SUSPICIOUS and not wanted:
            kind, remedy = had[0].kind, "Look at the source. Nothing has been taken away on the target."
            return self.plan.note(Key(kind), f"the source shows none, and {len(had)} had been carried", remedy)
        unseen = {key for key in (*wanted, *there, *known) if (key.kind, key.place) in self.unseen}
        self.plan.compare(without(wanted, unseen), without(there, unseen), without(known, unseen))

    def known(self, kind: Kind) -> dict[Key, Belonging]:
        """What the books say of one kind."""
        return {key: one for key, one in self.records.items() if key.kind is kind}

    def lacking(self, kind: Kind, keys: Sequence[Key], what: str, remedy: str) -> None:
        """The target cannot have any of these."""
        for key in keys:
            self.plan.note(key, what, remedy)
        for key in self.known(kind).keys() - set(keys):
            self.plan.forget(key)

    def intend(self, changes: Sequence[Change]) -> None:
        """Journal what is about to be put on the target. `had` is there now, and ours: of two that a dead run left
        possible, the true one."""
        job = self.shared.job
        intended = [
            replace(self.records.get(one.key) or Belonging(one.key), ours=one.had, intended=one.wanted or "")
            for one in changes
        ]
        if intended:
            self.carrying.books.put(job.mailbox.address, intended, (), job.lease)
            self.records |= {one.key: one for one in intended}

    def look(self) -> None:
        """Fill the plan."""
        steps = {
            Kind.RIGHTS: self._rights,
            Kind.SUBSCRIPTION: self._subscriptions,
            Kind.QUOTA: self._quota,
            Kind.ENTRY: self._entries,
            Kind.SPACE: self._spaces,
        }
        for kind, of_kind in steps.items():
            if kind in self.carrying.kinds:
                of_kind()

    def _rights(self) -> None:
        lane = self.shared.lanes.first
        if not lane.source.has("ACL"):
            return
        wanted: dict[Key, str] = {}
        told = lane.source.settings.rights([name for names in self.places.values() for name in names])
        modern, people = lane.source.settings.modern_rights, self._people()
        for place, names in self.places.items():
            acls: list[Mapping[str, Rights]] = []
            for name in names:
                acl = told[name]
                if isinstance(acl, CommandRefused):
                    self.blind(Kind.RIGHTS, place, "source", acl)
                    acls.append({})
                    continue
                goes, lost = translate({who: rights(some, modern) for who, some in acl.items()}, people)
                acls.append(goes)
                for one in lost:
                    self.plan.note(Key(Kind.RIGHTS, place, one.identifier), one.reason, one.remedy)
            wanted |= {Key(Kind.RIGHTS, place, who): written(some) for who, some in meet(acls).items()}
        if not lane.target.has("ACL"):
            return self.lacking(Kind.RIGHTS, list(wanted), "the target has no access control lists", _SHARE)
        wanted = self._grantable(wanted)
        there = self.rights_there(list(self.places))
        separator = self.shared.snapshot.target.namespace.separator
        known = self.known(Kind.RIGHTS)
        known |= inherited(there, known, separator)
        for key, some in there.items():
            if key not in wanted and key not in known:
                self.plan.note(key, f"the target lets it in ({some}); the source did not", _SERVERS_OWN)
        self.compare(wanted, there, known)

    def _grantable(self, wanted: Mapping[Key, str]) -> dict[Key, str]:
        """What of `wanted` the target can give, by identifiers as it spells them (Cyrus drops its default domain); what
        it cannot give without giving more is told."""
        owner = self.shared.job.mailbox.target_login
        names = sorted({key.name for key in wanted} | {owner})
        can = self.shared.lanes.first.target.settings.grantable(names)
        self.left = self.carrying.people.left | {one.identifier for name, one in can.items()
                                                 if name == owner and isinstance(one, Grantable)}  # fmt: skip
        goes: dict[Key, str] = {}
        for key, text in wanted.items():
            one = can.get(key.name)
            if not isinstance(one, Grantable):
                self.plan.note(key, f"the target does not take it: {one.text if one else 'no answer'}", GIVE)
                continue
            as_there = replace(key, name=one.identifier)
            some = allowed(frozenset(text), one.always, one.groups)
            if not some:
                self.plan.note(as_there, f"the target can give it nothing of {text}: perhaps it does not know it", GIVE)
            elif lacking := frozenset(text) - some:
                self.plan.note(
                    as_there, f"without {written(lacking)}, which the target does not know, or ties to others", GIVE
                )
            if some and one.identifier not in self.left:
                before = goes.get(as_there, written(some))
                if both := written(some & frozenset(before)):
                    goes[as_there] = both
        return goes

    def _people(self) -> People:
        """Who is who; and whether entries that narrow on the source would widen on the target."""
        source, target = (one.settings.specific_wins for one in (self.shared.lanes.first.source,
                                                                 self.shared.lanes.first.target))  # fmt: skip
        return replace(self.carrying.people, specific_wins=source is not False and not (source and target))

    def rights_there(self, places: Sequence[FolderName]) -> dict[Key, str]:
        """What the target gives whom now; those that are left alone are left out."""
        settings, there = self.shared.lanes.first.target.settings, {}
        for place, acl in settings.rights(places).items():
            if isinstance(acl, CommandRefused):
                self.blind(Kind.RIGHTS, place, "target", acl)
                continue
            for who, some in acl.items():
                if who not in self.left and (has := written(rights(some, settings.modern_rights))):
                    there[Key(Kind.RIGHTS, place, who)] = has
        return there

    def _subscriptions(self) -> None:
        source = self.shared.snapshot.source.folders
        wanted = {place for place, names in self.places.items() if any(source[name].subscribed for name in names)}
        there = {name for name, subscribed in self.subscribed.items() if subscribed}
        self.compare(
            {Key(Kind.SUBSCRIPTION, one): "yes" for one in wanted},
            {Key(Kind.SUBSCRIPTION, one): "yes" for one in there},
            self.known(Kind.SUBSCRIPTION),
        )

    def _quota(self) -> None:
        lane = self.shared.lanes.first
        if not lane.source.has("QUOTA"):
            return
        limits = lane.source.settings.bounds()[1]
        keys = {Key(Kind.QUOTA, name=name): limit for name, limit in limits.items()}
        if not lane.target.has("QUOTA"):
            return self.lacking(Kind.QUOTA, list(keys), "the target has no quotas over IMAP", _QUOTA)
        there = {Key(Kind.QUOTA, name=name): limit for name, limit in lane.target.settings.bounds()[1].items()}
        known = self.known(Kind.QUOTA)
        for key, limit in list(keys.items()):
            have = there.get(key)
            mine = known.get(key)
            if (
                have is not None and have >= limit and (mine is None or mine.ours is None)
            ):  # whoever made the account meant it so
                self.plan.settle(Belonging(key))
                del keys[key], there[key]
        self.plan.compare(_text(keys), {key: one for key, one in _text(there).items() if key in keys or key in known},
                          {key: one for key, one in known.items() if key not in self.plan.settled})  # fmt: skip

    def _entries(self) -> None:
        lane = self.shared.lanes.first
        if not lane.source.has("METADATA"):
            return
        sources = [name for names in self.places.values() for name in names]
        told, wanted = lane.source.settings.entries([ACCOUNT, *sources]), dict[Key, str]()
        for place, names in {ACCOUNT: [ACCOUNT], **self.places}.items():
            for name in names:
                entries = told[name]
                if isinstance(entries, CommandRefused):
                    self.blind(Kind.ENTRY, place, "source", entries)
                    continue
                for entry, value in entries.items():
                    if self._goes(place, entry):
                        self.values.setdefault(Key(Kind.ENTRY, place, entry), value)
        wanted = {key: digest(value) for key, value in self.values.items()}
        if not lane.target.has("METADATA"):
            return self.lacking(Kind.ENTRY, list(wanted), "the target keeps no entries (METADATA)", _ENTRY)
        there: dict[Key, str] = {}
        for place, entries in lane.target.settings.entries([ACCOUNT, *self.places]).items():
            if isinstance(entries, CommandRefused):
                self.blind(Kind.ENTRY, place, "target", entries)
                continue
            there |= {Key(Kind.ENTRY, place, e): digest(v) for e, v in entries.items() if self._goes(place, e)}
        self.compare(wanted, there, self.known(Kind.ENTRY))

    def _goes(self, place: FolderName, entry: str) -> bool:
        """Whether an entry is its user's: shared ones of the account are the server's."""
        if place == ACCOUNT and not entry.lower().startswith("/private/"):
            return False
        return not entry.lower().startswith((*INTERNAL, *(one.lower() for one in self.carrying.entries_left)))

    def _spaces(self) -> None:
        seen = {Key(Kind.SPACE, one.prefix): one for one in self.shared.snapshot.source.elsewhere}
        for key in self.known(Kind.SPACE).keys() - seen.keys():
            self.plan.forget(key)
        for key, one in seen.items():
            count = len(one.folders)
            reason = f"{count} folder{'s' * (count > 1)} {one.owner.value}, listed here: not this mailbox's mail"
            self.plan.note(key, reason, _OTHERS if one.owner is Owner.OTHERS else _PUBLIC)


def without(some: Mapping[Key, V], keys: Set[Key]) -> dict[Key, V]:
    """`some` but for these."""
    return {key: value for key, value in some.items() if key not in keys}


def digest(value: bytes) -> str:
    """What the books keep of a text that is its user's."""
    return hashlib.sha256(value).hexdigest()


def _text(limits: Mapping[Key, int]) -> dict[Key, str]:
    return {key: str(limit) for key, limit in limits.items()}


_BY_OWNER = "Let our login administer this folder there (right `a`), or do it by hand."
GIVE = "Give those rights by hand on the target, as far as it has their like."
_SHARE = "Share the folder by the means of the target."
_SERVERS_OWN = "It is the target's default, or somebody's wish. Take it away there if it must not be."
_QUOTA = "Set it where the target's accounts are made."
_ENTRY = "Programs that keep settings there have to be set up anew."
_OTHERS = "Who shares them carries them: keep those mailboxes in one wave (keep_with)."
_PUBLIC = "Give the account that owns them a row in mailboxes.csv, or copy them once, as that account."
