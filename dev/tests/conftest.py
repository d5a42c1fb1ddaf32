import sys
from pathlib import Path

# The services are scripts that sit beside each other, so they are found the way they find one another.
sys.path.insert(0, str(Path(__file__).parents[1]))
