"""migrator moves a company's mailboxes between IMAP servers, department by department.

The story of a wave: the operator's files (`workspace`) name servers, mailboxes and waves.
`cli` parses a command and calls `waves`, which owns a wave's life: it hands each mailbox
to `dispatch`, where `copier` brings its mail across over `imap`; at the cutover `waves`
flips every place that decides where the mail goes (`routing`) and has `delivery` prove with
canary messages that mail now arrives on the target and only there. All of it is journalled
in `state`, from which `reports` tells people what happened; a rollback is the same road
backwards, with the mail that arrived meanwhile.

The map, top floor first:

    cli/        what the operator types: one file a noun; parse, call, print; nothing else
    waves/      a wave's life: planner, lifecycle, gates, run, cutover, rollback
    dispatch/   where mailbox work runs: threads here, workers elsewhere
    copier/     one mailbox's mail: folders, snapshot, plan, transfer, resolve
    delivery/   the proof: canaries, where they were found, the verdict
    reports/    what people read: progress, locate, ledger, runbooks
    routing/    where mail goes: one file a backend, behind one contract
    imap/       the wire: session, auth, folder names, streaming FETCH, pipelined APPEND
    state/      the only SQL: tables, store, ledger, upgrades
    workspace/  what the operator wrote: migrator.yaml, waves/*.yaml, mailboxes.csv, secrets
    model/      frozen nouns, outcomes, errors; imports nothing of ours

The import rule: an import only ever points down,

    cli > waves > dispatch > copier | delivery | reports > routing | imap | state | workspace > model

and packages on one floor do not import each other. `./dev check` refuses anything else.
"""
