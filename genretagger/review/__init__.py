"""Review a plan in the browser: `session` holds the decisions, `server` serves them."""
