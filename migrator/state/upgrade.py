"""The schema's revision: skeleton."""

from migrator.state.records import RevisionStatus


def check(url: str) -> RevisionStatus:
    """The database's revision, the program's, and what lies between; changes nothing. Raises StateMissing/StateNewer."""
    raise NotImplementedError


def upgrade(url: str) -> RevisionStatus:
    """Bring the database to the program's revision, all or nothing; what was pending before."""
    raise NotImplementedError
