"""MiniStack, patched where it differs from AWS in a way that our template or our runs notice, and where it waits instead of working.

`python dev/ministack_patches` starts it like `python -m ministack`, with the same environment and arguments. Each module changes one
thing and says what AWS does and what MiniStack does; `dev/tests/test_ministack_*.py` holds a test for each. A patch names what it
replaces (`target.py`), so that a MiniStack that has changed there refuses to start.
"""
