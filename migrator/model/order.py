"""Which of a folder's messages are copied first."""

from enum import StrEnum


class CopyOrder(StrEnum):
    """OLDEST: as they came in. NEWEST: so that people find their latest mail on the target before all is across."""

    OLDEST = "oldest"
    NEWEST = "newest"
