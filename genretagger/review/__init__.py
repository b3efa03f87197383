"""Review a plan in the browser: `session` knows what is decided, `server` serves it."""
