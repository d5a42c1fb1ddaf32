"""The documents as tests: every command in README.md and docs/ is run, every example is saved, what they should answer is compared.

How a document says it, in Markdown that reads well by itself:

- A ```sh block is run, all of a document in order in one shell. A failing command fails the test.
- A ```text or ```json block right below it (only blank lines between) is what the block above prints. `…` stands for anything.
  In JSON, `"…"` is any value, a string may hold `…`, and a last field `"…": "…"` or a last item `"…"` stands for any more.
- Any other ```json block is an example: a node, a spec or a flow, which the API must save. If a ```json block with an `error` is
  right below it, the API must refuse it with that answer.
- Code in another language is an excerpt of the file that its first line names, as a comment.
- `<!-- not run: reason -->` above a block leaves it out, and the summary of the tests gives the reason.
"""

from .check import check

__all__ = ["check"]
