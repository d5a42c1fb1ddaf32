"""The documents as tests: each command in README.md and docs/ is run, each example is saved, and the answers are compared.

A document states what is tested in plain Markdown:

- A ```sh block is run; all blocks of a document run in order in one shell. A command that fails fails the test.
- A ```text or ```json block right below it (with only blank lines between) is what the block above prints. `…` stands for any text.
  In JSON, `"…"` is any value, a string may contain `…`, and a last field `"…": "…"` or a last item `"…"` stands for any further ones.
- Any other ```json block is an example: a node, a spec or a flow, which the API must save. If a ```json block with an `error` is
  right below it, the API must refuse the example with that answer.
- Code in another language is an excerpt of the file that its first line names in a comment.
- `<!-- not run: reason -->` above a block leaves the block out, and the summary of the tests gives the reason.
"""
