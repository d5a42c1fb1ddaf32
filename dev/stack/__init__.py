"""The local stack: our own template.yaml on MiniStack, with the two small services beside it."""
