"""The wire format: requests, responses and stream events.

Imports nothing of ours but the shapes; it is all that the terminal client may see of the backend. Unknown fields of a
request are refused; clients must ignore unknown fields of a response and unknown event types. A new shape goes into the
file of its noun in `assistant/shapes/` and is found here by itself.
"""

# ruff: noqa: F403
from assistant.shapes.admin import *
from assistant.shapes.base import *
from assistant.shapes.conversations import *
from assistant.shapes.events import *
from assistant.shapes.evidence import *
from assistant.shapes.help import *
from assistant.shapes.memories import *
from assistant.shapes.models import *
from assistant.shapes.persona import *
from assistant.shapes.policies import *
from assistant.shapes.portability import *
from assistant.shapes.protocol import *
from assistant.shapes.settings import *
