"""The ledger: one object with all its nouns over one opened database. It is the truth; the index can be rebuilt."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from memory.config import MemoryConfig
from memory.database import Database
from memory.ledger.answers import Answers
from memory.ledger.audit import Audit
from memory.ledger.conversations import Conversations
from memory.ledger.datasets import Datasets
from memory.ledger.erasures import Erasures
from memory.ledger.facts import Facts
from memory.ledger.feedback import Feedback
from memory.ledger.histories import Histories
from memory.ledger.holdings import Holdings
from memory.ledger.jobs import Jobs
from memory.ledger.keys import Keys
from memory.ledger.messages import Messages
from memory.ledger.policies import Policies
from memory.ledger.policy_turns import PolicyTurns
from memory.ledger.presence import Presence
from memory.ledger.reflections import Reflections
from memory.ledger.restoring import Restoring
from memory.ledger.reviews import Reviews
from memory.ledger.safety_counts import SafetyCounts
from memory.ledger.settings import PersonSettings
from memory.ledger.trait_controls import TraitControls
from memory.ledger.traits import Traits
from memory.ledger.users import Users


class Ledger:
    """Everything that is kept, by noun."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.users = Users(database)
        self.keys = Keys(database)
        self.settings = PersonSettings(database)
        self.conversations = Conversations(database)
        self.messages = Messages(database)
        self.histories = Histories(database)
        self.facts = Facts(database)
        self.traits = Traits(database)
        self.trait_controls = TraitControls(database)
        self.presence = Presence(database)
        self.jobs = Jobs(database)
        self.answers = Answers(database)
        self.reflections = Reflections(database)
        self.feedback = Feedback(database)
        self.erasures = Erasures(database)
        self.policies = Policies(database)
        self.datasets = Datasets(database)
        self.policy_turns = PolicyTurns(database)
        self.reviews = Reviews(database)
        self.holdings = Holdings(database)
        self.restoring = Restoring(database)
        self.audit = Audit(database)
        self.safety_counts = SafetyCounts(database)

    @classmethod
    @asynccontextmanager
    async def open(cls, config: MemoryConfig) -> AsyncIterator[Ledger]:
        """Open the database, created and migrated as needed, and close it on leaving.

        Raises:
            LedgerError: it cannot be opened; the message names the repair.
        """
        async with Database.open(config) as database:
            yield cls(database)
