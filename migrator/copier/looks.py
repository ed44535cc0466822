"""Folders that are looked at in one go: all questions are sent, then the answers are read."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from migrator.copier.flags import set_flags
from migrator.copier.forward import ForwardFolder
from migrator.copier.job import Side
from migrator.copier.lanes import Lane
from migrator.copier.scan import CHUNK
from migrator.copier.work import Pass
from migrator.model.names import FolderName

GROUP = 64  # folders looked at in one go: so many commands fit into any server's input buffer


@dataclass
class Looks:
    """Work for a lane. Asked already or not: what has been asked was asked in the lane that does it."""

    shared: Pass
    folders: Sequence[ForwardFolder]
    _asked: set[Side] = field(default_factory=set)

    def ask_source(self, lane: Lane) -> None:
        """Ask the source already; the look is then to be done in the same lane."""
        if "source" not in self._asked:
            self._asked.add("source")
            for folder in self.folders:
                folder.ask_source(lane)

    def ask_target(self, lane: Lane) -> None:
        """The same of the target."""
        if "target" not in self._asked:
            self._asked.add("target")
            for folder in self.folders:
                folder.ask_target(lane)

    def leave_out(self, targets: Collection[FolderName]) -> None:
        """Do not look at folders that go to one of `targets`."""
        self.folders = [folder for folder in self.folders if folder.target not in targets]

    def __call__(self, lane: Lane) -> None:
        """Look at the folders, set the flags that changed, and queue what is to be copied."""
        self.ask_source(lane)
        self.ask_target(lane)
        changes = [(folder, folder.look(lane)) for folder in self.folders]
        if flags := [(folder.work, some) for folder, some in changes if some]:
            set_flags(self.shared, lane, flags)
        for folder in self.folders:
            folder.looked()


def groups(shared: Pass, folders: Sequence[ForwardFolder]) -> Iterator[Looks]:
    """Folders in the same order, in groups that have no more to list than one look may hold."""
    group, listed = list[ForwardFolder](), 0
    for folder in folders:
        if group and (listed + folder.weight > CHUNK or len(group) == GROUP):
            yield Looks(shared, group)
            group, listed = [], 0
        group.append(folder)
        listed += folder.weight
    if group:
        yield Looks(shared, group)
