"""The tests: unit, contract, crash, servers, scenarios; `lab` starts real servers and judges what they hold."""
