"""The wire: session, auth, folder names, streaming FETCH, pipelined APPEND."""
