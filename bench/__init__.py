"""The benchmark beside other tools: `./dev bench copy|memory|startup`.

corpora    what is copied: small, mixed, dept
ground     an old server that holds a corpus, and a new one that is fresh for each run
tools      migrator, and the peers that are installed, as an operator would run them
launch     runs one command and says what it cost (a process of its own)
limit      the servers' own limit: drain the old one and blast a prebuilt stream into the new one, at once
copying    runs in turn, the judge's word on each, ratios
memory     peak memory with huge messages
startup    how long `migrator --help` takes
tables     figures for people
"""
