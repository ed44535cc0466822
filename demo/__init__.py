"""A small company moves its mail, on this machine, without root: `./dev demo [--keep]`.

The mail system is embedded (nothing is installed, all of it ends with the demo); the program that moves the mail is
the real one, run through its command line like an operator would. Nothing in `migrator/` knows of this.

    story        what happens, in order: the commands, the people, the proof
    company      who works here: departments, people, what is in their mailboxes
    letters      mail as it is found in such mailboxes
    people       what people do with their mail while it moves: senders outside, readers inside
    mail_system  all servers in one thread; their ports
    imap         a server for mailboxes (pymap)
    smtp         what takes mail and routes it by a transport map (aiosmtpd)
    workspace    migrator.yaml and what belongs to it
    commands     `$ migrator ...`: shown, then run
    judge        what is on the servers, counted by the demo's own means
    screen       headings and the table of proof
"""
