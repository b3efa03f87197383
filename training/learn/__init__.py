"""How the networks are fitted."""
