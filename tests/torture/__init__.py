"""Killing the program: at every step it takes, and at random moments; then running it again, and counting.

    points    the steps: before and after each commit, server exchange, SMTP dialogue, command and rename
    runner    a process that has the program loaded and forks it, so that a thousand runs do not pay a thousand starts
    trial     one mailbox moved, killed, resumed
    judge     what became of it: lost, doubled, altered, split, touched, left lying
    cycles    one wave, there and back again and again, while mail arrives all the time
    faults    what strikes meanwhile: gateways die, reloads fail, disks fill up, somebody edits a map by hand
    referee   whether each accepted mail is once where its mailbox is; pauses: how long it was held up
    __main__  `python -m tests.torture copy|cutover --kills N --seed S`: the long form (also `./dev torture`)

The program has no hooks for this: `points` wraps it from outside. The judge is tests.lab.checker.
"""
