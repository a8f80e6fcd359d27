"""SQL text: what a statement does, parameters, literals, and the state of a session."""
