"""The benchmark beside others: `./dev bench copy|delta|discover|flip|latency|memory|plan|scale|startup`.

corpora    what is copied: small, mixed, dept, lat1k, dept1k (and tiny, to see that the benchmark runs)
changes    what people do to a mailbox between two passes
ground     an old server that holds a corpus, and a new one that is fresh for each tool
wire       a delaying wire before a server
tools      what a tool is, and migrator
peers      the other tools, where they are installed, as an operator would run them
launch     runs one command and says what it cost (a process of its own)
limit      the servers' own limit: drain the old one and blast a prebuilt stream into the new one, at once
runs       runs in turn, the judge's word on each, ratios pair by pair
copying    the initial copy
delta      passes after it: without change, and with 1% new, flagged and gone
flip       thousands of routes flipped at once, for each kind of map
latency    the initial copy at several round-trip times
memory     peak memory with huge messages
scale      a folder of a million messages: memory, and octets of state a message
startup    how long `migrator --help` takes
tables     figures for people
"""
