"""Links that make models of other links."""
