"""Where mail goes: one file a backend, behind one contract."""
