"""What only the operator can change: by a program of theirs (`command`), or by hand in a console (`manual`)."""
