"""What people read of a wave: its report (Markdown, JSON) and where it stands now.

report    the report as a value
collect   made from the state and the workspace
light     its traffic light, by rules
markdown, document    its two forms
activity  what a run does with a mailbox at this moment
forecast  what is left of a wave, and how long that will take
status    where a wave stands at this moment
"""

from migrator.reports.activity import Activity
from migrator.reports.collect import wave_report
from migrator.reports.document import report_json
from migrator.reports.forecast import Forecast, forecast
from migrator.reports.light import findings
from migrator.reports.markdown import render_markdown
from migrator.reports.report import Finding, Light, Report
from migrator.reports.status import MailboxStatus, Standing, WaveStatus, status

__all__ = [
    "Activity",
    "Finding",
    "Forecast",
    "Light",
    "MailboxStatus",
    "Report",
    "Standing",
    "WaveStatus",
    "findings",
    "forecast",
    "render_markdown",
    "report_json",
    "status",
    "wave_report",
]
