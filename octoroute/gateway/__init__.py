"""The request pipeline: resolve, plan, attempt, relay, settle."""
