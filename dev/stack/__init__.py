"""The local stack: the template.yaml of this repository on MiniStack, and two small services that run beside it."""
