"""What people read of a wave: its report (Markdown, JSON) and where it stands now.

report    the report as a value
collect   made from the state and the workspace
light     its traffic light, by rules
markdown, document    its two forms
activity  what a run does with a mailbox at this moment
forecast  what is left of a wave, and how long that will take
status    where a wave stands at this moment
notices   news of it for those whom `notify:` names, on their way (notice_webhook, notice_mail, notice_texts)

Nothing is imported here: a run needs the forecast alone, and starts the sooner.
"""
