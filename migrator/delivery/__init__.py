"""The proof: canaries, where they were found, the verdict."""
