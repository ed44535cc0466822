"""The tests: unit, contract, crash, servers, scenarios; `lab` starts real servers for them and judges what they hold."""
