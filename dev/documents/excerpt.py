"""Code that a document quotes from a file, which its first line names: `// functions/x/src/lib.rs` or `# template.yaml`."""

import re

NAMED = re.compile(r"^(?://|#) ([\w./-]+\.\w+)$")
LANGUAGES = ("rust", "toml", "yaml", "python")
LEFT_OUT = "…"


def check(block, root):
    """What is wrong with a block in one of the LANGUAGES; None if its lines stand in the file as they do here, wherever it is `…`
    or `// …` with any others between. How far they are indented does not matter."""
    first, *lines = block.text.splitlines()
    named = NAMED.match(first.strip())
    if not named:
        return "the first line must name the file that this is from, as `// path` or `# path`"
    path = root / named[1]
    if not path.is_file():
        return f"there is no {named[1]}"
    wanted = [line.strip() for line in lines if line.strip()]
    there = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    at = 0
    for part in parts(wanted):
        found = next((start for start in range(at, len(there)) if there[start : start + len(part)] == part), None)
        if found is None:
            return f"{named[1]} does not have, after what stands before it here:\n" + "\n".join(part)
        at = found + len(part)
    return None


def parts(lines):
    """The runs of lines between those that say that something is left out."""
    found = [[]]
    for line in lines:
        if line.lstrip("/# ") == LEFT_OUT:
            found.append([])
        else:
            found[-1].append(line)
    return [part for part in found if part]
